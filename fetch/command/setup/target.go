package setup

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
	"github.com/mailhaul/mailhaul/fetch/config"
)

// targets asks where the mail should go; what is on this machine is
// proposed.
func (s *person) targets(ctx context.Context, account string) ([]config.Target, error) {
	if list := s.o.To; len(list) > 0 {
		return parseTargets(list)
	}
	proposals := s.proposals(ctx, account)
	list := append(proposals, "somewhere else")
	if s.Mute {
		return parseTargets(proposals[:1])
	}
	n, err := s.Choose(ctx, "Where should the mail go?", list)
	if err != nil {
		return nil, err
	}
	if n < len(proposals) {
		return parseTargets(proposals[n : n+1])
	}
	for {
		form, err := s.Line(ctx, "Target ("+target.Rows().Forms()+")", "", "--to")
		if err != nil {
			return nil, err
		}
		to, err := parseTargets([]string{form})
		if err == nil {
			return to, nil
		}
		s.say("%s", term.Printable(err.Error()))
	}
}

func parseTargets(forms []string) (list []config.Target, err error) {
	for _, form := range forms {
		t, err := target.Rows().Parse(form)
		if err != nil {
			return nil, exit.Usagef("--to %s: %w", form, err)
		}
		list = append(list, t)
	}
	return list, nil
}

// proposals are targets that fit this machine, the likeliest first.
func (s *person) proposals(ctx context.Context, account string) []string {
	home, _ := os.UserHomeDir()
	own := "maildir:~/Mail/" + account
	var list []string
	switch {
	case isMaildir(filepath.Join(home, "Maildir")):
		list = []string{"maildir:~/Maildir", own}
	case isMaildir(filepath.Join(home, "Mail")):
		list = []string{"maildir:~/Mail", "maildir:~/Maildir/" + account}
	default:
		list = []string{own}
	}
	if u, err := user.Current(); err == nil && smtpGreets(ctx, s.o.Relay) {
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
