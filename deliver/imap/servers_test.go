//go:build unix

package imap

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// servers are the real servers, each once.
func servers(t *testing.T, run func(t *testing.T, name string, s *realtest.Mailbox)) {
	t.Run("dovecot", func(t *testing.T) { run(t, "dovecot", realtest.DovecotIMAP(t, "")) })
	t.Run("dovecot without MULTIAPPEND", func(t *testing.T) {
		run(t, "dovecot", realtest.DovecotIMAP(t, "imap_capability = IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE\n"))
	})
	t.Run("cyrus", func(t *testing.T) { run(t, "cyrus", realtest.CyrusIMAP(t, "")) })
	t.Run("courier", func(t *testing.T) { run(t, "courier", realtest.CourierIMAP(t)) })
}

// alters says which messages a server is known to change: Cyrus makes X of 8-bit
// bytes in header fields, Courier ends the last line.
var alters = map[string]func(m []byte) bool{
	"dovecot": func([]byte) bool { return false },
	"cyrus":   func(m []byte) bool { return bytes.Contains(m, []byte("caf\xe9")) },
	"courier": func(m []byte) bool { return !bytes.HasSuffix(m, []byte("\n")) },
}

const utf7 = `Archiv.Gr&APwA3w-e &- K&APw-sse"`

var wireNames = map[string]string{
	"dovecot": `"` + utf7,
	"cyrus":   `"INBOX/` + strings.Replace(utf7, ".", "/", 1),
	"courier": `"INBOX.` + utf7,
}

func TestRealServers(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, name string, s *realtest.Mailbox) {
		var msgs [][]byte
		for _, m := range (pop3test.CorpusOptions{Seed: 18, N: 40, Small: true}).Generate() {
			msgs = append(msgs, lf(m))
		}
		msgs = append(msgs, msgs[20], msgs[21], msgs[20]) // equal ones are delivered too
		umlaut := []byte("From: M\xfcller <m@example.org>\nMessage-ID: <8bit@example.org>\nSubject: caf\xe9\n\nGr\xfc\xdfe\n")
		msgs = append(msgs, umlaut)
		const box = "Archiv/Grüße & Küsse"
		o := alice(s.Addr, box)
		if o.Connections = 3; name == "courier" { // without its locks, which take a second each
			o.Connections = 1
		}
		d := New(o)
		intents, results := deliverAll(t, d, msgs...)
		for i, r := range results {
			if r.Err != nil {
				t.Fatalf("message %d: %v", i, r.Err)
			}
		}
		wire := d.conns[0].box.name
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		changed := 0
		for i, m := range msgs {
			var b bytes.Buffer
			where, err := r.Copy(t.Context(), &b, results[i].Receipt, sumOf(m))
			if err != nil {
				t.Fatalf("message %d, receipt %q: %v", i, results[i].Receipt, err)
			}
			if !bytes.Equal(b.Bytes(), m) {
				changed++
				if !alters[name](m) {
					t.Errorf("message %d is altered: %s", i, where)
				}
				if !strings.HasSuffix(where, "changed by the server)") {
					t.Errorf("message %d: %s", i, where)
				}
			}
			again, err := r.Copy(t.Context(), &b, intents[i].Receipt, sumOf(m))
			if err != nil {
				t.Errorf("message %d by the receipt of its intent %q: %s %v", i, intents[i].Receipt, again, err)
			}
		}
		if want := map[string]int{"cyrus": 1, "courier": 2}[name]; changed != want {
			t.Errorf("%d messages are altered, want %d", changed, want)
		}
		if want := wireNames[name]; wire != want {
			t.Errorf("the mailbox is %s, want %s", wire, want)
		}
		d = New(o)
		defer d.Close()
		for i, in := range intents {
			fate, err := d.Recover(t.Context(), in)
			if err != nil || fate != deliver.Visible {
				t.Errorf("recover %d: %v %v", i, fate, err)
			}
		}
	})
}

