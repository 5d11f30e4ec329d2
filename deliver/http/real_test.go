//go:build unix

package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// realEnv names the services to start, such as "rails redmine rt": testdata/NAME.sh says
// which packages each needs. They are too heavy for each run of the tests.
const realEnv = "MAILHAUL_SERVICES"

// latin1 is a message with a byte that is not UTF-8.
const latin1 = "From: bob@example.org\nMessage-ID: <latin1@example.org>\nSubject: x\nContent-Type: text/plain; charset=iso-8859-1\n" +
	"Content-Transfer-Encoding: 8bit\n\nGr\xfc\xdfe\n"

// real is a message to a real service, and what must become of it.
type real struct {
	body   string
	fields []Pair
	secret string
	class  deliver.Class
	taken  bool
}

// realCases are what each service was seen to do. The first message is sent twice.
var realCases = map[string]struct {
	copies int // of the message that was sent twice
	list   []real
}{
	"rails": {1, []real{{body: letter, taken: true}, {body: letter, taken: true}, {body: latin1, taken: true},
		{body: letter, secret: "wrong", class: deliver.Denied}}},
	"redmine": {2, []real{{body: letter, fields: support, taken: true}, {body: letter, fields: support, taken: true},
		{body: latin1, fields: support, class: deliver.Never}, {body: letter, class: deliver.Failed},
		{body: letter, fields: support, secret: "wrong", class: deliver.Denied}}},
	"rt": {2, []real{{body: letter, fields: queue("General"), taken: true}, {body: letter, fields: queue("General"), taken: true},
		{body: latin1, fields: queue("General"), taken: true},
		{body: letter, fields: queue("Closed"), class: deliver.Never}, {body: letter, fields: queue("None"), class: deliver.Later}}},
}

var support = []Pair{{"issue[project]", "support"}, {"unknown_user", "accept"}, {"no_permission_check", "1"}}

func queue(name string) []Pair { return []Pair{{"queue", name}, {"action", "correspond"}} }

// TestRealServices delivers to the services themselves.
func TestRealServices(t *testing.T) {
	names := strings.Fields(os.Getenv(realEnv))
	if len(names) == 0 {
		t.Skipf("set %s to some of: rails redmine rt", realEnv)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			count, url := startReal(t, name)
			cases, taken := realCases[name], 0
			for i, c := range cases.list {
				o := options(name, url)
				o.Fields = c.fields
				if c.secret != "" {
					o.Secret = given(c.secret)
				}
				if err := New(o).Probe(t.Context()); (err == nil) != (c.class != deliver.Denied) {
					t.Errorf("probe %d: %v", i, err)
				}
				body := "From: bob@example.org\n" + c.body
				res := send(t, New(o), deliver.Envelope{Account: "a", UID: strconv.Itoa(i)}, body)
				t.Logf("%d: %s%v", i, res.Receipt, res.Err)
				var e *deliver.Error
				if c.taken != (res.Err == nil) || !c.taken && (!errors.As(res.Err, &e) || e.Class != c.class) {
					t.Errorf("%d: %+v", i, res)
				}
				if c.taken {
					taken++
				}
			}
			if got, want := count(), taken-2+cases.copies; got != want {
				t.Errorf("it has %d messages, want %d", got, want)
			}
		})
	}
}

// startReal starts a service, and returns what counts its messages, and its URL.
func startReal(t *testing.T, name string) (count func() int, url string) {
	t.Helper()
	script, err := filepath.Abs(filepath.Join("testdata", name+".sh"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", script, "start", dir, port)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = log.Close()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			break
		}
		if ctx.Err() != nil {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not listen:\n%s", name, text)
		}
		time.Sleep(200 * time.Millisecond)
	}
	return func() (n int) {
		out, err := exec.Command("sh", script, "count", dir, port).Output()
		if _, scanned := fmt.Sscan(string(out), &n); err != nil || scanned != nil {
			t.Errorf("count: %v, %q", err, out)
		}
		return n
	}, "http://127.0.0.1:" + port
}
