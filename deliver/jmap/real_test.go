//go:build unix

package jmap

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/web"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// cyrus are options for a mailbox of a real server.
func cyrus(t testing.TB, s *realtest.JMAP, mailbox string) Options {
	t.Helper()
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	return Options{Base: "https://" + s.HTTPS, Name: "jmap cyrus", Mailbox: mailbox, Settle: 200 * time.Millisecond,
		Client: web.New(web.Options{Name: "jmap cyrus", Dial: new(net.Dialer).DialContext, DialTLS: dialer.DialContext, Authorize: basic})}
}

// TestCyrus delivers to Debian's Cyrus by JMAP, and reads back.
func TestCyrus(t *testing.T) {
	t.Parallel()
	s := realtest.CyrusJMAP(t, "")
	var msgs [][]byte
	for _, m := range (pop3test.CorpusOptions{Seed: 19, N: 12, Small: true}).Generate() {
		msgs = append(msgs, lf(m))
	}
	umlaut := []byte("From: M\xfcller <m@example.org>\nMessage-ID: <8bit@example.org>\nSubject: caf\xe9\n\nGr\xfc\xdfe\n")
	msgs = append(msgs, umlaut, []byte("Subject: no id\n\nbody\n"))
	const box = "Archiv/2015"
	o := cyrus(t, s, box)
	d := New(o)
	defer d.Close()
	intents, results := deliverAll(t, d, msgs...)
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("message %d: %v\n%q", i, r.Err, msgs[i])
		}
	}
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range msgs {
		for _, receipt := range []string{results[i].Receipt, intents[i].Receipt} {
			var b bytes.Buffer
			where, err := r.Copy(t.Context(), &b, receipt, sumOf(m))
			if err != nil {
				t.Fatalf("message %d by %q: %v", i, receipt, err)
			}
			altered := bytes.Equal(m, umlaut)
			if bytes.Equal(b.Bytes(), m) == altered || strings.HasSuffix(where, "changed by the server)") != altered {
				t.Errorf("message %d by %q: %s\n%q", i, receipt, where, b.Bytes())
			}
			if !strings.HasPrefix(where, box+" email ") {
				t.Errorf("message %d is in %s", i, where)
			}
		}
		fate, err := d.Recover(t.Context(), intents[i])
		if err != nil || fate != deliver.Visible {
			t.Errorf("recover %d: %v %v", i, fate, err)
		}
	}
	var once [][]byte // Cyrus keeps one of equal ones
	for _, m := range msgs {
		if !slices.ContainsFunc(once, func(o []byte) bool { return bytes.Equal(o, m) }) {
			once = append(once, m)
		}
	}
	if kept := s.Kept(box); len(kept) != len(once) {
		t.Errorf("%d messages are in the spool, want %d", len(kept), len(once))
	}
}

// TestCyrusHasIt: what Cyrus has elsewhere is put into the mailbox, out of the trash.
func TestCyrusHasIt(t *testing.T) {
	t.Parallel()
	s := realtest.CyrusJMAP(t, "")
	msgs := letters(3)
	receipts := make([]string, len(msgs))
	for _, box := range []string{"Elsewhere/Grüße & Küsse", "Trash", "inbox"} {
		d := New(cyrus(t, s, box))
		_, results := deliverAll(t, d, msgs...)
		for i, r := range results {
			if r.Err != nil {
				t.Fatalf("%s, message %d: %v", box, i, r.Err)
			}
			receipts[i] = r.Receipt
		}
		if box == "Trash" { // its role is not that of a name: give it one
			session, err := d.open(t.Context())
			if err == nil {
				err = session.one(t.Context(), "test", "Mailbox/set", args{"update": args{d.box.ID: args{"role": "trash"}}}, new(any))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		_ = d.Close()
	}
	r, err := Open(t.Context(), cyrus(t, s, "inbox"))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range msgs {
		where, err := r.Copy(t.Context(), new(bytes.Buffer), receipts[i], sumOf(m))
		if err != nil || !strings.HasPrefix(where, "Elsewhere/Grüße & Küsse, Inbox email ") {
			t.Errorf("message %d is in %s, %v", i, where, err)
		}
	}
}

// TestCyrusRefuses what is not a message.
func TestCyrusRefuses(t *testing.T) {
	t.Parallel()
	s := realtest.CyrusJMAP(t, "")
	d := New(cyrus(t, s, "inbox"))
	defer d.Close()
	_, results := deliverAll(t, d, letters(1)[0], []byte("no header at all"), []byte("Subject: nul\n\nbo\x00dy\n"), letters(2)[1])
	var got []string
	for _, r := range results {
		outcome := "delivered"
		if r.Err != nil {
			outcome = describe(r.Err)
		}
		got = append(got, outcome)
	}
	if want := []string{"delivered", "never: rejected", "never: rejected", "delivered"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(s.Kept("INBOX")); n != 2 {
		t.Errorf("%d messages are there", n)
	}
	bad := cyrus(t, s, "inbox")
	bad.Client = web.New(web.Options{Name: "jmap cyrus", DialTLS: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(tls.Dialer).DialContext(ctx, network, addr)
	}})
	if _, err := New(bad).Begin(t.Context()); err == nil || describe(err) != "denied: other" {
		t.Errorf("a certificate that is not trusted: %v", err)
	}
}
