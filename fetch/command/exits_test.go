package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds the life of a program in a script.
const patience = 60 * time.Second

// cmdExits runs a program and writes what it said to the file got, with
// prefixes and without what changes from run to run.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	runProgram(ts, number(ts, args[0]), args[1:], func(*exec.Cmd) {})
}

// cmdSignalled sends a signal in mid-run.
func cmdSignalled(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": os.Kill}[args[0]]
	reached := awaitEvent(ts, args[2])
	runProgram(ts, number(ts, args[1]), args[3:], func(cmd *exec.Cmd) {
		reached()
		time.Sleep(100 * time.Millisecond) // the program reads the answer meanwhile: nobody else sees when
		ts.Check(cmd.Process.Signal(sig))
	})
}

// cmdUnderWay starts a program that is in the middle of something when the
// script goes on.
func cmdUnderWay(ts *testscript.TestScript, _ bool, args []string) {
	reached := awaitEvent(ts, args[0])
	cmd := command(ts, args[1:])
	ts.Check(cmd.Start())
	w := worldOf(ts)
	w.running = cmd
	ts.Defer(func() {
		if w.running != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	reached()
}

func cmdInterrupt(ts *testscript.TestScript, _ bool, _ []string) {
	w := worldOf(ts)
	ts.Check(w.running.Process.Signal(os.Interrupt))
	_ = w.running.Wait()
	w.running = nil
}

// awaitEvent returns a function that waits until the server has received the
// command once more than now ("on NAME COMMAND": another server), or, for "file
// NAME", until the file is there, which is looked at every few milliseconds.
func awaitEvent(ts *testscript.TestScript, event string) func() {
	if file, ok := strings.CutPrefix(event, "file "); ok {
		file = ts.MkAbs(file)
		return func() {
			for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
				if _, err := os.Stat(file); err == nil {
					return
				}
				if time.Now().After(deadline) {
					ts.Fatalf("%s did not appear", file)
				}
			}
		}
	}
	name := ""
	if named, ok := strings.CutPrefix(event, "on "); ok {
		name, event, _ = strings.Cut(named, " ")
	}
	received := worldOf(ts).servers[name].Received(event, 1)
	return func() {
		select {
		case <-received:
		case <-time.After(patience):
			ts.Fatalf("the server never received %s", event)
		}
	}
}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path, err := lookPath(ts, args[0])
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environ(ts)
	return cmd
}

func runProgram(ts *testscript.TestScript, want int, args []string, during func(*exec.Cmd)) {
	cmd := command(ts, args)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	ts.Check(cmd.Start())
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	during(cmd)
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	_, _ = io.WriteString(ts.Stdout(), out.String())
	_, _ = io.WriteString(ts.Stderr(), stderr.String())
	got := steady(ts, prefixed("out| ", out.String())+prefixed("err| ", stderr.String()))
	ts.Check(os.WriteFile(ts.MkAbs("got"), []byte(got), 0o600))
	if code := cmd.ProcessState.ExitCode(); code != want {
		ts.Fatalf("exit %d, want %d\n%s", code, want, got)
	}
}

func prefixed(prefix, s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(prefix + strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// pinned is a key as pin and the messages write it: random in every run, so
// that it may hold any few letters.
var pinned = regexp.MustCompile(`sha256/[A-Za-z0-9+/=]+`)

var unsteady = []struct {
	re *regexp.Regexp
	to string
}{
	// What the sandbox allows depends on the machine, and so does whether there is one.
	{regexp.MustCompile(`(?m)^err\| .*msg"?[:=]"?sandbox.*\n`), ""},
	{regexp.MustCompile(`\(\d+ ms\)`), "(N ms)"},
	{regexp.MustCompile(`in \d+\.\ds`), "in N.Ns"},
	{regexp.MustCompile(`for \d+s `), "for Ns "},
	{regexp.MustCompile(`is due in (1h|59m\d+s)`), "is due in N"}, // an hour, minus what the machine took
	{regexp.MustCompile(`\b\d+[sm] ago *`), "Ns ago  "},           // with the blanks that align the next column
	{regexp.MustCompile(`"seconds":[0-9.e-]+`), `"seconds":N`},
	{regexp.MustCompile(`seconds=[0-9.e-]+`), "seconds=N"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+(Z|[+-][0-9:]+)`), "TIME"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d:\d\d`), "DATE AND TIME"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\d`), "DATE"},
	{pinned, "sha256/PIN"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+->`), "127.0.0.1:OURS->"},
	{regexp.MustCompile(`pid \d+`), "pid N"},
	{regexp.MustCompile(`"pid":\d+`), `"pid":N`},
	{regexp.MustCompile(`\d{10}\.R[0-9a-f]+Q\d+(\.[\w-]+)*`), "NAME"},
}

var digits = regexp.MustCompile(`[0-9a-f]{32,}|\d+`) // a hash is not a number

// steady replaces what changes from run to run. Ports come last and as whole
// numbers: a time or a process number may hold the same digits.
func steady(ts *testscript.TestScript, s string) string {
	s = strings.ReplaceAll(s, ts.Getenv("WORK"), "$WORK")
	for _, u := range unsteady {
		s = u.re.ReplaceAllString(s, u.to)
	}
	ports := map[string]string{ts.Getenv("CLOSED"): "CLOSED"}
	for name, srv := range worldOf(ts).servers {
		port := srv.Addr()[strings.LastIndexByte(srv.Addr(), ':')+1:]
		ports[port] = "PORT"
		if name != "" {
			ports[port] = name + "_PORT"
		}
	}
	return digits.ReplaceAllStringFunc(s, func(n string) string {
		if name, ok := ports[n]; ok {
			return name
		}
		return n
	})
}

// environ is the script's environment, without what the parent's could add.
func environ(ts *testscript.TestScript) (env []string) {
	for _, k := range []string{
		"PATH", "HOME", "WORK", "TMPDIR", "TZ", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "SECRET",
		"MAILHAUL_PASSWORD", "MAILHAUL_CONFIG", "MAILHAUL_STATE", "NO_COLOR", "GOCOVERDIR", "ADDR", "PORT", "CA", "two_PORT",
		"two_CA", "CLOSED", "DBUS_SESSION_BUS_ADDRESS",
	} {
		if v := ts.Getenv(k); v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("no program %q", name)
}
