package target

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Machine is what a proposal looks at: the person's home directory, and the
// address at which a mail server of the machine would listen.
type Machine struct{ Home, Relay string }

// proposeMaildir takes one that is there.
func proposeMaildir(_ context.Context, m Machine, account string) []string {
	own := "maildir:~/Mail/" + account
	switch {
	case isMaildir(filepath.Join(m.Home, "Maildir")):
		return []string{"maildir:~/Maildir", own}
	case isMaildir(filepath.Join(m.Home, "Mail")):
		return []string{"maildir:~/Mail", "maildir:~/Maildir/" + account}
	}
	return []string{own}
}

func isMaildir(dir string) bool {
	return !slices.ContainsFunc([]string{"new", "cur"}, func(sub string) bool {
		st, err := os.Stat(filepath.Join(dir, sub))
		return err != nil || !st.IsDir()
	})
}

// proposeRelay takes a mail server of this machine, if it answers.
func proposeRelay(ctx context.Context, m Machine, _ string) []string {
	u, err := user.Current()
	if err != nil || !smtpGreets(ctx, m.Relay) {
		return nil
	}
	name := filepath.Base(strings.ReplaceAll(u.Username, `\`, "/"))
	return []string{fmt.Sprintf("smtp://localhost:25?rcpt=%s@localhost", name)}
}

// smtpGreets reports whether a mail server takes connections.
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
