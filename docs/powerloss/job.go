//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// world is what exists outside the disk at one moment.
type world struct {
	mail []pop3test.Message
}

func (w world) equal(o world) bool { return len(w.mail) == len(o.mail) }

// job is one use of mailhaul that must survive.
type job struct {
	name    string
	keep    string // "all" or "none"
	targets []string
	before  int // so many messages are fetched before the recording
	mail    []pop3test.Message
}

func jobs() (all []*job) {
	for _, targets := range [][]string{{"maildir"}, {"mbox"}, {"maildir", "mbox"}} {
		for _, keep := range []string{"all", "none"} {
			all = append(all, &job{name: strings.Join(targets, "+") + ", keep: " + keep, keep: keep, targets: targets, mail: letters(9)})
		}
	}
	// So many that one syncfs takes the place of an fsync for each.
	many := &job{name: "maildir, 40 messages, keep: none", keep: "none", targets: []string{"maildir"}, mail: letters(40)}
	return append(all, many)
}

func jobOf(name string) *job {
	all := jobs()
	return all[slices.IndexFunc(all, func(j *job) bool { return j.name == name })]
}

// letters are n different messages, some of which mbox must quote and one of
// which is longer than a disk's cache page.
func letters(n int) (all []pop3test.Message) {
	for i := range n {
		body := "Hello.\r\n.dot\r\nFrom the sea\r\n>From the shore\r\n"
		if i%4 == 1 {
			body += strings.Repeat(fmt.Sprintf("line of message %d, sixty characters or so, as people write\r\n", i), 400)
		}
		text := fmt.Sprintf("Message-ID: <%d@powerloss.example>\r\nFrom: a@example.org\r\nSubject: message %d\r\n\r\n%s", i, i, body)
		all = append(all, pop3test.Message{UID: fmt.Sprintf("uid%d", i), Body: []byte(text)})
	}
	return all
}

// begin is the world before everything.
func (j *job) begin() world { return world{mail: j.mail} }

// prepare brings a fresh file system to where the recording begins.
func (j *job) prepare(l *lab, w *world) error {
	if j.before == 0 {
		return nil
	}
	site := open(l, j, world{mail: w.mail[:j.before]})
	defer site.close()
	code, out, err := l.run(site, l.program, "", "fetch")
	if err == nil && code != 0 {
		err = fmt.Errorf("the run before ended with %d:\n%s", code, out)
	}
	left := site.now().mail
	w.mail = append(left[:len(left):len(left)], w.mail[j.before:]...)
	return err
}

func (j *job) args(*lab) []string { return []string{"fetch"} }

// site is a world that runs.
type site struct {
	job  *job
	drop *pop3test.Maildrop
	pop  *pop3test.Server
}

func open(l *lab, j *job, w world) *site {
	s := &site{job: j, drop: &pop3test.Maildrop{}}
	for _, m := range w.mail {
		s.drop.Add(m.UID, m.Body)
	}
	s.pop = pop3test.NewServer(s.drop, pop3test.Options{Security: pop3test.Plain, CA: l.ca, Certificate: &tls.Certificate{}})
	return s
}

func (s *site) close() { s.pop.Close() }

// now is the world at this moment.
func (s *site) now() world { return world{mail: s.drop.Messages()} }

func (s *site) config(disk string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "state: %s\n", filepath.Join(disk, "state"))
	fmt.Fprintf(&b, "accounts:\n  box:\n    id: box\n    server: %s:%d\n    tls: none\n    user: alice\n    password: secret\n    keep: %s\n",
		s.pop.Host, s.pop.Port, s.job.keep)
	b.WriteString("    deliver:\n")
	for _, t := range s.job.targets {
		fmt.Fprintf(&b, "      - %s: %s\n", t, filepath.Join(disk, "mail", t))
	}
	return b.String()
}
