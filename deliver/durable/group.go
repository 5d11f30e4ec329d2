package durable

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

const (
	// manyFiles is the size of a group from which one syncfs is quicker than
	// an fsync of each file (see BenchmarkGroup and docs/performance.md).
	manyFiles = 64
	// slowSyncfs is how long one syncfs may take. It also writes what other
	// programs have dirtied; if that is much, fsync of our files is quicker.
	slowSyncfs = 2 * time.Second
)

// Syncer makes groups of files durable in the way that is quicker here. The
// zero value is ready; it may be used from several goroutines.
type Syncer struct{ slow atomic.Bool }

// Group is a set of files that are written into one directory and become
// durable together.
type Group struct {
	syncer *Syncer
	dir    *os.File
	whole  bool // syncfs can be relied on here
}

// Open starts a group in the directory dir. Call it before the first file is
// written: syncfs reports only errors that occurred after the descriptor it is
// given was opened. Close the group in any case.
func (s *Syncer) Open(dir string) (*Group, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Group{syncer: s, dir: f, whole: canSyncfs(f)}, nil
}

// Sync makes the named files of the directory durable, data and entries. The
// files must be closed. After an error none of them can be relied on.
func (g *Group) Sync(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if g.whole && len(names) >= manyFiles && !g.syncer.slow.Load() {
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
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := fault.Error("durable.syncfs"); err != nil {
		return fmt.Errorf("syncfs %s: %w", g.dir.Name(), err)
	}
	begun := time.Now()
	if err := syncfs(g.dir); err != nil {
		return fmt.Errorf("syncfs %s: %w", g.dir.Name(), err)
	}
	if time.Since(begun) > slowSyncfs {
		g.syncer.slow.Store(true)
	}
	return nil
}

// Close releases the directory. It makes nothing durable.
func (g *Group) Close() error { return g.dir.Close() }
