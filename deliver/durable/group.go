package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

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
