//go:build unix

package command

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/sandbox"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// looping is `mailhaul loop` in a process of its own.
type looping struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	mu    sync.Mutex
	log   bytes.Buffer
}

// loop starts one; env is added to its environment.
func (l *lab) loop(env []string, args ...string) *looping {
	l.t.Helper()
	p := &looping{t: l.t, lines: make(chan string, 10_000)}
	p.cmd = l.command(context.Background(), append([]string{"loop"}, args...)...)
	p.cmd.Env = append(append(p.cmd.Env, "TMPDIR="+l.tmp()), env...)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.mu.Lock()
			fmt.Fprintln(&p.log, s.Text())
			p.mu.Unlock()
			p.lines <- s.Text()
		}
	}()
	l.t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

// tmp is a directory for temporary files outside of everything else.
func (l *lab) tmp() string {
	_ = os.MkdirAll(l.path("tmp"), 0o700)
	return l.path("tmp")
}

// until waits for a line that holds all of the texts.
func (p *looping) until(texts ...string) string {
	p.t.Helper()
	patience := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("it ended before %q:\n%s", texts, p.text())
			}
			if containsAll(line, texts) {
				return line
			}
		case <-patience:
			p.t.Fatalf("no line with %q:\n%s", texts, p.text())
		}
	}
}

func containsAll(s string, texts []string) bool {
	for _, t := range texts {
		if !strings.Contains(s, t) {
			return false
		}
	}
	return true
}

func (p *looping) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *looping) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end sends a signal and returns the exit code.
func (p *looping) end(s syscall.Signal) int {
	p.t.Helper()
	p.signal(s)
	for range p.lines {
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// TestLoopServerRestart has a Dovecot stopped and started again under a loop.
func TestLoopServerRestart(t *testing.T) {
	t.Parallel()
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Users: map[string]string{"alice": password}})
	l := newLab(t)
	l.account("server: "+d.Addr(), "tls: none", "insecure: true", "every: 1s", "jitter: 0", secret)
	messages := letters(6)
	d.AddMessages("alice", messages[:2])
	p := l.loop(nil)
	p.until("msg=run", "account=lab", "exit=0", "fetched=2", "failed=0", "seconds=")
	d.AddMessages("alice", messages[2:3])
	p.until("exit=0", "fetched=1")
	d.Stop()
	p.until("level=WARN", "exit=69", "err=")
	d.AddMessages("alice", messages[3:])
	d.Start()
	p.until("exit=0", "fetched=3")
	if code := p.end(syscall.SIGTERM); code != 143 {
		t.Errorf("exit %d after SIGTERM:\n%s", code, p.text())
	}
	l.wantMail(messages)
}

// TestLoopSignals asks SIGUSR1 to fetch, SIGHUP to read the configuration
// again, and a broken one to change nothing.
func TestLoopSignals(t *testing.T) {
	t.Parallel()
	drop := dropOf(letters(3))
	o := pop3test.Options{Security: pop3test.Plain}
	s := serve(t, drop, o)
	l := newLab(t)
	lines := append(l.to(s, o), "every: 1h", secret)
	l.account(lines...)
	p := l.loop(nil)
	p.until("msg=run", "fetched=3")
	more := letters(9)
	drop.Add("uid-4", more[3])
	p.signal(syscall.SIGUSR1)
	p.until("fetching all accounts now")
	p.until("msg=run", "fetched=1")

	l.account(append(lines, "evry: 1h")...)
	p.signal(syscall.SIGHUP)
	p.until("level=ERROR", "not taken over", "evry")
	drop.Add("uid-5", more[4])
	p.signal(syscall.SIGUSR1)
	p.until("msg=run", "fetched=1")

	// Another account, due at once; the old one keeps its time.
	other := dropOf(letters(2))
	l.account(append(lines, "max_size: 1MiB")...)
	text, _ := os.ReadFile(l.path("config.yaml"))
	text = fmt.Appendf(text, "  second:\n    server: %s\n    tls: none\n    user: alice\n    id: second\n    password: %s\n    "+
		"deliver:\n      - maildir: %s\n",
		serve(t, other, o).Addr(), password, l.path("Maildir/Second"))
	l.write("config.yaml", text)
	p.signal(syscall.SIGHUP)
	p.until("configuration read again", "accounts=2")
	p.until("msg=run", "account=second", "fetched=2")

	// Beyond what the process may touch since its start, where it is confined.
	if sandbox.Confines() {
		l.write("config.yaml", bytes.ReplaceAll(text, []byte(l.path("Maildir/Second")), []byte("/var/mailhaul-test")))
		p.signal(syscall.SIGHUP)
		p.until("level=ERROR", "sandbox", "restart loop")
	}
	st, err := state.ReadStatus(state.StatusPath(l.path("state"), "lab"))
	if left := time.Until(st.NextRun); err != nil || left < 50*time.Minute || left > 70*time.Minute {
		t.Errorf("next run in %v, %v", left, err)
	}
	if code := p.end(syscall.SIGINT); code != 130 {
		t.Errorf("exit %d after SIGINT:\n%s", code, p.text())
	}
	l.wantMail(more[:5])
}

