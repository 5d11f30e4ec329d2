package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// askTargets asks where the mail should go; what is on this machine is
// proposed.
func (s *setup) askTargets(ctx context.Context) error {
	if list := s.c.StringSlice("to"); len(list) > 0 {
		return s.setTargets(list)
	}
	proposals := s.proposals(ctx)
	list := append(proposals, "somewhere else")
	if s.Mute {
		return s.setTargets(proposals[:1])
	}
	n, err := s.Choose(ctx, "Where should the mail go?", list)
	if err != nil {
		return err
	}
	if n < len(proposals) {
		return s.setTargets(proposals[n : n+1])
	}
	for {
		to, err := s.Line(ctx, "Target ("+target.Rows().Forms()+")", "", "--to")
		if err != nil {
			return err
		}
		if err := s.setTargets([]string{to}); err == nil {
			return nil
		} else {
			s.say("%s", term.Printable(err.Error()))
		}
	}
}

func (s *setup) setTargets(list []string) error {
	s.to = nil
	for _, to := range list {
		t, err := target.Rows().Parse(to)
		if err != nil {
			return exit.Usagef("--to %s: %w", to, err)
		}
		s.to = append(s.to, t)
	}
	return nil
}

// proposals are targets that fit this machine, the likeliest first.
func (s *setup) proposals(ctx context.Context) []string {
	home, _ := os.UserHomeDir()
	own := "maildir:~/Mail/" + s.name
	var list []string
	switch {
	case isMaildir(filepath.Join(home, "Maildir")):
		list = []string{"maildir:~/Maildir", own}
	case isMaildir(filepath.Join(home, "Mail")):
		list = []string{"maildir:~/Mail", "maildir:~/Maildir/" + s.name}
	default:
		list = []string{own}
	}
	if u, err := user.Current(); err == nil && smtpGreets(ctx, s.relay) {
		list = append(list, fmt.Sprintf("smtp://localhost:25?rcpt=%s@localhost", filepath.Base(strings.ReplaceAll(u.Username, `\`, "/"))))
	}
	return list
}

func isMaildir(dir string) bool {
	for _, sub := range []string{"new", "cur"} {
		if st, err := os.Stat(filepath.Join(dir, sub)); err != nil || !st.IsDir() {
			return false
		}
	}
	return true
}

// smtpGreets reports whether a mail server of this machine takes connections.
func smtpGreets(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "220")
}
