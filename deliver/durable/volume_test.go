package durable

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// openVolume returns a group on a volume whose syncfs is the caller's.
func openVolume(t *testing.T, s *Syncer, v *volume) *Group {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, manyFiles)
	f, err := open(dir, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	g := &Group{syncer: s, dir: f, volume: v}
	g.errs, _ = v.failed(0)
	t.Cleanup(func() { _ = f.Close() })
	return g
}

// many are names enough for a syncfs.
func many(t *testing.T, g *Group) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(g.dir.Name(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths
}

// TestGroupsShareASyncfs: whoever comes while one is under way waits for the
// next one, and all of them for the same.
func TestGroupsShareASyncfs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		v := &volume{turn: make(chan struct{}, 1), call: func(*os.File) error {
			calls++
			time.Sleep(time.Second)
			return nil
		}}
		var s Syncer
		begun := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			g := openVolume(t, &s, v)
			names := many(t, g)
			wg.Go(func() {
				if err := g.Sync(t.Context(), names); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // the first one has begun, the others wait for it
		}
		wg.Wait()
		if took := time.Since(begun); calls != 2 || took != 2*time.Second {
			t.Errorf("%d calls of syncfs in %s, want 2 in 2s", calls, took)
		}
	})
}

// TestAFailedSyncfsIsEveryGroups: the kernel says it once, and it may have been
// about the files of any group that was open.
func TestAFailedSyncfsIsEveryGroups(t *testing.T) {
	failure := errors.New("disk on fire")
	v := &volume{turn: make(chan struct{}, 1)}
	var s Syncer
	a, b := openVolume(t, &s, v), openVolume(t, &s, v)
	v.call = func(*os.File) error { return failure }
	if err := a.Sync(t.Context(), many(t, a)); !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
	v.call = func(*os.File) error { return nil }
	if err := b.Sync(t.Context(), many(t, b)); !errors.Is(err, failure) {
		t.Errorf("the other group: got %v, want %v", err, failure)
	}
	c := openVolume(t, &s, v)
	if err := c.Sync(t.Context(), many(t, c)); err != nil {
		t.Errorf("a group opened since: %v", err)
	}
}

// TestVolumeIsReleased: an open descriptor would keep the file system mounted.
func TestVolumeIsReleased(t *testing.T) {
	var s Syncer
	for range 2 {
		a, err := s.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if a.volume == nil {
			t.Skip("no syncfs here")
		}
		b, err := s.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if a.volume != b.volume {
			t.Error("two volumes for one device")
		}
		for _, g := range []*Group{a, b} {
			if _, err := a.volume.dir.Stat(); err != nil {
				t.Error(err)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := a.volume.dir.Stat(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after the last Close: %v, want ErrClosed", err)
		}
	}
}
