package command

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

// TestMessagesOfState: each way in which the list of seen messages cannot be
// used names the file and says what to do.
func TestMessagesOfState(t *testing.T) {
	t.Parallel()
	runMishaps(t, "state.txtar")
}

func (s *scene) garbage() {
	if err := os.MkdirAll(filepath.Dir(s.vars["DB"]), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.overwrite([]byte("hello\n"))
}

func (s *scene) overwrite(data []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.vars["DB"], data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// change rewrites the state file.
func (s *scene) change(fn func([]byte) []byte) {
	s.t.Helper()
	data, err := os.ReadFile(s.vars["DB"])
	if err != nil {
		s.t.Fatal(err)
	}
	s.overwrite(fn(data))
}

// noiseInState leaves bbolt's two meta pages.
func (s *scene) noiseInState() {
	s.change(func(b []byte) []byte {
		for i := 2 * os.Getpagesize(); i < len(b); i++ {
			b[i] = 0xa5
		}
		return b
	})
}

// intend leaves a delivery open as a run that was killed does.
func (s *scene) intend(kind string) {
	db, err := state.Open(s.vars["DB"], state.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	in := state.Intent{Key: state.NewKey("uid-9", 0), Target: "maildir:x", Kind: kind, Data: []byte("?"), At: time.Now()}
	if err := db.Apply(&state.Change{Intend: []state.Intent{in}}); err != nil {
		s.t.Fatal(err)
	}
}

// breakRecord makes what "intend gone:" wrote longer than it is.
func (s *scene) breakRecord() {
	s.change(func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\x05gone:"), []byte("\x7fgone:"))
	})
}

func (s *scene) newerState() {
	s.change(func(b []byte) []byte {
		at := bytes.LastIndex(b, []byte("version"))
		if at < 0 {
			s.t.Fatal("no version in the state")
		}
		for ; at >= 0; at = bytes.LastIndex(b[:at], []byte("version")) {
			if c := b[at+len("version")]; '1' <= c && c <= '9' {
				b[at+len("version")] = '9'
			}
		}
		return b
	})
}

// holdState is another run.
func (s *scene) holdState() {
	db, err := state.Open(s.vars["DB"], state.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
}

// fillUp leaves the state's disk no room to grow.
func (s *scene) fillUp() {
	smallDisk(s.t, s.vars)
	s.first("--state ${DISK}/state fetch --limit 1")
	f, err := os.Create(filepath.Join(s.vars["DISK"], "filler"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 4096); ; {
		if _, err := f.Write(chunk); err != nil {
			return
		}
	}
}
