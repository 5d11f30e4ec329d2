//go:build linux

package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	pageSize = 4096
	// sectorSize is what a drive writes whole or not at all.
	sectorSize = 512
)

// image is what a disk holds, by page number; a missing page is all zeros.
// Pages are never changed, so images share them.
type image map[int64]*[pageSize]byte

// write puts data at an offset, in new pages.
func (im image) write(off int64, data []byte) {
	for len(data) > 0 {
		n, at := off/pageSize, off%pageSize
		page := new([pageSize]byte)
		if old := im[n]; old != nil && (at > 0 || len(data) < pageSize) {
			*page = *old
		}
		done := copy(page[at:], data)
		im[n] = page
		off, data = off+int64(done), data[done:]
	}
}

func (im image) read(off int64, buf []byte) {
	for len(buf) > 0 {
		n, at := off/pageSize, off%pageSize
		part := buf[:min(int64(len(buf)), pageSize-at)]
		if page := im[n]; page != nil {
			copy(part, page[at:])
		} else {
			clear(part)
		}
		off, buf = off+int64(len(part)), buf[len(part):]
	}
}

// save writes the image into a file.
func (im image) save(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	for n, page := range im {
		_, werr := f.WriteAt(page[:], n*pageSize)
		err = errors.Join(err, werr)
	}
	return errors.Join(err, f.Close())
}

// entry is a write that reached the disk, or a flush of its cache.
type entry struct {
	flush bool
	off   int64
	data  []byte
	// world is what there was outside before this entry: an index into
	// recording.outside.
	world int
}

// disk is a block device in memory: the one file of a FUSE file system, for a
// loop device to stand on. It remembers each write and flush while log is on.
type disk struct {
	fs.Inode
	size int64

	mu      sync.Mutex
	content image
	logging bool
	log     []entry
	outside func() int // the index for entry.world
}

// load replaces what is on the disk. Nothing may be mounted from it.
func (d *disk) load(im image) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.content, d.log, d.logging = maps.Clone(im), nil, false
}

// record begins the log.
func (d *disk) record(outside func() int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log, d.logging, d.outside = nil, true, outside
}

// stop ends the log and returns it.
func (d *disk) stop() []entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logging = false
	return d.log
}

// snapshot returns what is on the disk.
func (d *disk) snapshot() image {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.content)
}

func (d *disk) note(e entry) {
	if d.logging {
		e.world = d.outside()
		d.log = append(d.log, e)
	}
}

// Open implements fs.NodeOpener. Nothing is cached between this and the loop
// device, so that load can replace it.
func (d *disk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Getattr implements fs.NodeGetattrer.
func (d *disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = syscall.S_IFREG|0o600, uint64(d.size)
	return 0
}

// Read implements fs.NodeReader.
func (d *disk) Read(_ context.Context, _ fs.FileHandle, buf []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	buf = buf[:max(0, min(int64(len(buf)), d.size-off))]
	d.content.read(off, buf)
	return fuse.ReadResultData(buf), 0
}

// Write implements fs.NodeWriter.
func (d *disk) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if off+int64(len(data)) > d.size {
		return 0, syscall.ENOSPC
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.content.write(off, data)
	if d.logging {
		d.note(entry{off: off, data: append([]byte(nil), data...)})
	}
	return uint32(len(data)), 0
}

// Fsync implements fs.NodeFsyncer: the loop device's flush.
func (d *disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note(entry{flush: true})
	return 0
}

var (
	_ fs.NodeOpener    = (*disk)(nil)
	_ fs.NodeGetattrer = (*disk)(nil)
	_ fs.NodeReader    = (*disk)(nil)
	_ fs.NodeWriter    = (*disk)(nil)
	_ fs.NodeFsyncer   = (*disk)(nil)
)

// shelf is the FUSE file system with the disk in it.
type shelf struct {
	fs.Inode
	disk *disk
}

// OnAdd implements fs.NodeOnAdder.
func (s *shelf) OnAdd(ctx context.Context) {
	s.AddChild("disk", s.NewPersistentInode(ctx, s.disk, fs.StableAttr{Mode: syscall.S_IFREG}), false)
}

// serve mounts the shelf at dir and returns the disk in it.
func serve(dir string, size int64) (*disk, error) {
	d := &disk{size: size, content: image{}}
	_, err := fs.Mount(dir, &shelf{disk: d}, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, MaxWrite: 1 << 20, FsName: "powerloss", Name: "powerloss"},
	})
	return d, err
}
