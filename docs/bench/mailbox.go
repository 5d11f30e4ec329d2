//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

const (
	password = "secret"
	// seed makes the mailboxes the same ones on every machine.
	seed         = 6
	manyAccounts = 100
	perAccount   = 100
)

func accountName(i int) string { return fmt.Sprintf("u%03d", i) }

// fill makes sure that the mailbox has its messages, that Dovecot has indexed
// them and that the system has cached them. It returns their number.
func (l *lab) fill(user string, n int, make func(n int) [][]byte) error {
	if l.ready[user] {
		return nil
	}
	l.Logf("filling %s with %d messages", user, n)
	l.dovecot.AddMessages(user, make(n))
	l.ready[user] = true
	return l.warm(user)
}

// warm reads a mailbox once.
func (l *lab) warm(user string) error {
	_, err := l.readLimit(l.box(user, false), 100)
	return err
}

// mixed is the mailbox of most targets: 10,000 messages of a median of 8 KB
// with a tail to some MB.
func (l *lab) mixed() (int, error) {
	n := l.size(10_000)
	return n, l.fill("mixed", n, func(n int) [][]byte { return pop3test.Corpus(seed, n) })
}

// traps are the messages at the head of a mailbox that not every tool can handle:
// getmail refuses a line of 1 MiB.
const traps = 20

// link fills a mailbox with n messages of another one, traps left out, as
// links.
func (l *lab) link(from, to string, n int) error {
	if l.ready[to] {
		return nil
	}
	l.ready[to] = true
	if err := l.links(from, to, traps, n); err != nil {
		return err
	}
	return l.warm(to)
}

func (l *lab) links(from, to string, skip, n int) error {
	var files []string
	for _, sub := range []string{"new", "cur"} {
		more, err := filepath.Glob(filepath.Join(l.dovecot.Maildir(from), sub, "*"))
		if err != nil {
			return err
		}
		files = append(files, more...)
	}
	slices.SortFunc(files, func(a, b string) int {
		return bytes.Compare([]byte(filepath.Base(a)), []byte(filepath.Base(b)))
	})
	if len(files) < skip+n {
		return fmt.Errorf("%s has %d messages, not %d", from, len(files), skip+n)
	}
	for _, f := range files[skip : skip+n] {
		if err := os.Link(f, filepath.Join(l.dovecot.Maildir(to), "cur", filepath.Base(f))); err != nil {
			return err
		}
	}
	return nil
}

// refill restores the deleted messages of a mailbox; they are new to the server.
func (l *lab) refill(from, to string, n int) error {
	dir := l.dovecot.Maildir(to)
	owner, err := os.Stat(dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		path := filepath.Join(dir, sub)
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		if err := chownLike(path, owner); err != nil {
			return err
		}
	}
	if err := l.links(from, to, 0, n); err != nil {
		return err
	}
	_, err = l.listLimit(l.box(to, false))
	return err
}

// tinyMail fills a mailbox with n links to a few small messages.
func (l *lab) tinyMail(user string, n int) error {
	if l.ready[user] {
		return nil
	}
	l.Logf("filling %s with %d messages", user, n)
	l.ready[user] = true
	dir := filepath.Join(l.dovecot.Maildir(user), "cur")
	owner, err := os.Stat(dir)
	if err != nil {
		return err
	}
	const perFile = 20_000 // file systems bound the links to a file
	var file string
	body := []byte("From: a@example.org\nSubject: tiny\n\nx\n")
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("%d.Q%d.bench,S=%d,W=%d:2,", 1_600_000_000+i, i, len(body), len(body)+4))
		if i%perFile != 0 {
			if err := os.Link(file, name); err != nil {
				return err
			}
			continue
		}
		file = name
		if err := os.WriteFile(name, body, 0o600); err != nil {
			return err
		}
		if err := chownLike(name, owner); err != nil {
			return err
		}
	}
	_, err = l.listLimit(l.box(user, false))
	return err
}

// bigMessages are n messages of 25 MB in lines of 76 octets.
func bigMessages(n int) [][]byte {
	line := bytes.Repeat([]byte("0123456789ABCDEFGHIJ"), 4)
	line = append(line[:76], "\r\n"...)
	body := bytes.Repeat(line, 25_000_000/len(line))
	var msgs [][]byte
	for i := range n {
		head := fmt.Sprintf("From: a@example.org\r\nSubject: big %d\r\nMessage-ID: <%d@example.org>\r\n\r\n", i, i)
		msgs = append(msgs, append([]byte(head), body...))
	}
	return msgs
}
