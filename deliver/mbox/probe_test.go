package mbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProbeAppend: what a program that ignores our locks appends while the mbox is
// probed stays.
func TestProbeAppend(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mbox")
	d := New(Options{Path: path})
	defer d.Close()
	send(t, d, "first\n")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stop, appended := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				appended <- n
				return
			default:
				if _, err := f.WriteString("mark\n"); err != nil {
					t.Error(err)
				}
				n++
			}
		}
	}()
	for range 100 {
		if err := d.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		l, err := d.lock(t.Context(), path)
		if err == nil { // as where nothing can be created beside it
			err = errors.Join(l.roomBehind(), l.close())
		}
		if err != nil {
			t.Error(err)
		}
	}
	close(stop)
	n := <-appended
	if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), "mark\n") != n {
		t.Errorf("%d of %d are left, %v", strings.Count(string(text), "mark\n"), n, err)
	}
}
