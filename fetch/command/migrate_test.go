package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// refuser is an SMTP server that refuses messages with a certain text.
type refuser struct {
	addr   string
	refuse string
	mu     sync.Mutex
	taken  int
	copies map[string]int // by the line of the subject
}

func startRefuser(t *testing.T, refuse string) *refuser {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &refuser{addr: ln.Addr().String(), refuse: refuse, copies: make(map[string]int)}
	s := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return refuserSession{r}, nil }))
	s.ErrorLog = quiet{}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return r
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

type refuserSession struct{ *refuser }

func (refuserSession) Reset()                                 {}
func (refuserSession) Logout() error                          { return nil }
func (refuserSession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (refuserSession) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (s refuserSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.refuse != "" && bytes.Contains(text, []byte(s.refuse)) {
		return &gosmtp.SMTPError{Code: 554, EnhancedCode: gosmtp.EnhancedCode{5, 7, 1}, Message: "refused by content"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	_, rest, _ := bytes.Cut(text, []byte("Subject: "))
	subject, _, _ := bytes.Cut(rest, []byte("\r\n"))
	s.copies[string(subject)]++
	return nil
}

// oldMail is a mailbox of ten years, and what a report must say of it.
type oldMail struct {
	messages [][]byte
	months   map[string]proof.Month
	bytes    int64
}

func tenYears(n int) *oldMail {
	m := &oldMail{months: make(map[string]proof.Month)}
	first := time.Date(2014, 3, 1, 9, 30, 0, 0, time.UTC)
	for i := range n {
		at := first.Add(time.Duration(i) * (3700 * 24 * time.Hour / time.Duration(n)))
		text := fmt.Sprintf("Message-ID: <%d@old.example>\nDate: %s\nSubject: number %d\n\n%s\n", i, at.Format(time.RFC1123Z), i,
			strings.Repeat("x", i%700))
		m.messages = append(m.messages, []byte(strings.ReplaceAll(text, "\n", "\r\n")))
		m.bytes += int64(len(text))
		name := at.Format("2006-01")
		month := m.months[name]
		m.months[name] = proof.Month{Month: name, Messages: month.Messages + 1, Bytes: month.Bytes + int64(len(text))}
	}
	return m
}

// killed runs a command and kills it once the condition holds; false: it ended
// before.
func (l *lab) killed(when func() bool, args ...string) (dead bool) {
	l.t.Helper()
	cmd := l.command(context.Background(), args...)
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			return errors.As(err, &exit) && !exit.Exited()
		case <-tick.C:
			if when() {
				_ = cmd.Process.Kill()
				return <-ended != nil
			}
		}
	}
}

func (l *lab) inMaildir() int {
	names, _ := filepath.Glob(filepath.Join(l.path("Maildir"), "new", "*"))
	return len(names)
}

func (l *lab) report(args ...string) (r jsonline.Report) {
	l.t.Helper()
	o := l.run(append([]string{"--json", "report", "lab"}, args...)...)
	l.want(o, 0)
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		l.t.Fatal(err)
	}
	return r
}

// TestMigration moves 5,000 messages off a Dovecot, with kills, a budget that
// stops it three times, and a message that a relay refuses, and then proves
// that nothing is missing.
func TestMigration(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("long")
	}
	const n = 5000
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{"alice": password}})
	old := tenYears(n)
	d.AddMessages("alice", old.messages)
	r := startRefuser(t, "Subject: number 3210\r\n")
	l := newLab(t)
	smtp := fmt.Sprintf("\n      - smtp: {server: %q, to: [alice@new.example], tls: none}\n", r.addr)
	l.account("server: "+d.Addr(), "tls: none", "password: "+password, fmt.Sprintf("limit: {bytes: %d}", (old.bytes+old.bytes/10)/5))
	conf, _ := os.ReadFile(l.path("config.yaml"))
	l.write("config.yaml", append(bytes.TrimRight(conf, "\n"), smtp...))

	kills, stops := 0, 0
	for run := 0; ; run++ {
		if run == 40 {
			t.Fatal("the migration does not come to an end")
		}
		if at := l.inMaildir() + 150; run%3 != 2 && kills < 5 {
			if l.killed(func() bool { return l.inMaildir() >= at }, "fetch", "--wait", "10s") {
				kills++
			}
			continue
		}
		o := l.run("fetch", "--wait", "10s")
		if o.code != 0 && o.code != 65 {
			t.Fatal(o)
		}
		if !strings.Contains(o.out, "over limit") {
			break
		}
		if stops++; stops == 1 {
			if r := l.report(); r.Safe || r.Server.New == 0 || !strings.Contains(strings.Join(r.Reasons, " "), "never fetched") {
				t.Errorf("in the middle: %+v", r)
			}
		}
	}
	if kills < 3 || stops < 3 {
		t.Errorf("only %d kills and %d stops", kills, stops)
	}
	if got := l.mail(); !maps.Equal(got, sumsOf(old.messages)) { // what was killed half done is swept later
		t.Errorf("%d different messages delivered: %v", len(got), diffSums(got, sumsOf(old.messages)))
	}
	l.provesMigration(d, r, old)
}

