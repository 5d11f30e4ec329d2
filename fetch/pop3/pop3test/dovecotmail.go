package pop3test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// Maildir is the directory of a user's mail.
func (d *Dovecot) Maildir(user string) string {
	return filepath.Join(d.Dir, "mail", user, "Maildir")
}

// AddMessages puts messages with CRLF lines into a user's mailbox, as LF files
// written straight into the Maildir, in this order. Nothing else is changed:
// no final newline is added, and 8-bit bytes stay. Dovecot sends a message of
// Corpus as its WireForm.
//
// Not for messages with lone CR, LF or NUL bytes, which a Maildir cannot keep
// apart from line ends (CorpusOptions.Bare).
func (d *Dovecot) AddMessages(user string, messages [][]byte) {
	d.t.Helper()
	if err := d.makeMaildir(user); err != nil {
		d.t.Fatalf("dovecot: %v", err)
	}
	for _, m := range messages {
		if err := d.addMessage(user, m); err != nil {
			d.t.Fatalf("dovecot: add a message: %v", err)
		}
	}
}

// makeMaildir makes a user's Maildir, where it is missing.
func (d *Dovecot) makeMaildir(user string) error {
	m := d.Maildir(user)
	for _, dir := range []string{d.path("mail"), filepath.Dir(m), m, m + "/tmp", m + "/new", m + "/cur"} {
		err := os.MkdirAll(dir, 0o700)
		if err == nil {
			err = d.chown(dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Dovecot) addMessage(user string, m []byte) error {
	stored := bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n"))
	n := d.seq.Add(1)
	// Dovecot orders new mail by the time in the name.
	name := fmt.Sprintf("%d.M%dP1Q%d.pop3test,S=%d,W=%d", 1_600_000_000+n, n%1_000_000, n, len(stored), len(m))
	path := filepath.Join(d.Maildir(user), "new", name)
	if err := os.WriteFile(path, stored, 0o600); err != nil {
		return err
	}
	return d.chown(path)
}

// Messages returns the files of a user's mailbox as they are, by name.
func (d *Dovecot) Messages(user string) [][]byte {
	d.t.Helper()
	names := d.files(user)
	sort.Slice(names, func(i, j int) bool { return filepath.Base(names[i]) < filepath.Base(names[j]) })
	out := make([][]byte, 0, len(names))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			d.t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// Maildrop is the number of messages in a user's mailbox.
func (d *Dovecot) Maildrop(user string) int {
	d.t.Helper()
	return len(d.files(user))
}

func (d *Dovecot) files(user string) []string {
	d.t.Helper()
	var names []string
	for _, sub := range []string{"new", "cur"} {
		dir := filepath.Join(d.Maildir(user), sub)
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
}
