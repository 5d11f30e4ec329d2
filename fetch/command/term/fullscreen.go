package term

import (
	"context"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	// The alternate screen, without a cursor and without wrapping: the terminal cuts
	// what is wider than it is, whatever the width of its characters.
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	// The line end is for terminals that have no alternate screen.
	leaveScreen = "\r\n\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// FullScreen draws on a whole terminal. What was on it comes back at the end.
type FullScreen struct {
	out  io.Writer
	size func() (width, height int)
}

// FullScreen is the terminal on standard output; nil if there is none, or one that
// does not understand control sequences.
func (o *Output) FullScreen() *FullScreen {
	if o.tty == nil || isDumb() {
		return nil
	}
	return &FullScreen{o.tty, func() (int, int) {
		w, h, err := term.GetSize(int(o.tty.Fd()))
		if err != nil || w == 0 || h == 0 {
			return 80, 24
		}
		return w, h
	}}
}

func isDumb() bool { return os.Getenv("TERM") == "dumb" }

// Show draws frames until ctx is done: every so often, and when the terminal gets
// another size. A frame is lines without control sequences. Its end restores the
// terminal, also a panic, and so does what a signal stops or ends.
func (s *FullScreen) Show(ctx context.Context, every time.Duration, frame func(width, height int) ([]string, error)) error {
	signals := newScreenSignals() // first: one that comes in between would leave the screen as it is
	defer signals.stop()
	defer s.write(leaveScreen)
	s.write(enterScreen)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		width, height := s.size()
		lines, err := frame(width, height)
		if err != nil {
			return err
		}
		if err := s.draw(lines, width, height); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case sig := <-signals.c:
			if !signals.resized(sig) {
				s.write(leaveScreen)
				signals.obey(sig)
				s.write(enterScreen)
			}
		}
	}
}

// draw replaces what is on the screen, without clearing it first: that flickers.
func (s *FullScreen) draw(lines []string, width, height int) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("\x1b[2K" + Cut(line, width)) // erased first: behind a full line the cursor is on its last character
	}
	if len(lines) < height {
		b.WriteString("\r\n\x1b[J")
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

func (s *FullScreen) write(text string) { _, _ = io.WriteString(s.out, text) }
