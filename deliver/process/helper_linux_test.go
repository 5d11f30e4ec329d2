package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if Help() {
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestHelper runs itself as a child, since a process delegates its commands for life.
func TestHelper(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperChild$", "-test.v")
	cmd.Env = append(os.Environ(), "MAILHAUL_TEST_HELPER=1", "LANG=C")
	for i := range 10 { // more than a request may have, as where Kubernetes has many services
		cmd.Env = append(cmd.Env, fmt.Sprintf("LARGE%d=%s", i, strings.Repeat("x", 20<<10)))
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestHelperChild") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestHelperChild(t *testing.T) {
	if os.Getenv("MAILHAUL_TEST_HELPER") == "" {
		t.Skip("only as the child of TestHelper")
	}
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	status, echo, env, ask := sh("exit 3"), sh("cat; echo said >&2"),
		sh("echo $SENDER,$OWN,$LD_AUDIT,$LANG,$PPID"), []string{"/nowhere/program"}
	stubborn := sh("trap '' TERM; sh -c 'sleep 1000; true'; true")
	allowed := []Allowed{{Args: status}, {Args: echo}, {Args: env, Env: []string{"OWN=1"}}, {Args: ask}, {Args: stubborn},
		{Args: []string{"echo", "to", "%h:%p"}, Address: true}}
	if err := Delegate(allowed); err != nil {
		t.Fatal(err)
	}
	run := func(argv []string, set func(*Cmd)) (string, error) {
		var out strings.Builder
		err := Run(t.Context(), time.Minute, argv, func(c *Cmd) {
			c.Stdout, c.Stderr = &out, &out
			if set != nil {
				set(c)
			}
		})
		return out.String(), err
	}
	if _, err := run(status, nil); err == nil || err.Error() != "exit status 3" {
		t.Errorf("status 3: %v", err)
	}
	large := strings.Repeat("x", 1<<20)
	if out, err := run(echo, func(c *Cmd) { c.Stdin = strings.NewReader(large) }); err != nil || out != large+"said\n" {
		t.Errorf("input and output: %d bytes, %v", len(out), err)
	}
	out, err := run(env, func(c *Cmd) { c.Env = append(os.Environ(), "SENDER=a@b", "OWN=1", "LD_AUDIT=/tmp/x.so", "LANG=x") })
	fields := strings.Split(strings.TrimSpace(out), ",")
	if err != nil || len(fields) != 5 || strings.Join(fields[:3], ",") != "a@b,1," || fields[3] == "x" {
		t.Errorf("environment: %q, %v", out, err)
	}
	if _, err := run(ask, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for _, argv := range [][]string{sh("id"), {"sh"}, append(sh("exit 3"), "more"), {"echo", "to", "-oProxyCommand:1"}, {"echo", "to",
		"a;b:1"}} {
		if out, err := run(argv, nil); err == nil || !strings.Contains(err.Error(), "no such command") {
			t.Errorf("%q was run: %q, %v", argv, out, err)
		}
	}
	for _, at := range []string{"pop.example.org:995", "[fe80::1%eth0]:110"} {
		if out, err := run([]string{"echo", "to", at}, nil); err != nil || out != "to "+at+"\n" {
			t.Errorf("address: %q, %v", out, err)
		}
	}
	in, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), 200*time.Millisecond, stubborn, func(c *Cmd) { c.Stdin, c.Leads = held, true })
	if _, late := errors.AsType[*LateError](err); !late {
		t.Errorf("limit: %v", err)
	}
	held.Close()
	_ = in.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := in.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a descendant is still there: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := Run(stopped, time.Minute, status, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped before: %v", err)
	}
}
