package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// slowSyncfs is how long one syncfs may take. It also writes what other
// programs have dirtied; if that is much, fsync of our files is quicker.
const slowSyncfs = 2 * time.Second

// Syncer makes groups of files durable in the way that is quicker here. Share
// one among all that write at the same time: one syncfs serves every group that
// waited for it. The zero value is ready; it may be used from several
// goroutines. Do not copy it.
type Syncer struct {
	mu      sync.Mutex
	volumes map[uint64]*volume // by device
}

// volume is a file system.
type volume struct {
	groups int      // open ones; guarded by Syncer.mu
	dir    *os.File // open while groups are, and longer than any of them

	turn chan struct{} // has room for the one that calls syncfs
	call func(*os.File) error

	mu    sync.Mutex // guards what follows
	begun int        // calls of syncfs
	slow  bool
	// errs and err count and keep the failures of syncfs. The kernel reports
	// each once to a descriptor, so every group that is open then has failed.
	errs int
	err  error
}

// join returns the volume with one group more. Its descriptor is then older
// than any file of that group.
func (s *Syncer) join(device uint64, dir string) (*volume, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.volumes[device]
	if v == nil {
		v = &volume{turn: make(chan struct{}, 1), call: syncfs}
	}
	if v.groups == 0 {
		f, err := open(dir, os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		v.dir = f
	}
	v.groups++
	if s.volumes == nil {
		s.volumes = make(map[uint64]*volume)
	}
	s.volumes[device] = v
	return v, nil
}

// leave gives up a group. After the last one nothing of ours keeps the file
// system from being unmounted.
func (s *Syncer) leave(v *volume) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.groups--; v.groups > 0 {
		return nil
	}
	return v.dir.Close()
}

// sync returns nil after a syncfs that began after this call: its own or, as
// several wait for their turn, that of one of them. How that one ended is for
// failed to say.
func (v *volume) sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	before := v.count()
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-v.turn }()
	if v.count() == before {
		v.syncNow()
	}
	return nil
}

func (v *volume) syncNow() {
	v.mu.Lock()
	v.begun++
	v.mu.Unlock()
	begun := time.Now()
	var err error
	if !fault.Mutated("no-syncfs") {
		err = v.call(v.dir)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.slow = v.slow || time.Since(begun) > slowSyncfs
	if err != nil {
		v.errs++
		v.err = err
	}
}

func (v *volume) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.begun
}

func (v *volume) isSlow() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.slow
}

// failed returns how often syncfs has failed and, if that is more than since,
// the last error.
func (v *volume) failed(since int) (n int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.errs > since {
		err = v.err
	}
	return v.errs, err
}

// manyFiles is the size of a group from which one syncfs is quicker than an
// fsync of each file (see BenchmarkGroup and docs/performance.md).
const manyFiles = 16

// Group is a set of files that are written into one directory and become
// durable together.
type Group struct {
	syncer *Syncer
	dir    *os.File
	volume *volume // nil if syncfs cannot be relied on here
	errs   int     // of the volume when the group was opened
}

// Open starts a group in the directory dir. Call it before the first file is
// written: syncfs reports only errors that occurred after the descriptor it is
// given was opened. Close the group in any case.
func (s *Syncer) Open(dir string) (*Group, error) {
	f, err := open(dir, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	g := &Group{syncer: s, dir: f}
	device, ok := canSyncfs(f)
	if !ok {
		return g, nil
	}
	if g.volume, err = s.join(device, dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	g.errs, _ = g.volume.failed(0)
	return g, nil
}

// Sync makes the named files of the directory durable, data and entries. The
// files must be closed. After an error none of them can be relied on.
func (g *Group) Sync(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if g.volume != nil && len(names) >= manyFiles && !g.volume.isSlow() {
		return g.syncWhole(ctx)
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = filepath.Join(g.dir.Name(), name)
	}
	if err := SyncFiles(ctx, paths); err != nil {
		return err
	}
	return SyncDir(g.dir.Name())
}

func (g *Group) syncWhole(ctx context.Context) error {
	err := fault.Error("durable.syncfs")
	if err == nil {
		err = g.volume.sync(ctx)
	}
	if err == nil {
		_, err = g.volume.failed(g.errs)
	}
	if err != nil {
		return fmt.Errorf("syncfs %s: %w", g.dir.Name(), err)
	}
	return nil
}

// Close releases the directory. It makes nothing durable.
func (g *Group) Close() error {
	err := g.dir.Close()
	if g.volume != nil {
		err = errors.Join(err, g.syncer.leave(g.volume))
	}
	return err
}
