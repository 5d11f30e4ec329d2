package container

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// builder runs Debian's buildah, which needs no daemon, with a storage of its own.
type builder struct {
	t   *testing.T
	dir string
}

func (b builder) run(args ...string) string {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), "buildah", append([]string{"--storage-driver", "vfs", "--root", filepath.Join(b.dir, "root"),
		"--runroot", filepath.Join(b.dir, "run")}, args...)...)
	cmd.Env = append(os.Environ(), "BUILDAH_ISOLATION=chroot")
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("buildah %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// base makes an image of what this machine has, under the names that the Dockerfiles
// begin with: no registry is asked. Programs come from this machine's /usr while a
// step runs.
func (b builder) base(names ...string) {
	b.t.Helper()
	dir := filepath.Join(b.dir, "base")
	goroot := goEnv(b.t, "GOROOT")
	sh := exec.Command("sh", "-ec", `mkdir -p etc/ssl/certs usr/share tmp root; chmod 1777 tmp
		for d in bin sbin lib lib64; do if [ -L /$d ]; then cp -a /$d .; fi; done
		cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/; cp -aL /usr/share/zoneinfo usr/share/; cp /etc/passwd /etc/group etc/`)
	sh.Dir = dir
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if out, err := sh.CombinedOutput(); err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	c := b.run("from", "scratch")
	b.run("copy", "-q", c, dir, "/")
	b.run("config", "--env", "PATH="+goroot+"/bin:/usr/local/bin:/usr/sbin:/usr/bin", "--env", "GOPROXY="+goEnv(b.t, "GOPROXY"),
		"--env", "GOFLAGS=-buildvcs=false", c)
	for _, name := range names {
		b.run("commit", "-q", c, name)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestDockerfiles carries out each step of both files and runs what they make, as the
// user and with the environment that they set.
func TestDockerfiles(t *testing.T) {
	_, err := exec.LookPath("buildah")
	if why := map[bool]string{err != nil: "needs Debian's buildah", os.Getuid() != 0: "needs root"}[true]; why != "" {
		if os.Getenv("MAILHAUL_REQUIRE_ALL") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	b := builder{t, t.TempDir()}
	b.base("docker.io/library/golang:1.26", "docker.io/library/debian:stable-slim")
	usr := []string{"--volume", "/usr:/usr:ro"}
	build := func(name, file string, args ...string) {
		t.Helper()
		args = append(append([]string{"build", "-q", "--format", "docker", "--pull-never", "--network", "host", "-t", name, "-f", file},
			usr...), args...)
		b.run(append(args, "../..")...)
	}
	build("mailhaul", "Dockerfile", "--build-arg", "VERSION=v0.0.1", "--volume", goEnv(t, "GOMODCACHE")+":/root/go/pkg/mod",
		"--volume", goEnv(t, "GOCACHE")+":/root/.cache/go-build")
	build("commands", "Dockerfile.commands", "--build-arg", "PACKAGES=")

	conf := filepath.Join(b.dir, "conf")
	for name, text := range map[string]string{
		"config.yaml": "secrets: group\naccounts: {work: {server: pop.example.org, user: alice, password: {file: password}, " +
			"deliver: [{maildir: /mail/work}]}}\n",
		"password": "secret\n",
		"pipe.yaml": "accounts: {work: {server: pop.example.org, user: alice, password: {command: [echo, secret]}, " +
			"deliver: [{pipe: {command: [sh, -c, 'cat > /mail/one']}}]}}\n",
	} {
		path := filepath.Join(conf, name)
		if err := os.MkdirAll(conf, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o440); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 0, 65532); err != nil { // as Kubernetes does with fsGroup
			t.Fatal(err)
		}
	}
	run := func(image string, args ...string) string {
		t.Helper()
		c := b.run("from", "--pull-never", image)
		given := []string{"run", "--volume", conf + ":/config:ro"}
		if image == "commands" {
			given = append(given, usr...)
		}
		return b.run(append(append(given, c, "--"), args...)...)
	}
	for _, tt := range []struct {
		image string
		args  []string
		want  string
	}{
		{"mailhaul", []string{"/mailhaul", "version"}, "v0.0.1"},
		{"mailhaul", []string{"/mailhaul", "check"}, "work: ok: alice at pop.example.org:995, implicit, to maildir:/mail/work"},
		{"commands", []string{"/bin/sh", "-c", "id -u; touch /mail/x /state/x; echo $MAILHAUL_CONFIG"}, "65532\n/config/config.yaml"},
		{"commands", []string{"/mailhaul", "-c", "/config/pipe.yaml", "check"}, "work: ok: alice at pop.example.org:995, implicit, to pipe:sh"},
	} {
		if got := run(tt.image, tt.args...); !strings.Contains(got, tt.want) {
			t.Errorf("%s %v printed %q, want %q", tt.image, tt.args, got, tt.want)
		}
	}
	inspect := b.run("inspect", "--type", "image", "mailhaul")
	for _, want := range []string{`"65532:65532"`, `"SIGTERM"`, `"--check"`, `"/state"`, `"/mail"`, `"loop"`} {
		if !strings.Contains(inspect, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
}
