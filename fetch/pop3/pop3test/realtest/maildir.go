//go:build unix

package realtest

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// box is a server's Maildir.
type box struct {
	t   pop3test.TB
	dir string
	seq *atomic.Int64
}

func newBox(t pop3test.TB, dir string) box {
	t.Helper()
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := own(dir); err != nil {
		t.Fatal(err)
	}
	return box{t, dir, new(atomic.Int64)}
}

func (b box) add(messages [][]byte) {
	b.t.Helper()
	for _, m := range messages {
		n := b.seq.Add(1)
		name := filepath.Join(b.dir, "new", fmt.Sprintf("%d.M1P1Q%d.test", 1_600_000_000+n, n))
		err := os.WriteFile(name, lf(m), 0o600)
		if err == nil {
			err = own(name)
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b box) kept() (out [][]byte) {
	b.t.Helper()
	for _, sub := range []string{"new", "cur"} {
		names, _ := filepath.Glob(filepath.Join(b.dir, sub, "*"))
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				b.t.Fatal(err)
			}
			out = append(out, crlf(data))
		}
	}
	return out
}
