package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// inTree runs a program in a copy of the tree's root.
func inTree(t *testing.T, root string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "CGO_ENABLED=0", "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

func sameBytes(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(x) == 0 || !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

func TestDebianPackage(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds a Debian package")
	}
	dpkgDeb := pop3test.Require(t, "dpkg-deb")
	tree, dir := absTree(t), t.TempDir()
	binary := filepath.Join(dir, "mailhaul")
	inTree(t, tree, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "urfave_cli_no_docs",
		"-ldflags", "-s -w -X github.com/mailhaul/mailhaul/fetch/command.buildVersion=v1.2.3", "-o", binary, ".")
	deb := inTree(t, tree, "sh", "docs/packaging/deb.sh", "v1.2.3", binary, runtime.GOARCH, filepath.Join(dir, "a"))
	again := inTree(t, tree, "sh", "docs/packaging/deb.sh", "v1.2.3", binary, runtime.GOARCH, filepath.Join(dir, "b"))
	sameBytes(t, deb, again)

	list := inTree(t, dir, dpkgDeb, "--contents", deb)
	for _, file := range []string{"/usr/bin/mailhaul", "/man1/mailhaul.1.gz", "/man5/mailhaul.yaml.5.gz", "/completions/mailhaul", "/vendor-completions/_mailhaul",
		"/mailhaul.fish", "/config.schema.json", "/copyright", "/changelog.gz"} {
		if !strings.Contains(list+"\n", file+"\n") {
			t.Errorf("the package lacks %s:\n%s", file, list)
		}
	}
	if lintian, err := exec.LookPath("lintian"); err == nil {
		if out := inTree(t, dir, lintian, "--allow-root", "--fail-on", "error", "--tag-display-limit", "0", deb); out != "" {
			t.Errorf("lintian: %s", out)
		}
	}
	t.Run("install", func(t *testing.T) { installAndRemove(t, deb) })
}

func absTree(t *testing.T) string {
	t.Helper()
	tree, err := filepath.Abs(treeRoot)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// installAndRemove has dpkg install the package into an empty root of its own.
func installAndRemove(t *testing.T, deb string) {
	if os.Geteuid() != 0 {
		t.Skip("dpkg installs as root only")
	}
	dpkg := pop3test.Require(t, "dpkg")
	root := t.TempDir()
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"var/lib/dpkg/status", "var/lib/dpkg/available"} {
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	inTree(t, root, dpkg, "--root="+root, "--install", deb)
	if out := inTree(t, root, filepath.Join(root, "usr/bin/mailhaul"), "version"); !strings.HasPrefix(out, "mailhaul v1.2.3 ") {
		t.Error(out)
	}
	inTree(t, root, dpkg, "--root="+root, "--purge", "mailhaul")
	_ = filepath.WalkDir(filepath.Join(root, "usr"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s is left", path)
		}
		return nil
	})
}

func TestDistIsReproducible(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds archives")
	}
	tree, dir := absTree(t), t.TempDir()
	script, target := filepath.Join(tree, "docs/packaging/dist.sh"), runtime.GOOS+"/"+runtime.GOARCH
	a := inTree(t, tree, "sh", script, "v1.2.3", filepath.Join(dir, "a"), target)
	other := filepath.Join(dir, "elsewhere") // paths must not get into the binary
	for _, part := range []string{"docs", "fetch", "deliver", "state", "oauth"} {
		if err := os.CopyFS(filepath.Join(other, part), os.DirFS(filepath.Join(tree, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"main.go", "go.mod", "go.sum", "LICENSE", "README.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(filepath.Join(tree, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(other, file), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b := inTree(t, other, "sh", script, "v1.2.3", filepath.Join(dir, "b"), target)
	sameBytes(t, a, b)
	inTree(t, filepath.Dir(a), "sha256sum", "--check", "SHA256SUMS")
}
