package command

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// TestFullScreenPanics: a crash leaves the terminal as it was.
func TestFullScreenPanics(t *testing.T) {
	t.Setenv("TERM", "xterm")
	master, slave := pseudoTerminal(t, 24)
	func() {
		defer func() { _ = recover() }()
		o := term.NewOutput(term.Streams{Out: slave, Err: slave}, false, false, 0, false, false)
		_ = o.FullScreen().Show(t.Context(), time.Hour, func(int, int) ([]string, error) { panic("crash") })
	}()
	slave.Close()
	text, _ := io.ReadAll(master) // EIO: nobody has the other end open
	if !bytes.HasPrefix(text, []byte("\x1b[?1049h")) || !bytes.HasSuffix(text, []byte("\x1b[?7h\x1b[?25h\x1b[?1049l")) {
		t.Errorf("%q", text)
	}
}