// TestDedupeOfServers: a migration that was half done is completed.
func TestDedupeOfServers(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, name string, s *realtest.Mailbox) {
		for by, mailbox := range map[SameBy]string{SameContent: "Half", SameMessageID: "Way"} {
			o := alice(s.Addr, mailbox)
			msgs := letters(8)
			d := New(o)
			_, before := deliverAll(t, d, msgs[:5]...)
			_ = d.Close()
			d = New(o)
			dd := NewDedupe(d, by, false)
			intents, results := deliverAll(t, dd, append(msgs, msgs[6])...)
			for i, r := range results {
				there, was := i < 5 || i == 8, strings.Fields(before[min(i, 4)].Receipt)[:3]
				if r.Err != nil || intents[i].Skipped != there || i < 5 && !slices.Equal(strings.Fields(r.Receipt)[:3], was) {
					t.Errorf("%v: message %d: %+v, skipped %v; it was %q", by, i, r, intents[i].Skipped, was)
				}
			}
			c, err := dial(t.Context(), &d.o)
			if err == nil {
				err = c.open("EXAMINE")
			}
			if err != nil || c.box.exists != 8 {
				t.Errorf("%v: the mailbox holds %d messages: %v", by, c.box.exists, err)
			}
			c.logout()
			_ = dd.Close()
		}
	})
}

// TestRenamedMailbox: what was delivered to a mailbox that has another name now, or is
// gone, is looked for in all others.
func TestRenamedMailbox(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, name string, s *realtest.Mailbox) {
		o := alice(s.Addr, "Box")
		d := New(o)
		msgs := letters(2)
		_, results := deliverAll(t, d, msgs...)
		_ = d.Close()
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		own := r.boxes[0]
		command(t, r.c, `EXAMINE "INBOX"`)
		command(t, r.c, "RENAME "+own+" "+strings.Replace(own, "Box", "Other", 1))
		_ = r.Close()
		if r, err = Open(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		for i, m := range msgs {
			where, err := r.Copy(t.Context(), io.Discard, results[i].Receipt, sumOf(m))
			if !strings.Contains(where, "Other uid ") || err != nil {
				t.Errorf("message %d: %q %v", i, where, err)
			}
		}
		command(t, r.c, `EXAMINE "INBOX"`)
		command(t, r.c, "DELETE "+strings.Replace(own, "Box", "Other", 1))
		_ = r.Close()
		if r, err = Open(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if where, err := r.Copy(t.Context(), io.Discard, results[0].Receipt, sumOf(msgs[0])); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("deleted: %q %v", where, err)
		}
	})
}

// TestMovedToTrash: a copy in the trash does not stay, so it is not there, unless the mail goes there.
func TestMovedToTrash(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, name string, s *realtest.Mailbox) {
		if name != "cyrus" {
			t.Skip("the mailbox for the trash cannot be named by IMAP")
		}
		o, bin := alice(s.Addr, "INBOX"), alice(s.Addr, "INBOX/Bin")
		d := New(o)
		m := letters(1)[0]
		_, results := deliverAll(t, d, m)
		_ = d.Close()
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		command(t, r.c, `CREATE "INBOX/Bin" (USE (\Trash))`)
		command(t, r.c, `SELECT "INBOX"`)
		command(t, r.c, `UID MOVE 1:* "INBOX/Bin"`)
		_ = r.Close()
		for want, o := range map[bool]Options{false: o, true: bin} {
			r, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			where, err := r.Copy(t.Context(), io.Discard, results[0].Receipt, sumOf(m))
			if want != (err == nil) || !want && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %q %v", o.Mailbox, where, err)
			}
			_ = r.Close()
		}
	})
}

func command(t *testing.T, c *conn, line string) {
	t.Helper()
	if _, err := c.command("test", line, nil); err != nil {
		t.Fatal(err)
	}
}
