//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test/realtest"
)

// imapCaps are what the servers of target 9 offer beside IMAP4rev1.
var imapCaps = map[string]string{"MULTIAPPEND": "LITERAL+ MULTIAPPEND", "APPEND": "LITERAL+", "LITERAL-": "LITERAL-",
	"25 MB": "LITERAL+ MULTIAPPEND"}

// mailboxes is target 9.
func mailboxes(l *lab) (*table, error) {
	n, few := l.size(2_000), l.size(300)
	if err := l.fill("mixed", l.size(10_000), func(n int) [][]byte { return pop3test.Corpus(seed, n) }); err != nil {
		return nil, err
	}
	if err := l.link("mixed", "latency9", n); err != nil {
		return nil, err
	}
	if err := l.link("mixed", "few9", few); err != nil {
		return nil, err
	}
	t := &table{title: "Into another mailbox, by IMAP"}
	near, err := l.moves("latency9", n, 0, "MULTIAPPEND", "APPEND")
	if err != nil {
		return nil, err
	}
	far, err := l.moves("latency9", n, 80*time.Millisecond, "MULTIAPPEND", "APPEND")
	if err != nil {
		return nil, err
	}
	waiting, err := l.moves("few9", few, 80*time.Millisecond, "LITERAL-")
	if err != nil {
		return nil, err
	}
	if err := l.fill("big", l.size(20), bigMessages); err != nil {
		return nil, err
	}
	large, err := l.moves("big", l.size(20), 0, "25 MB")
	if err != nil {
		return nil, err
	}
	t.runs(slices.Concat(near, far, waiting, large))
	for i, res := range [][]*result{near, far} {
		at := []string{"", ", 80 ms"}[i]
		ours := find(res, "mailhaul, MULTIAPPEND"+at)
		t.faster(ours, find(res, "mbsync"+at), []float64{2, 5}[i])
		t.faster(ours, find(res, "bare writer, MULTIAPPEND"+at), 0.6)
		t.faster(find(res, "mailhaul, APPEND"+at), find(res, "bare writer, APPEND"+at), 0.7)
		t.atMost("peak RSS"+at, ours.rss(), 40, " MiB")
	}
	t.atMost("peak RSS with 25 MB messages", large[0].rss(), 48, " MiB")
	t.atMost("4 connections without LITERAL+, round trips a message", waiting[0].wall()/0.08/float64(few), 0.5, "")
	return t, nil
}

// moves lets the programs move a mailbox, in turn.
func (l *lab) moves(user string, n int, rtt time.Duration, kinds ...string) ([]*result, error) {
	msgs, err := l.texts(user)
	if err != nil {
		return nil, err
	}
	var entrants []entrant
	for _, kind := range kinds {
		s := realtest.DovecotIMAP(l, "imap_capability = IMAP4rev1 SASL-IR UIDPLUS NAMESPACE "+imapCaps[kind]+"\n")
		addr, at := s.Addr, ""
		if rtt > 0 {
			proxy := pop3test.NewDelayProxy(s.Addr, rtt)
			l.Cleanup(proxy.Close)
			addr, at = proxy.Addr(), fmt.Sprintf(", %d ms", rtt.Milliseconds())
		}
		entrants = append(entrants, l.into(s, "mailhaul, "+kind+at, n, func(j job, box string) (*exec.Cmd, error) {
			return l.push(j, user, addr, box)
		}))
		if kind == "MULTIAPPEND" {
			entrants = append(entrants, l.into(s, "mbsync"+at, n, func(j job, box string) (*exec.Cmd, error) {
				return l.mbsync(j, user, addr, box)
			}))
		}
		if kind == "MULTIAPPEND" || kind == "APPEND" {
			entrants = append(entrants, entrant{name: "bare writer, " + kind + at, messages: n, run: func() (sample, error) {
				return l.bareWriter(addr, kind == "MULTIAPPEND", msgs)
			}})
		}
	}
	return l.contest(entrants)
}

// into measures a command that fills a new mailbox.
func (l *lab) into(s *realtest.Mailbox, name string, n int, command func(j job, box string) (*exec.Cmd, error)) entrant {
	return entrant{name: name, messages: n, run: func() (sample, error) {
		dir, err := l.fresh()
		if err != nil {
			return sample{}, err
		}
		defer l.discard(dir)
		box := "Box" + filepath.Base(dir)
		cmd, err := command(job{dir: dir}, box)
		if err != nil {
			return sample{}, err
		}
		out, err := l.measure(cmd)
		if have := len(s.Kept(box)); err == nil && have != n {
			err = fmt.Errorf("%d messages arrived, not %d", have, n)
		}
		return out, err
	}}
}

