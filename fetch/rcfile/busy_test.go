//go:build linux

package rcfile_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBusyPid uses this process as the one that a lock names.
func TestBusyPid(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".fetchmailrc", "poll h proto pop3 user u pass p ssl\n")
	r, err := read("fetchmail", "", options(home))
	if err != nil {
		t.Fatal(err)
	}
	if why, busy := r.Format.Busy(r); busy {
		t.Error(why)
	}
	// A process of another name has taken the number since.
	write(".fetchmail.pid", fmt.Sprintf("%d 300\n", os.Getpid()))
	if why, busy := r.Format.Busy(r); busy {
		t.Error(why)
	}
	// A copy of sleep by the right name.
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep")
	}
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	fake := filepath.Join(home, "fetchmail")
	if err := os.WriteFile(fake, data, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(fake, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	awaitName(t, cmd.Process.Pid, "fetchmail")
	write(".fetchmail.pid", fmt.Sprint(cmd.Process.Pid))
	if why, busy := r.Format.Busy(r); !busy || !strings.Contains(why, "fetchmail --quit") {
		t.Error(why, busy)
	}
}

// awaitName waits until a process that was started bears its name: Start may
// return a moment before.
func awaitName(t *testing.T, pid int, name string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == name+"\n" {
			return
		}
	}
	t.Fatalf("process %d is not %s", pid, name)
}

func TestBusyFiles(t *testing.T) {
	home := t.TempDir()
	conf := filepath.Join(home, ".fdm.conf")
	if err := os.WriteFile(conf, []byte(`account "a" pop3s server "h" user "u" pass "p"`), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := read("fdm", "", options(home))
	if err != nil {
		t.Fatal(err)
	}
	if _, busy := r.Format.Busy(r); busy {
		t.Error("no lock")
	}
	if err := os.WriteFile(filepath.Join(home, ".fdm.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, busy := r.Format.Busy(r); !busy {
		t.Error("lock not seen")
	}
	profile := filepath.Join(home, ".thunderbird", "x.default")
	if err := os.MkdirAll(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"../profiles.ini": "[Profile0]\nPath=x.default\nIsRelative=1\n", "prefs.js": ""} {
		if err := os.WriteFile(filepath.Join(profile, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = read("thunderbird", "", options(home)); err != nil {
		t.Fatal(err)
	}
	if why, busy := r.Format.Busy(r); busy {
		t.Error(why)
	}
	if err := os.Symlink(fmt.Sprintf("127.0.0.1:+%d", os.Getpid()), filepath.Join(profile, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, busy := r.Format.Busy(r); !busy {
		t.Error("link not seen")
	}
}

// TestBusyLock has a child hold the lock: a process never sees its own.
func TestBusyLock(t *testing.T) {
	if file := os.Getenv("RCFILE_LOCK"); file != "" {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		os.Stdin.Read(make([]byte, 1))
		return
	}
	home := t.TempDir()
	for name, text := range map[string]string{".mpoprc": "account a\nhost h\nuser u\nuidls_file ~/uidls\n", "uidls": ""} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := read("mpop", "", options(home))
	if err != nil {
		t.Fatal(err)
	}
	if why, busy := r.Format.Busy(r); busy {
		t.Error(why)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBusyLock$")
	cmd.Env = append(os.Environ(), "RCFILE_LOCK="+filepath.Join(home, "uidls"))
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	buf := make([]byte, 6)
	if _, err := out.Read(buf); err != nil || string(buf) != "locked" {
		t.Fatalf("%q %v", buf, err)
	}
	if why, busy := r.Format.Busy(r); !busy || !strings.Contains(why, "uidls") {
		t.Error(why, busy)
	}
}
