//go:build unix

package realtest

import "github.com/mailhaul/mailhaul/fetch/pop3/pop3test"

// Dovecot starts Dovecot 2.3 over a Maildir, with TLS.
func Dovecot(t pop3test.TB) *Server {
	t.Helper()
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{"alice": Password}})
	ca, err := d.CA.WriteRoot(shortDir(t))
	if err != nil {
		t.Fatal(err)
	}
	b := box{t: t, dir: d.Maildir("alice")}
	return &Server{
		Account: tlsAccount(d.TLSPort, ca),
		Add:     func(messages [][]byte) { d.AddMessages("alice", messages) },
		Kept:    b.kept,
	}
}
