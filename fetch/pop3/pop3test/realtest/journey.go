//go:build unix

package realtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// person is one who takes a mailbox off a server: a configuration, a state and
// a Maildir.
type person struct {
	t   pop3test.TB
	bin string
	dir string
	s   *Server
}

// Journey takes alice's mailbox off a server with the program at bin: kills
// the first run in the middle and resumes it, fetches again, verifies, also
// against the server, purges; then deletes as it fetches, and asks for the
// report. Each message must be there once and byte for byte, and the server
// empty.
func Journey(t pop3test.TB, bin string, s *Server, messages [][]byte) {
	t.Helper()
	p := &person{t: t, bin: bin, dir: shortDir(t), s: s}
	p.configure()
	first, second := messages[:len(messages)-3], messages[len(messages)-3:]
	s.Add(first)
	kept := s.Kept()
	if len(kept) != len(first) {
		t.Fatalf("the server keeps %d messages of %d", len(kept), len(first))
	}
	p.kill()
	p.want(0, "fetch", "lab")
	p.arrived(kept)
	p.said(p.want(0, "fetch", "lab"), "nothing new")
	p.arrived(kept)
	p.said(p.want(0, "verify", "lab"), fmt.Sprintf("%d messages delivered, %d verified", len(kept), len(kept)))
	p.want(0, "verify", "--server", "lab")
	p.said(p.want(0, "purge", "lab"), fmt.Sprintf("%d deleted and confirmed; listed again: 0 of them still there", len(kept)))
	p.emptied()
	s.Add(second)
	kept = append(kept, s.Kept()...)
	p.want(0, "fetch", "--delete", "lab")
	p.arrived(kept)
	p.said(p.want(0, "fetch", "lab"), "nothing new")
	p.arrived(kept)
	p.emptied()
	p.want(0, "verify", "lab")
	p.safe(len(kept))
}

func (p *person) path(name string) string { return filepath.Join(p.dir, name) }

func (p *person) configure() {
	p.t.Helper()
	text := "accounts:\n  lab:\n    user: alice\n    " + strings.Join(p.s.Account, "\n    ") + "\n    deliver:\n      - maildir: " +
		p.path("Maildir") + "\n"
	if err := os.WriteFile(p.path("config.yaml"), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(p.bin, append([]string{"--config", p.path("config.yaml"), "--state", p.path("state")}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// want runs a command, checks its exit status and returns what it printed.
func (p *person) want(code int, args ...string) string {
	p.t.Helper()
	if p.s.Idle != nil {
		p.s.Idle()
	}
	cmd, out := p.command(append([]string{"-vv"}, args...)...)
	_ = cmd.Run() // its exit status says it all
	if got := cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("%v: exit %d, want %d\n%s", args, got, code, tail(out.String()))
	}
	return out.String()
}

func tail(s string) string {
	if len(s) > 6000 {
		s = "...\n" + s[len(s)-6000:]
	}
	return s
}

func (p *person) said(output, text string) {
	p.t.Helper()
	if !strings.Contains(output, text) {
		p.t.Fatalf("%q is not in\n%s", text, tail(output))
	}
}

// kill ends the first run by SIGKILL while messages arrive.
func (p *person) kill() {
	p.t.Helper()
	cmd, out := p.command("fetch", "lab")
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(p.files("tmp", "new")) < 5 {
		select {
		case <-ended:
			p.t.Fatalf("the run ended before it could be killed\n%s", tail(out.String()))
		case <-tick.C:
		}
	}
	_ = cmd.Process.Kill()
	<-ended
	if cmd.ProcessState.Exited() {
		p.t.Fatalf("the run ended before it was killed\n%s", tail(out.String()))
	}
}

func (p *person) files(subs ...string) (names []string) {
	for _, sub := range subs {
		found, _ := filepath.Glob(filepath.Join(p.path("Maildir"), sub, "*"))
		names = append(names, found...)
	}
	return names
}

// arrived checks that each of the messages is in the Maildir once, byte for
// byte, and nothing else.
func (p *person) arrived(kept [][]byte) {
	p.t.Helper()
	want := make(map[[32]byte]int)
	for _, m := range kept {
		want[pop3test.Sum(m)]++
	}
	for _, name := range p.files("new", "cur") {
		data, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		if sum := sha256.Sum256(data); want[sum] > 0 {
			want[sum]--
		} else {
			p.t.Fatalf("twice, damaged or foreign, %d bytes: %.300q", len(data), data)
		}
	}
	for _, m := range kept {
		if sum := pop3test.Sum(m); want[sum] > 0 {
			p.t.Fatalf("not delivered, %d bytes: %.300q", len(m), m)
		}
	}
}

// emptied checks that the server holds no message. Some carry deletions out
// after they confirmed them, and Cyrus removes its files when somebody next
// looks at the mailbox.
func (p *person) emptied() {
	p.t.Helper()
	for range 5 {
		if len(p.s.Kept()) == 0 {
			return
		}
		p.said(p.want(0, "fetch", "lab"), "nothing new")
	}
	p.t.Fatalf("%d messages are left on the server", len(p.s.Kept()))
}

// safe checks that the report calls the account safe to close.
func (p *person) safe(n int) {
	p.t.Helper()
	if r := p.report(); !r.Safe || r.Delivered != n || r.Verified != n {
		p.t.Fatalf("want %d messages and safe: %+v", n, r)
	}
}

// closing is what the report says about an account.
type closing struct {
	Safe                bool
	Reasons             []string
	Delivered, Verified int
}

func (p *person) report() (r closing) {
	p.t.Helper()
	if p.s.Idle != nil {
		p.s.Idle()
	}
	cmd, _ := p.command("--json", "report", "lab")
	cmd.Stdout, cmd.Stderr = nil, nil
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		p.t.Fatalf("report: %v: %s", err, out)
	}
	return r
}

// Broken deletes as it fetches from a server that cannot send one of its
// messages, bad: in the end the good ones are there, once and byte for byte,
// bad is on the server and not in the Maildir, and the report says that the
// account cannot be closed.
func Broken(t pop3test.TB, bin string, s *Server, good [][]byte, bad []byte) {
	t.Helper()
	p := &person{t: t, bin: bin, dir: shortDir(t), s: s}
	p.configure()
	for run := range 4 { // from the third failure on, bad waits
		cmd, out := p.command("fetch", "--delete", "lab")
		_ = cmd.Run() // its exit status says it all
		if code := cmd.ProcessState.ExitCode(); code != 65 && code != 76 && (code != 0 || run == 0) {
			t.Fatalf("run %d: exit %d\n%s", run, code, tail(out.String()))
		}
	}
	p.arrived(good)
	await(t, "only the bad message left", func() bool {
		left := s.Kept()
		return len(left) == 1 && bytes.Equal(left[0], bad)
	})
	if r := p.report(); r.Safe || r.Delivered != len(good) {
		t.Fatalf("report: %+v", r)
	}
}
