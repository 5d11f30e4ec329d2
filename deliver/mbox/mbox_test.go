package mbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var formats = map[string]Format{"mboxrd": MBOXRD, "mboxo": MBOXO, "mboxcl2": MBOXCL2}

func TestConformance(t *testing.T) {
	for name, format := range formats {
		t.Run(name, func(t *testing.T) { delivertest.Run(t, harness(format)) })
	}
}

func harness(format Format) delivertest.Harness {
	h := delivertest.Harness{
		Recover: Recover,
		Ordered: true,
		InDir:   true,
		Canon:   endLine,
		Reader:  appendForeign,
		Skip: map[string]string{
			"fault/mbox.unlock": "the messages are there all the same; it is logged",
		},
		Mutations: []string{"mbox.no-token"},
		Open: func(t testing.TB, dir string) delivertest.Target {
			path := filepath.Join(dir, "mbox")
			return delivertest.Target{
				Deliverer: New(Options{Path: path, Format: format}),
				Read:      func(t testing.TB) [][]byte { return readOurs(t, path, format) },
				Staged:    func(t testing.TB) int { return leftovers(t, dir) },
				ByReceipt: func(t testing.TB, receipt string) []byte { return byReceipt(t, path, format, receipt) },
			}
		},
	}
	if format == MBOXO {
		for _, name := range []string{"bodies/from", "bodies/together"} {
			h.Skip[name] = "mboxo cannot be reversed"
		}
	}
	return h
}

// endLine is what a message becomes: its last line is complete.
func endLine(b []byte) []byte {
	if bytes.HasSuffix(b, []byte("\n")) {
		return b
	}
	return append(bytes.Clone(b), '\n')
}

const foreignText = "X-Foreign: yes\n\nmail of another program\n"

