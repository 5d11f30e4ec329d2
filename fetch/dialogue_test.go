package fetch_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// talk runs an account against an exact dialogue.
func talk(t *testing.T, keepNone bool, script string) (fetch.Summary, *fetchtest.Rig) {
	t.Helper()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	host, port, err := net.SplitHostPort(pop3test.ScriptServer(t, script))
	if err != nil {
		t.Fatal(err)
	}
	g.Account.Server.Host = host
	g.Account.Server.Port, _ = strconv.Atoi(port)
	g.Account.Policy.Keep.None = keepNone
	return g.Run(), g
}

const login = `
	S: +OK ready
	C: CAPA
	S: -ERR what
	C: USER alice
	S: +OK
	C: PASS secret
	S: +OK
`

func TestDialogues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		keepNone bool
		script   string
		exit     fetch.Exit
		fetched  int
		deleted  int
		text     string // of the error
	}{
		{name: "one command at a time", keepNone: true, fetched: 2, deleted: 2, script: login + `
			C: STAT
			S: +OK 2 40
			C: UIDL
			S: +OK
			S: 1 a
			S: 2 b
			S: .
			C: LIST
			S: +OK
			S: 1 17
			S: 2 14
			S: .
			C: RETR 1
			S" +OK\r\nSubject: 1\r\n\r\n..\r\n.\r\n"
			C: RETR 2
			S" +OK\r\nSubject: 2\r\n\r\n.\r\n"
			C: STAT
			S: +OK 2 40
			C: DELE 1
			S: +OK
			C: DELE 2
			S: +OK
			C: QUIT
			S: +OK
			C! close`},
		{name: "a refused message is not deleted", keepNone: true, fetched: 1, deleted: 1, exit: fetch.ExitData,
			text: `1 message could not be retrieved: message a (20 octets): retr 1: server refused: gone\x1b[2J`, script: login + `
			C: STAT
			S: +OK 2 40
			C: UIDL
			S: +OK
			S: 1 a
			S: 2 b
			S: .
			C: LIST
			S: +OK
			S: 1 20
			S: 2 20
			S: .
			C: RETR 1
			S" -ERR gone\x1b[2J\r\n"
			C: RETR 2
			S" +OK\r\nSubject: 2\r\n\r\n.\r\n"
			C: STAT
			S: +OK 2 40
			C: DELE 2
			S: +OK
			C: QUIT
			S: +OK
			C! close`},
		{name: "an empty maildrop", script: login + `
			C: STAT
			S: +OK 0 0
			C: UIDL
			S: +OK
			S: .
			C: LIST
			S: +OK
			S: .
			C: QUIT
			S: +OK
			C! close`},
		{name: "no QUIT after a broken reply", keepNone: true, exit: fetch.ExitProtocol,
			text: `message a (20 octets): retr 1: server broke the protocol: neither +OK nor -ERR: "what?"`, script: `
			S: +OK ready
			C: CAPA
			S: +OK
			S: USER
			S: UIDL
			S: LOGIN-DELAY 300
			S: .
			C: USER alice
			S: +OK
			C: PASS secret
			S: +OK
			C: CAPA
			S: +OK
			S: USER
			S: UIDL
			S: LOGIN-DELAY 300
			S: .
			C: STAT
			S: +OK 1 20
			C: UIDL
			S: +OK
			S: 1 a
			S: .
			C: LIST
			S: +OK
			S: 1 20
			S: .
			C: RETR 1
			S: what?
			C! close`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, g := talk(t, tt.keepNone, tt.script)
			text := ""
			if s.Err != nil {
				text = s.Err.Error()
			}
			if d := cmp.Diff(tt.text, text); d != "" {
				t.Error("error: want -, got +\n" + d)
			}
			if fetch.ExitOf(s.Err) != tt.exit || s.Fetched != tt.fetched || s.Deleted != tt.deleted || g.Delivered() != tt.fetched {
				t.Errorf("exit %d, fetched %d, deleted %d, %d files", fetch.ExitOf(s.Err), s.Fetched, s.Deleted, g.Delivered())
			}
		})
	}
}
