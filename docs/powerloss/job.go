//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// world is what exists outside the disk at one moment.
type world struct {
	mail         []pop3test.Message
	issued, used int  // tokens of the provider
	done         bool // the command has ended and said that all went well
}

func (w world) equal(o world) bool {
	return len(w.mail) == len(o.mail) && w.issued == o.issued && w.used == o.used && w.done == o.done
}

// job is one use of mailhaul that must survive.
type job struct {
	name    string
	keep    string // "all" or "none"
	targets []string
	before  int // so many messages are fetched before the recording
	mail    []pop3test.Message
	tokens  bool // log in by OAuth2
	seen    int  // import a seen-list with so many of the messages
}

func jobs() (all []*job) {
	for _, targets := range [][]string{{"maildir"}, {"mbox"}, {"maildir", "mbox"}} {
		for _, keep := range []string{"all", "none"} {
			all = append(all, &job{name: strings.Join(targets, "+") + ", keep: " + keep, keep: keep, targets: targets, mail: letters(9)})
		}
	}
	// So many that one syncfs takes the place of an fsync for each.
	many := &job{name: "maildir, 40 messages, keep: none", keep: "none", targets: []string{"maildir"}, mail: letters(40)}
	return append(all, many,
		&job{name: "token store", keep: "all", targets: []string{"maildir"}, mail: letters(2), tokens: true},
		&job{name: "import --state", keep: "all", targets: []string{"maildir"}, mail: letters(9), seen: 5})
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

// expected are the messages that belong into the targets.
func (j *job) expected() []pop3test.Message { return j.mail[j.seen:] }

// prepare brings a fresh file system to where the recording begins.
func (j *job) prepare(l *lab, w *world) error {
	if j.tokens {
		dir := filepath.Join(l.state(), "tokens")
		err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "box.json"), []byte(l.provider.file()), 0o600))
		if err != nil {
			return err
		}
	}
	if j.seen > 0 {
		return j.seenList(l)
	}
	return j.age(l, w)
}

// age runs fetch for the messages of before, one at a time: in a state file that
// has been used, a commit writes over old pages and changes nothing else.
func (j *job) age(l *lab, w *world) error {
	here := world{}
	for _, m := range w.mail[:j.before] {
		here.mail = append(here.mail, m)
		site := open(l, j, here)
		err := l.must(site, "fetch")
		here = site.now()
		site.close()
		if err != nil {
			return err
		}
	}
	w.mail = append(here.mail, w.mail[j.before:]...)
	return nil
}

// seenList writes what fetchmail leaves, beside the disk.
func (j *job) seenList(l *lab) error {
	var ids strings.Builder
	for _, m := range j.mail[:j.seen] {
		fmt.Fprintf(&ids, "alice@%s %s\n", importHost, m.UID)
	}
	rc := fmt.Sprintf("poll %s protocol pop3 port %d uidl user alice password secret keep\n", importHost, importPort)
	return errors.Join(os.WriteFile(filepath.Join(l.dir, "fetchids"), []byte(ids.String()), 0o600),
		os.WriteFile(filepath.Join(l.dir, "fetchmailrc"), []byte(rc), 0o600))
}

// The server in the seen-list, which names the state.
const (
	importHost = "127.0.0.1"
	importPort = 4110
)

func (j *job) args(l *lab) []string {
	if j.seen == 0 {
		return []string{"fetch"}
	}
	return []string{"--state", l.state(), "import", "fetchmail", "--state",
		"--state-file", filepath.Join(l.dir, "fetchids"), filepath.Join(l.dir, "fetchmailrc")}
}

// site is a world that runs.
type site struct {
	lab  *lab
	job  *job
	drop *pop3test.Maildrop
	pop  *pop3test.Server
	done bool
}

func open(l *lab, j *job, w world) *site {
	s := &site{lab: l, job: j, drop: &pop3test.Maildrop{}, done: w.done}
	for _, m := range w.mail {
		s.drop.Add(m.UID, m.Body)
	}
	o := pop3test.Options{Security: pop3test.Plain, CA: l.ca, Certificate: &tls.Certificate{}}
	if j.tokens {
		l.provider.set(w)
		o.Mechanisms, o.Token = []string{"XOAUTH2"}, l.provider.login
	}
	s.pop = pop3test.NewServer(s.drop, o)
	return s
}

func (s *site) close() { s.pop.Close() }

// now is the world at this moment.
func (s *site) now() world {
	w := world{mail: s.drop.Messages(), done: s.done}
	if s.job.tokens {
		w.issued, w.used = s.lab.provider.get()
	}
	return w
}

func (s *site) config() string {
	login, id := "password: secret", "box"
	if s.job.tokens {
		login = fmt.Sprintf("oauth: {provider: custom, client_id: box, token_url: %[1]q, auth_url: %[1]q, scopes: [mail]}\n    auth: xoauth2",
			s.lab.provider.url)
	}
	if s.job.seen > 0 {
		id = fmt.Sprintf("alice@%s:%d", importHost, importPort)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "state: %s\naccounts:\n  box:\n    id: %s\n    server: %s:%d\n    tls: none\n    user: alice\n",
		s.lab.state(), id, s.pop.Host, s.pop.Port)
	fmt.Fprintf(&b, "    %s\n    keep: %s\n    deliver:\n", login, s.job.keep)
	for _, t := range s.job.targets {
		fmt.Fprintf(&b, "      - %s: %s\n", t, s.lab.target(t))
	}
	return b.String()
}
