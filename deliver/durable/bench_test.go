package durable

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkGroup delivers 8 KiB messages the way a Maildir is written: create
// in one directory, make durable, rename into another, make that durable. One
// operation is one message. It is where workers and manyFiles come from.
func BenchmarkGroup(b *testing.B) {
	for _, workers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("fsync/%d-parallel/100", workers), func(b *testing.B) {
			benchmarkGroup(b, 100, func(ctx context.Context, g *Group, paths []string) error {
				if err := syncFiles(ctx, paths, workers); err != nil {
					return err
				}
				return SyncDir(g.dir.Name())
			})
		})
	}
	b.Run("fsync/16-parallel/500", func(b *testing.B) {
		benchmarkGroup(b, 500, func(ctx context.Context, g *Group, paths []string) error {
			if err := syncFiles(ctx, paths, 16); err != nil {
				return err
			}
			return SyncDir(g.dir.Name())
		})
	})
	for _, size := range []int{8, 16, 32, 64, 100, 500} {
		b.Run(fmt.Sprintf("syncfs/%d", size), func(b *testing.B) {
			benchmarkGroup(b, size, func(ctx context.Context, g *Group, _ []string) error {
				if g.volume == nil {
					b.Skip("not on this file system")
				}
				return g.syncWhole(ctx)
			})
		})
	}
	b.Run("none", func(b *testing.B) {
		benchmarkGroup(b, 100, func(context.Context, *Group, []string) error { return nil })
	})
}

func benchmarkGroup(b *testing.B, size int, sync func(context.Context, *Group, []string) error) {
	var s Syncer
	body := bytes.Repeat([]byte("x"), 8<<10)
	tmp, dest := b.TempDir(), b.TempDir()
	for done := 0; done < b.N; done += size {
		g, err := s.Open(tmp)
		if err != nil {
			b.Fatal(err)
		}
		var paths []string
		for i := range min(size, b.N-done) {
			paths = append(paths, filepath.Join(tmp, fmt.Sprint(done+i)))
			f, err := os.OpenFile(paths[i], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			_, err = f.Write(body)
			if cerr := f.Close(); err != nil || cerr != nil {
				b.Fatal(err, cerr)
			}
		}
		if err := sync(b.Context(), g, paths); err != nil {
			b.Fatal(err)
		}
		for _, path := range paths {
			if err := RenameNew(path, filepath.Join(dest, filepath.Base(path))); err != nil {
				b.Fatal(err)
			}
		}
		if err := SyncDir(dest); err != nil {
			b.Fatal(err)
		}
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