func sumsOf(messages [][]byte) map[[32]byte]int {
	m := make(map[[32]byte]int)
	for _, text := range messages {
		m[pop3test.Sum(text)]++
	}
	return m
}

// provesMigration verifies, purges and compares each number of the report with
// the source.
func (l *lab) provesMigration(d *pop3test.Dovecot, r *refuser, old *oldMail) {
	t, n := l.t, len(old.messages)
	before := l.report()
	if before.Safe || before.Verified != 0 || before.Server.Unverified != n || before.Quarantined != 1 || before.Delivered != n-1 {
		t.Errorf("before verify: %+v", before)
	}
	o := l.run("verify")
	l.want(o, 0)
	wantOut(t, o, fmt.Sprintf("lab: %d messages delivered, %d verified, %d copies cannot be read back", n, n, n-1))
	o = l.run("purge", "lab")
	l.want(o, 0)
	wantOut(t, o, fmt.Sprintf("%d deleted and confirmed; listed again: 0 of them still there, 1 message left on the server", n-1))
	if left := d.Maildrop("alice"); left != 1 {
		t.Errorf("%d on the server", left)
	}
	after := l.report("--html", l.path("report.html"))
	if !after.Safe || len(after.Reasons) != 0 || len(after.Notes) != 1 {
		t.Errorf("after: %+v", after)
	}
	got := make(map[string]proof.Month)
	for _, m := range after.Months {
		got[m.Month] = m
	}
	if diff := cmp.Diff(old.months, got); diff != "" {
		t.Errorf("months, want - got +\n%s", diff)
	}
	if s := after.Sizes; len(s) != 5 || s[0].Messages != n || s[0].Bytes != old.bytes {
		t.Errorf("sizes: %+v", s)
	}
	if after.Known != n || after.Verified != n-1 || after.Deleted != n-1 || after.Bytes != old.bytes || after.Failed != 0 ||
		after.Incomplete != 0 ||
		after.Server.Listed != 1 || after.Server.Here != 1 {
		t.Errorf("numbers: %+v", after)
	}
	if r.taken < n-1 { // a kill may have made it more
		t.Errorf("the relay has only %d", r.taken)
	}
	text := l.run("report", "lab")
	wantOut(t, text, "Safe to close this account: yes", "1 message is in the quarantine only", "folders: POP3 shows the inbox alone")
	page, err := os.ReadFile(l.path("report.html"))
	if err != nil || !bytes.Contains(page, []byte("Safe to close this account: yes")) || len(page) > 64<<10 {
		t.Errorf("page of %d bytes: %v", len(page), err)
	}
	manifest := l.run("state", "export", "lab", "--manifest")
	l.want(manifest, 0)
	file := l.write("manifest", []byte(manifest.out))
	wantOut(t, l.run("verify", "--manifest", file), fmt.Sprintf("intact, %d messages", 2*n))
	l.write("manifest", []byte(strings.Replace(manifest.out, "number", "nombre", 1)+" "))
	l.write("manifest", []byte(strings.Replace(manifest.out, `"size":`, `"size":1`, 1)))
	l.want(l.run("verify", "--manifest", file), 65, "line 3 does not follow the line before it")
}

// TestMigrationOffWindow empties a mailbox that shows 250 messages at a time.
func TestMigrationOffWindow(t *testing.T) {
	t.Parallel()
	old := tenYears(900)
	drop := dropOf(old.messages)
	drop.Newest = 250
	s := serve(t, drop, pop3test.Options{Security: pop3test.Plain})
	l := newLab(t)
	l.account(append(l.to(s, pop3test.Options{Security: pop3test.Plain}), "password: "+password)...)
	rounds := 0
	for ; rounds < 10; rounds++ {
		l.want(l.run("fetch"), 0)
		l.want(l.run("verify", "-q"), 0)
		if rounds > 0 {
			if r := l.report(); r.Safe != (drop.Len() < drop.Newest) {
				t.Fatalf("round %d, %d left: %+v", rounds, drop.Len(), r)
			}
		}
		if drop.Len() == 0 {
			break
		}
		l.want(l.run("purge", "lab"), 0)
	}
	if rounds != 4 {
		t.Errorf("%d rounds", rounds)
	}
	l.wantMail(old.messages)
	if r := l.report(); r.Delivered != 900 || r.Deleted != 900 || r.Server.Listed != 0 {
		t.Errorf("%+v", r)
	}
}