// TestLoopStopsInARun ends a loop in the middle of a message.
func TestLoopStopsInARun(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain, Faults: []pop3test.Fault{{On: "RETR", Nth: 3, Do: pop3test.Stall()}}}
	drop := dropOf(letters(5))
	s := serve(t, drop, o)
	l := newLab(t)
	l.account(append(l.to(s, o), "every: 1h", "pipelining: off", secret)...)
	p := l.loop(nil)
	deadline := time.Now().Add(20 * time.Second)
	for s.Count("RETR") < 3 {
		if time.Now().After(deadline) {
			t.Fatalf("no third RETR:\n%s", p.text())
		}
		<-time.After(5 * time.Millisecond)
	}
	if code := p.end(syscall.SIGTERM); code != 143 {
		t.Errorf("exit %d:\n%s", code, p.text())
	}
	if !strings.Contains(p.text(), "loop ends") {
		t.Errorf("%s", p.text())
	}
	o.Faults = nil
	l.account(append(l.to(serve(t, drop, o), o), secret)...)
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(5))
}

// TestLoopTellsSystemd listens where systemd would.
func TestLoopTellsSystemd(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.account(append(l.to(serve(t, dropOf(letters(1)), o), o), "every: 1h", secret)...)
	path := filepath.Join(l.dir, "notify")
	if len(path) > 100 {
		path = filepath.Join(os.TempDir(), fmt.Sprintf("mailhaul-notify-%d", os.Getpid()))
		defer os.Remove(path)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := l.loop([]string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=600000"})
	hear := func(want string) {
		t.Helper()
		buf := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("systemd did not hear %q: %v\n%s", want, err, p.text())
			}
			if strings.Contains(string(buf[:n]), want) {
				return
			}
		}
	}
	hear("READY=1")
	for range 3 {
		hear("WATCHDOG=1")
	}
	hear("STATUS=1 account, 0 running, 0 failing, next run at ")
	p.signal(syscall.SIGHUP)
	hear("RELOADING=1")
	hear("READY=1")
	p.signal(syscall.SIGTERM)
	hear("STOPPING=1")
	p.end(syscall.SIGTERM)
}

// TestLoopMetrics reads the listener and the file.
func TestLoopMetrics(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.account(append(l.to(serve(t, dropOf(letters(4)), o), o), "every: 1h", secret)...)
	text, _ := os.ReadFile(l.path("config.yaml"))
	if err := os.Mkdir(l.path("metrics"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := l.path("metrics/mailhaul.prom")
	ports, err := pop3test.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	l.write("config.yaml", fmt.Appendf(text, "metrics: 127.0.0.1:%d\nmetrics_file: %s\n", ports[0], file))
	p := l.loop(nil)
	line := p.until("msg=metrics", "url=")
	p.until("msg=run", "fetched=4")
	_, url, _ := strings.Cut(line, "url=")
	get := func() string {
		t.Helper()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		http.DefaultClient.CloseIdleConnections()
		return body.String()
	}
	body := get()
	for _, want := range []string{`mailhaul_fetched_messages_total{account="lab"} 4`, `mailhaul_runs_total{account="lab",result="ok"} 1`,
		`mailhaul_known_uids{account="lab"} 4`, "\nmailhaul_config_last_reload_successful 1\n",
		"\nmailhaul_config_last_reload_success_timestamp_seconds "} {
		if !strings.Contains(body, want) {
			t.Errorf("the listener lacks %s:\n%s", want, body)
		}
	}
	good, _ := os.ReadFile(l.path("config.yaml"))
	l.write("config.yaml", []byte("accounts: wrong\n"))
	p.signal(syscall.SIGHUP)
	p.until("configuration not taken over")
	if body := get(); !strings.Contains(body, "\nmailhaul_config_last_reload_successful 0\n") {
		t.Errorf("a reload failed:\n%s", body)
	}
	l.write("config.yaml", good)
	p.signal(syscall.SIGHUP)
	p.until("configuration read again")
	if body := get(); !strings.Contains(body, "\nmailhaul_config_last_reload_successful 1\n") {
		t.Errorf("a reload succeeded:\n%s", body)
	}
	p.end(syscall.SIGTERM)
	l.want(l.run("fetch"), 0) // its figures go on from the loop's
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), `mailhaul_runs_total{account="lab",result="ok"} 2`) {
		t.Errorf("the file: %v\n%s", err, b)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	cmd := exec.CommandContext(t.Context(), pop3test.Require(t, "promtool"), "check", "metrics")
	cmd.Stdin = bytes.NewReader(b)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s\n%s", err, out, b)
	}
}
