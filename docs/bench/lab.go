//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// lab holds what all measurements share: a directory, the server and the tools.
type lab struct {
	dir     string
	self    string // this program, which measures its children
	quick   bool
	rounds  int
	dovecot *pop3test.Dovecot
	ca      string // PEM file
	tools   []tool
	seq     int
	ready   map[string]bool // mailboxes that are filled
	done    map[string]*result
	cleanup []func()
}

// newLab installs what is missing, where it can, and starts the server.
func newLab(binary string) (*lab, error) {
	l := &lab{quick: os.Getenv("Q") != "", rounds: 3, ready: make(map[string]bool), done: make(map[string]*result)}
	if n, err := strconv.Atoi(os.Getenv("R")); err == nil && n > 0 {
		l.rounds = n
	} else if l.quick {
		l.rounds = 1
	}
	install := exec.Command("sh", "install-deps.sh",
		"dovecot-pop3d", "dovecot-imapd", "isync", "mpop", "getmail6", "fdm", "fetchmail", "procmail", "postfix")
	install.Stdout, install.Stderr = os.Stderr, os.Stderr
	_ = install.Run() // it says itself what it could not do
	var err error
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if l.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return nil, err
	}
	l.Cleanup(func() { os.RemoveAll(l.dir) })
	l.dovecot = pop3test.StartDovecot(l, pop3test.DovecotOptions{Users: users(), Mechanisms: []string{"plain", "login"}})
	l.ca = filepath.Join(l.dovecot.Dir, "ca.pem")
	l.tools = append([]tool{{name: "mailhaul", program: binary, command: mailhaul}}, l.peers()...)
	return l, nil
}

// users are all mailboxes that a target may want, none of them filled yet.
func users() map[string]string {
	names := []string{"mixed", "doomed", "part", "latency", "few", "big", "tiny", "latency9", "few9"}
	for i := range manyAccounts {
		names = append(names, accountName(i))
	}
	m := make(map[string]string)
	for _, n := range names {
		m[n] = password
	}
	return m
}

// Close ends the server and removes everything.
func (l *lab) Close() {
	for _, f := range slices.Backward(l.cleanup) {
		f()
	}
	l.cleanup = nil
}

// fresh makes an empty directory.
func (l *lab) fresh() (string, error) {
	l.seq++
	dir := filepath.Join(l.dir, strconv.Itoa(l.seq))
	return dir, os.Mkdir(dir, 0o700)
}

// discard frees the space of a directory, but removes nothing before the end:
// ext4 without a journal searches for inodes that were not freed in the last
// minutes, so the next program would pay for the removal.
func (l *lab) discard(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			_ = os.Truncate(path, 0)
		}
		return nil
	})
}

// size is n, or a small part of it in a quick run.
func (l *lab) size(n int) int {
	if l.quick {
		return max(n/10, min(n, 30))
	}
	return n
}

// tool returns a tool by its name, false if it is not installed.
func (l *lab) tool(name string) (tool, bool) {
	i := slices.IndexFunc(l.tools, func(t tool) bool { return t.name == name })
	if i < 0 {
		return tool{}, false
	}
	return l.tools[i], true
}

// The lab stands in for a test (pop3test.TB).

func (l *lab) Helper() {}

// Cleanup has f called by Close.
func (l *lab) Cleanup(f func()) { l.cleanup = append(l.cleanup, f) }

// Failed is about tests.
func (l *lab) Failed() bool { return false }

// Logf prints a line.
func (l *lab) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Fatal ends the program.
func (l *lab) Fatal(args ...any) { l.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf ends the program.
func (l *lab) Fatalf(format string, args ...any) {
	l.Logf("bench: "+format, args...)
	l.Close()
	os.Exit(1)
}

// Skipf ends the program: without a server there is nothing to measure.
func (l *lab) Skipf(format string, args ...any) { l.Fatalf(format, args...) }