// appendForeign does what a delivery agent does that knows fcntl locks only: it
// completes the last line, and appends. Each call adds a line to a tally.
func appendForeign(t testing.TB, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "mbox"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = fcntlLock(f)
	for late := time.Now().Add(10 * time.Second); errors.Is(err, errHeld) && time.Now().Before(late); _, err = fcntlLock(f) {
		time.Sleep(time.Millisecond) // a child that another test is just starting has the lock's file, too
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	n, err := missingNewlines(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("\n", n) + "From other@example.org Thu Nov 24 18:22:48 1986\n" + foreignText + "\n"
	if _, err := f.WriteAt([]byte(text), info.Size()); err != nil {
		t.Fatal(err)
	}
	tally, err := os.OpenFile(filepath.Join(dir, "tally"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer tally.Close()
	if _, err := tally.WriteString("x"); err != nil {
		t.Fatal(err)
	}
}

// readOurs returns the messages that appendForeign did not write. If those
// that it did are not there as they should be, it returns a message too many.
func readOurs(t testing.TB, path string, format Format) (ours [][]byte) {
	t.Helper()
	tally, err := os.ReadFile(filepath.Join(filepath.Dir(path), "tally"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	all, trouble := readAll(t, path, format)
	foreign := 0
	for _, m := range all {
		if string(m) == foreignText {
			foreign++
			continue
		}
		ours = append(ours, m)
	}
	if foreign != len(tally) {
		trouble += fmt.Sprintf("%d messages of another program, want %d", foreign, len(tally))
	}
	if trouble != "" {
		ours = append(ours, []byte(trouble))
	}
	return ours
}

// readAll returns the messages, and what is wrong with what is between them.
func readAll(t testing.TB, path string, format Format) (all [][]byte, trouble string) {
	t.Helper()
	m, err := Open(path, format)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	next := int64(0)
	err = scan(context.Background(), m.f, 0, m.info.Size(), format, func(e entry) error {
		if e.start != next {
			trouble += fmt.Sprintf("%d octets at %d belong to no message. ", e.start-next, next)
		}
		next = e.end + 1 // one blank line
		var b bytes.Buffer
		err := m.Copy(&b, e.place())
		all = append(all, b.Bytes())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if next != m.info.Size() && m.info.Size() > 0 {
		trouble += fmt.Sprintf("the last message ends at %d, the file at %d. ", next, m.info.Size())
	}
	return all, trouble
}

func byReceipt(t testing.TB, path string, format Format, receipt string) []byte {
	t.Helper()
	r, err := ParseReceipt(receipt)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(path, format)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var b bytes.Buffer
	err = scan(context.Background(), m.f, r.Offset, r.Offset+r.Length, format, func(e entry) error {
		return m.Copy(&b, e.place())
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// leftovers counts files other than the mbox: locks and what they are made of.
func leftovers(t testing.TB, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "mbox" && e.Name() != "tally" {
			n++
		}
	}
	return n
}

func envelope() deliver.Envelope {
	return deliver.Envelope{Account: "a", UID: "u", Sender: "alice@example.org", HasSender: true,
		Date: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
}

// stage returns a batch with these messages.
func stage(t testing.TB, d *Deliverer, messages ...string) deliver.Batch {
	t.Helper()
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := b.Add(t.Context(), envelope(), strings.NewReader(m)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// send delivers one batch and returns its intents.
func send(t testing.TB, d *Deliverer, messages ...string) []deliver.Intent {
	t.Helper()
	b := stage(t, d, messages...)
	intents, err := b.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Publish(t.Context()) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return intents
}

func newDeliverer(t testing.TB, o Options) *Deliverer {
	t.Helper()
	d := New(o)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestForm(t *testing.T) {
	t.Parallel()
	const sep = "From alice@example.org Wed Mar  4 05:06:07 2026\n"
	cases := []struct {
		name   string
		format Format
		old    string
		in     string
		want   string
	}{
		{"new file", MBOXRD, "", "A: b\n\nx\n", sep + "A: b\n\nx\n\n"},
		{"after a blank line", MBOXRD, "old\n\n", "x\n", "old\n\n" + sep + "x\n\n"},
		{"after a line", MBOXRD, "old\n", "x\n", "old\n\n" + sep + "x\n\n"},
		{"after half a line", MBOXRD, "old", "x\n", "old\n\n" + sep + "x\n\n"},
		{"after a newline", MBOXRD, "\n", "x\n", "\n" + sep + "x\n\n"},
		{"no final newline", MBOXRD, "", "x", sep + "x\n\n"},
		{"empty", MBOXRD, "", "", sep + "\n\n"},
		{"mboxrd", MBOXRD, "", "From a\n>From b\n>>From c\n>x\nFrom\n", sep + ">From a\n>>From b\n>>>From c\n>x\nFrom\n\n"},
		{"mboxo", MBOXO, "", "From a\n>From b\nx\n", sep + ">From a\n>From b\nx\n\n"},
		{"mboxcl2", MBOXCL2, "", "content-length: 1\nX-Mailhaul-Content-Length: 2\n\nFrom a\n",
			sep + "Content-Length:               7\nX-Mailhaul-content-length: 1\nX-Mailhaul-X-Mailhaul-Content-Length: 2\n\nFrom a\n\n"},
		{"mboxcl2, space before the colon", MBOXCL2, "", "CONTENT-LENGTH \t: 0\nContent-Lengthy: 1\nContent-Length 1\n\nFrom a\n",
			sep + "Content-Length:               7\nX-Mailhaul-CONTENT-LENGTH \t: 0\nContent-Lengthy: 1\nContent-Length 1\n\nFrom a\n\n"},
		{"mboxcl2, no body", MBOXCL2, "", "From a\nA: b\n", sep + "Content-Length:               0\n>From a\nA: b\n\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "mbox")
			if c.old != "" {
				path = filepath.Join(t.TempDir(), "mbox")
				if err := os.WriteFile(path, []byte(c.old), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			send(t, newDeliverer(t, Options{Path: path, Format: c.format}), c.in)
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestSeparator(t *testing.T) {
	t.Parallel()
	date := time.Date(2026, 11, 23, 23, 59, 0, 0, time.FixedZone("", 3600))
	cases := []struct {
		e    deliver.Envelope
		want string
	}{
		{deliver.Envelope{Date: date, Sender: "ignored"}, "MAILER-DAEMON"},
		{deliver.Envelope{Date: date, HasSender: true}, "MAILER-DAEMON"},
		{deliver.Envelope{Date: date, HasSender: true, Sender: "a@b"}, "a@b"},
		{deliver.Envelope{Date: date, HasSender: true, Sender: "a b\n\x1b\xff@c\x7f"}, "a_b___@c_"},
		{deliver.Envelope{Date: date, HasSender: true, Sender: strings.Repeat("a", 300)}, "MAILER-DAEMON"},
	}
	for _, c := range cases {
		if got, want := separator(c.e), fmt.Sprintf("From %s Mon Nov 23 22:59:00 2026\n", c.want); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	for _, r := range []Receipt{{1, 2, 3, false}, {1 << 40, 1 << 39, 0xffffffff, true}} {
		got, err := ParseReceipt(r.String())
		if err != nil || got != r {
			t.Errorf("%s: got %v, %v", r, got, err)
		}
	}
	for _, s := range []string{"", "x", "offset=1 length=2 crc32c=00000003x", "offset=-1 length=2 crc32c=00000003", "offset=1 length=2"} {
		if r, err := ParseReceipt(s); err == nil {
			t.Errorf("%q: got %v", s, r)
		}
	}
}

// TestLooksNew: readers and shells compare the times of access and change.
func TestLooksNew(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mbox")
	if err := os.WriteFile(path, []byte("old\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, read := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Hour)} {
		if err := os.Chtimes(path, read, time.Time{}); err != nil {
			t.Fatal(err)
		}
		send(t, newDeliverer(t, Options{Path: path}), "x\n")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		at, err := accessTime(f)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.ModTime().Sub(at) < time.Second {
			t.Errorf("read at %v, changed at %v", at, info.ModTime())
		}
	}
}
