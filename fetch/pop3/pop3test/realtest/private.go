//go:build unix

package realtest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// missing skips the test, or fails it if MAILHAUL_REQUIRE_ALL is 1.
func missing(t pop3test.TB, why string) {
	t.Helper()
	if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
		t.Fatalf("%s, and MAILHAUL_REQUIRE_ALL is set", why)
	}
	t.Skipf("SKIPPED: %s", why)
}

// unpacked is the directory of a package of docs/private-servers.sh.
func unpacked(t pop3test.TB, name string) string {
	t.Helper()
	dir := filepath.Join(serversDir(), name)
	if _, err := os.Stat(dir); err != nil {
		missing(t, name+" is not unpacked (make deps)")
	}
	return dir
}

// serversDir is where that script unpacks: root's own files would be closed to
// the users whom root's servers run as.
func serversDir() string {
	if dir := os.Getenv("MAILHAUL_SERVERS"); dir != "" {
		return dir
	}
	if os.Getuid() == 0 {
		return "/var/cache/mailhaul/servers"
	}
	cache, _ := os.UserCacheDir()
	return filepath.Join(cache, "mailhaul", "servers")
}

// asRoot is what a command that needs root begins with.
func asRoot(t pop3test.TB) []string {
	t.Helper()
	if os.Getuid() == 0 {
		return nil
	}
	if err := exec.Command("sudo", "-n", "true").Run(); err != nil {
		missing(t, "it needs root or sudo without a password")
	}
	return []string{"sudo", "-n"}
}

// mailOwner is the user whom the mail belongs to: no server takes root's.
func mailOwner() (uid, gid int) {
	if os.Getuid() == 0 {
		return 65534, 65534
	}
	return os.Getuid(), os.Getgid()
}

// own gives a file and all below it to the owner of the mail.
func own(dir string) error {
	uid, gid := mailOwner()
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && os.Getuid() == 0 {
			err = os.Lchown(path, uid, gid)
		}
		return err
	})
}

// shortDir makes a directory that ends with the test, short enough for a unix
// socket in it (108 bytes), and open to the server's users.
func shortDir(t pop3test.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "real")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if os.RemoveAll(dir) != nil {
			_ = exec.Command("sudo", "-n", "rm", "-rf", dir).Run()
		}
	})
	return dir
}

// daemon runs a server in the foreground until the test ends, even by a kill:
// its end is that of a shell's standard input.
func daemon(t pop3test.TB, log string, env []string, command ...string) {
	t.Helper()
	const watch = `exec 3<&0
"$@" 3<&- </dev/null & p=$!
(cat <&3 >/dev/null; kill -TERM $p 2>/dev/null) & w=$!
wait $p; kill $w 2>/dev/null; exit 0`
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	args := append([]string{"env"}, env...)
	args = append(args, "/bin/sh", "-c", watch, "sh")
	cmd := exec.Command(args[0], append(args[1:], command...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endDaemon(t, cmd, stdin, log) })
}

func endDaemon(t pop3test.TB, cmd *exec.Cmd, stdin io.Closer, log string) {
	_ = stdin.Close()
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	timer := time.AfterFunc(10*time.Second, kill)
	_ = cmd.Wait() // how it ended is in its log
	timer.Stop()
	kill()
	if t.Failed() {
		text, _ := os.ReadFile(log)
		t.Logf("the server's log:\n%s", text)
	}
}

// await asks every few milliseconds until ready holds.
func await(t pop3test.TB, what string, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(15 * time.Second); !ready(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not ready", what)
		}
	}
}

// crlf and lf turn line ends.
func crlf(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "\n", "\r\n")) }
func lf(b []byte) []byte   { return []byte(strings.ReplaceAll(string(b), "\r\n", "\n")) }
