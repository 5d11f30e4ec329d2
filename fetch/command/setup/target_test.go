package setup

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// greeter is a mail server of this machine as far as init looks at it.
func greeter(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 here\r\n"))
			_ = conn.Close()
		}
	})
	return l.Addr().String()
}

// TestProposals: what is on the machine is proposed, the likeliest first.
func TestProposals(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	nobody, relay := closed.Addr().String(), greeter(t)
	local := "smtp://localhost:25?rcpt=" + filepath.Base(strings.ReplaceAll(u.Username, `\`, "/")) + "@localhost"
	for _, tt := range []struct {
		have, relay string
		want        []string
	}{
		{"", nobody, []string{"maildir:~/Mail/work"}},
		{"", relay, []string{"maildir:~/Mail/work", local}},
		{"Maildir", nobody, []string{"maildir:~/Maildir", "maildir:~/Mail/work"}},
		{"Mail", nobody, []string{"maildir:~/Mail", "maildir:~/Maildir/work"}},
		{"Maildir Mail", nobody, []string{"maildir:~/Maildir", "maildir:~/Mail/work"}},
		{"Maildir Mail", relay, []string{"maildir:~/Maildir", "maildir:~/Mail/work", local}},
		{"Mail/work Mail/home", nobody, []string{"maildir:~/Mail/work"}}, // folders, and no Maildir
	} {
		home := t.TempDir()
		t.Setenv("HOME", home)
		for _, dir := range strings.Fields(tt.have) {
			for _, sub := range []string{"new", "cur", "tmp"} {
				if err := os.MkdirAll(filepath.Join(home, dir, sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
		}
		p := &person{o: &Options{Relay: tt.relay}}
		if got := p.proposals(t.Context(), "work"); !slices.Equal(got, tt.want) {
			t.Errorf("with %q, relay %t: %q, want %q", tt.have, tt.relay == relay, got, tt.want)
		}
	}
}
