//go:build unix

package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// TestRealServers takes a mailbox with each trap of the corpus off each of the
// real servers. Inbucket, which is a Go module, has a module of its own:
// fetch/pop3/interop.
func TestRealServers(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	with := func(start realtest.Start, lines ...string) realtest.Start {
		return func(t pop3test.TB) *realtest.Server {
			s := start(t)
			s.Account = append(s.Account, lines...)
			return s
		}
	}
	var cases []subtest
	for name, start := range map[string]realtest.Start{
		"dovecot":      realtest.Dovecot,
		"mpopd":        realtest.Mpopd,
		"popa3d":       realtest.Popa3d,
		"courier":      realtest.Courier,
		"cyrus":        realtest.Cyrus, // by SCRAM, whose channel binding it cannot verify
		"cyrus, named": with(realtest.Cyrus, "auth: scram-sha-256"),
	} {
		cases = append(cases, subtest{name, func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), "mailhaul") // see TestMain
			if err := os.Symlink(self, bin); err != nil {
				t.Fatal(err)
			}
			realtest.Journey(t, bin, start(t), append(traps(), pop3test.Corpus(14, 60)...))
		}})
	}
	together(t, cases)
}

// traps are messages beyond the corpus: 8-bit header fields, and two messages
// with one header.
func traps() [][]byte {
	same := "Message-ID: <same@example.org>\r\nSubject: one header\r\n\r\n"
	return [][]byte{
		[]byte("Message-ID: <u@example.org>\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\n\xc3\xbc\r\n"),
		[]byte(same + "first body\r\n"),
		[]byte(same + "second body, which is longer\r\n"),
	}
}
