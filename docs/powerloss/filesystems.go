//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// fileSystem is one that the promise is tried on.
type fileSystem struct {
	name    string
	kind    string // of mount(2)
	options string // of mount(2)
	size    int64  // of the disk, in MiB
	mkfs    []string
	debian  string // the package that mkfs comes from
	// repair is what a boot does before the mount after a power failure.
	repair func(device string) error
	// tear is what a drive must write whole: a file system that has larger
	// sectors relies on a drive that has them too.
	tear int
	// covered: the promise covers it.
	covered bool
}

// Without a journal only what fsync is called for is promised, and the repair
// may find lost files anywhere.
var fileSystems = []*fileSystem{
	{name: "ext4", kind: "ext4", size: 64, mkfs: ext("ext4"), debian: "e2fsprogs", tear: sectorSize, covered: true},
	{name: "ext4-writeback", kind: "ext4", options: "data=writeback", size: 64, mkfs: ext("ext4"), debian: "e2fsprogs",
		tear: sectorSize, covered: true},
	{name: "xfs", kind: "xfs", size: 64, mkfs: []string{"mkfs.xfs", "-q", "-f", "-K", "--unsupported"}, debian: "xfsprogs",
		tear: sectorSize, covered: true},
	{name: "btrfs", kind: "btrfs", size: 128, mkfs: []string{"mkfs.btrfs", "-q", "-f", "-K"}, debian: "btrfs-progs",
		tear: pageSize, covered: true},
	{name: "vfat", kind: "vfat", size: 64, mkfs: []string{"mkfs.vfat"}, debian: "dosfstools", tear: sectorSize},
	{name: "ext4-nojournal", kind: "ext4", size: 64, mkfs: append(ext("ext4"), "-O", "^has_journal"), debian: "e2fsprogs",
		repair: e2fsck, tear: sectorSize},
	{name: "ext2", kind: "ext2", size: 64, mkfs: ext("ext2"), debian: "e2fsprogs", repair: e2fsck, tear: sectorSize},
}

func ext(kind string) []string {
	return []string{"mkfs." + kind, "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"}
}

func fileSystemOf(name string) *fileSystem {
	return fileSystems[slices.IndexFunc(fileSystems, func(f *fileSystem) bool { return f.name == name })]
}

// missing says what this machine lacks for the file system and how to get it;
// empty if nothing.
func (f *fileSystem) missing() string {
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(strings.Fields(string(known)), f.kind) {
		return "this kernel has no " + f.kind + " (modprobe " + f.kind + ")"
	}
	if _, err := exec.LookPath(f.mkfs[0]); err != nil {
		return f.mkfs[0] + " is missing (apt-get install " + f.debian + ")"
	}
	return ""
}

// make returns a fresh file system.
func (f *fileSystem) make(temp string) (image, error) {
	file, err := os.CreateTemp(temp, "mkfs")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := file.Truncate(f.size << 20); err != nil {
		return nil, err
	}
	if out, err := exec.Command(f.mkfs[0], append(f.mkfs[1:], file.Name())...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", f.mkfs[0], err, out)
	}
	im := image{}
	buf := make([]byte, pageSize)
	for n := int64(0); ; n++ {
		if _, err := io.ReadFull(file, buf); err == io.EOF {
			return im, nil
		} else if err != nil {
			return nil, err
		}
		if page := [pageSize]byte(buf); page != [pageSize]byte{} {
			im[n] = &page
		}
	}
}
