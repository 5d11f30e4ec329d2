//go:build unix

package realtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// chroot is a root directory with a few programs, the libraries that they
// need, and its own users.
type chroot struct {
	t        pop3test.TB
	dir      string
	packages string // where programs are that the machine does not have
}

// newChroot makes one for the programs of an unpacked package.
func newChroot(t pop3test.TB, packages string) *chroot {
	t.Helper()
	c := &chroot{t: t, dir: shortDir(t), packages: packages}
	c.mkdir(0o755, "dev", "etc/pam.d", "run")
	c.mkdir(0o777|os.ModeSticky, "tmp")
	c.write("dev/null", "")
	return c
}

func (c *chroot) path(name string) string { return filepath.Join(c.dir, name) }

func (c *chroot) mkdir(mode os.FileMode, names ...string) {
	c.t.Helper()
	for _, name := range names {
		err := os.MkdirAll(c.path(name), 0o755)
		if err == nil {
			err = os.Chmod(c.path(name), mode)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *chroot) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// libraryDirs are where a package's libraries lie in it.
func libraryDirs(packages string) string {
	dirs, _ := filepath.Glob(filepath.Join(packages, "usr/lib/*-linux-gnu*"))
	return strings.Join(append(dirs, filepath.Join(packages, "usr/lib")), ":")
}

var libraryPath = regexp.MustCompile(`/\S+`)

// add copies programs or modules, and the libraries that they name, each to
// its place. One that the package does not have is the machine's.
func (c *chroot) add(files ...string) {
	c.t.Helper()
	for _, name := range files {
		from := filepath.Join(c.packages, name)
		if _, err := os.Stat(from); err != nil {
			from = name
		}
		if _, err := os.Stat(from); err != nil {
			missing(c.t, name+" is not installed")
		}
		c.copyTo(from, name)
		ldd := exec.Command("ldd", from)
		ldd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraryDirs(c.packages))
		out, err := ldd.Output()
		if err != nil {
			c.t.Fatalf("ldd %s: %v", from, err)
		}
		for _, lib := range libraryPath.FindAllString(string(out), -1) {
			c.copyTo(lib, strings.TrimPrefix(lib, c.packages))
		}
	}
}

func (c *chroot) copyTo(from, to string) {
	c.t.Helper()
	if _, err := os.Stat(c.path(to)); err == nil {
		return
	}
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(c.path(to)), 0o755)
	}
	if err == nil {
		err = os.WriteFile(c.path(to), data, 0o755)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// module is the path of a module of PAM, as PAM has it: below /lib first.
func (c *chroot) module(name string) string {
	for _, pattern := range []string{"/lib/*/security/", "/lib/security/", "/usr/lib/*/security/"} {
		if found, _ := filepath.Glob(pattern + name); len(found) > 0 {
			return found[0]
		}
	}
	missing(c.t, name+" is not installed")
	return ""
}

// users are alice, who has Password by PAM's service, and those whom the server
// runs as.
func (c *chroot) users(home, service string, others ...string) {
	c.t.Helper()
	c.add(c.module("pam_unix.so"))
	uid, gid := mailOwner()
	passwd := fmt.Sprintf("root:x:0:0::/:/bin/false\nalice:x:%d:%d::%s:/bin/sh\n", uid, gid, home)
	shadow := "alice:" + hashed + ":19000:0:99999:7:::\n"
	group := fmt.Sprintf("root:x:0:\nalice:x:%d:\n", gid)
	for i, name := range others {
		passwd += fmt.Sprintf("%s:x:%d:%d::/:/bin/false\n", name, 65500+i, 65500+i)
		group += fmt.Sprintf("%s:x:%d:\n", name, 65500+i)
	}
	c.write("etc/passwd", passwd)
	c.write("etc/group", group)
	c.write("etc/shadow", shadow)
	c.write("etc/pam.d/"+service, "auth required pam_unix.so nodelay\naccount required pam_unix.so\n")
}

// hashed is Password by crypt(3).
const hashed = "$6$mailhaul$KCO0VK.s3UVWHp.k162uuZldQNsp67.F6UmNlaQME.iqz5/.MWG.7r0BfYXwvRT53t3dFA1ULRuWEjQLkqUJE."

// command runs a program of the root directory in it.
func (c *chroot) command(env []string, program string, args ...string) []string {
	c.t.Helper()
	out := append(asRoot(c.t), "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	out = append(append(out, env...), pop3test.Require(c.t, "chroot"), c.dir, program)
	return append(out, args...)
}