// push is mailhaul.
func (l *lab) push(j job, user, addr, box string) (*exec.Cmd, error) {
	ours, _ := l.tool("mailhaul")
	from := l.box(user, false)
	c, err := writeFile(j, "config.yaml", `state: %[1]s/state
accounts:
  move:
    server: %[2]s
    tls: none
    user: %[3]s
    password: {env: MAILHAUL_PASSWORD}
    deliver:
      - imap: {server: %[4]s, tls: none, user: alice, password: {env: TO}, mailbox: %[5]s, connections: 4}
`, j.dir, from.addr(), user, addr, box)
	cmd := with(exec.Command(ours.program, "-c", c, "-q", "fetch"), j)
	cmd.Env = append(cmd.Env, "TO="+realtest.Password)
	return cmd, err
}

// mbsync pushes the messages from the Maildir that the POP3 server has them in.
func (l *lab) mbsync(j job, user, addr, box string) (*exec.Cmd, error) {
	host, port, _ := net.SplitHostPort(addr)
	maildir := filepath.Join(j.dir, "Maildir")
	err := makeMaildir(maildir)
	files, _ := filepath.Glob(filepath.Join(l.dovecot.Maildir(user), "cur", "*"))
	for _, f := range files {
		if err == nil {
			var text []byte
			base, _, _ := strings.Cut(filepath.Base(f), ",")
			text, err = os.ReadFile(f)
			err = errors.Join(err, os.WriteFile(filepath.Join(maildir, "new", base), text, 0o600))
		}
	}
	rc, werr := writeFile(j, "mbsyncrc", `IMAPStore far
Host %s
Port %s
User alice
Pass %s
SSLType None
AuthMechs LOGIN
PipelineDepth 50

MaildirStore near
Inbox %s
SubFolders Verbatim

Channel push
Near :near:INBOX
Far :far:%s
Sync Push New
Create Far
SyncState %s/
`, host, port, realtest.Password, maildir, box, j.dir)
	return with(exec.Command(pop3test.Require(l, "mbsync"), "-q", "-c", rc, "push"), j), errors.Join(err, werr)
}

// texts are the messages of a mailbox with CRLF line ends.
func (l *lab) texts(user string) (out [][]byte, err error) {
	files, _ := filepath.Glob(filepath.Join(l.dovecot.Maildir(user), "cur", "*"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		out = append(out, bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
	}
	return out, nil
}

// bareWriter appends from memory: 200 messages a MULTIAPPEND, or 100 commands under way.
func (l *lab) bareWriter(addr string, multi bool, msgs [][]byte) (sample, error) {
	l.seq++
	box := fmt.Sprintf("Bare%d", l.seq)
	begun := time.Now()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return sample{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	r, w := bufio.NewReader(conn), bufio.NewWriterSize(conn, 64<<10)
	tags, done := 0, 0
	await := func(left int) error {
		err := w.Flush()
		for err == nil && tags-done > left {
			var line string
			if line, err = r.ReadString('\n'); strings.HasPrefix(line, "a") {
				done++
				if _, rest, _ := strings.Cut(line, " "); !strings.HasPrefix(rest, "OK") {
					err = errors.New(line)
				}
			}
		}
		return err
	}
	send := func(format string, args ...any) {
		tags++
		fmt.Fprintf(w, "a%d "+format, append([]any{tags}, args...)...)
	}
	send("LOGIN alice %s\r\n", realtest.Password)
	err = await(0)
	send("CREATE %s\r\n", box)
	for i := 0; i < len(msgs) && err == nil; i++ {
		if !multi || i%200 == 0 {
			send("APPEND %s", box)
		}
		fmt.Fprintf(w, " {%d+}\r\n%s", len(msgs[i]), msgs[i])
		if !multi || i%200 == 199 || i == len(msgs)-1 {
			_, _ = w.WriteString("\r\n")
			if multi {
				err = await(0)
			} else if tags-done > 100 {
				err = await(50)
			}
		}
	}
	return sample{Wall: time.Since(begun)}, errors.Join(err, await(0))
}
