package command

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	t.Parallel()
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
	for _, file := range []string{"/usr/bin/mailhaul", "/doc/mailhaul/README.md", "/user/mailhaul.service", "/man1/mailhaul.1.gz",
		"/man5/mailhaul.yaml.5.gz", "/completions/mailhaul", "/vendor-completions/_mailhaul",
		"/mailhaul.fish", "/config.schema.json", "/copyright", "/changelog.gz"} {
		if !strings.Contains(list+"\n", file+"\n") {
			t.Errorf("the package lacks %s:\n%s", file, list)
		}
	}
	t.Run("lintian", func(t *testing.T) {
		lintian := pop3test.Require(t, "lintian")
		if out := inTree(t, dir, lintian, "--allow-root", "--fail-on", "error", "--tag-display-limit", "0", deb); out != "" {
			t.Errorf("lintian: %s", out)
		}
	})
	t.Run("install", func(t *testing.T) { installAndRemove(t, deb) })
}

// leaveOut skips a test, or fails it if MAILHAUL_REQUIRE_ALL is 1.
func leaveOut(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
		t.Fatalf("%s, and MAILHAUL_REQUIRE_ALL is set", why)
	}
	t.Skip(why)
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
		leaveOut(t, "dpkg installs as root only")
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
	unitsNameBinaries(t, root, "/usr")
	inTree(t, root, dpkg, "--root="+root, "--purge", "mailhaul")
	_ = filepath.WalkDir(filepath.Join(root, "usr"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s is left", path)
		}
		return nil
	})
}

// unitsNameBinaries asks that what the installed units start is installed too.
func unitsNameBinaries(t *testing.T, root, prefix string) {
	t.Helper()
	units, _ := filepath.Glob(filepath.Join(root, prefix, "lib/systemd/*/*.service"))
	if len(units) < 3 {
		t.Errorf("only %d services are installed", len(units))
	}
	timers, _ := filepath.Glob(filepath.Join(root, prefix, "lib/systemd/*/*.timer"))
	for _, unit := range append(timers, units...) {
		if st, err := os.Stat(unit); err != nil || st.Mode() != 0o644 {
			t.Errorf("%s: %+v, %v; want a file of mode 644", unit, st, err)
		}
	}
	start := regexp.MustCompile(`(?m)^ExecStart=(\S+)`)
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		m := start.FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s starts nothing", unit)
		}
		if st, err := os.Stat(filepath.Join(root, string(m[1]))); err != nil || st.Mode()&0o111 == 0 {
			t.Errorf("%s starts %s, which is no program there: %v", filepath.Base(unit), m[1], err)
		}
	}
}

// copyTree copies what the packages are made from.
func copyTree(t *testing.T, to string, parts ...string) {
	t.Helper()
	tree := absTree(t)
	for _, part := range parts {
		from := filepath.Join(tree, part)
		st, err := os.Stat(from)
		switch {
		case err != nil:
		case st.IsDir():
			err = os.CopyFS(filepath.Join(to, part), os.DirFS(from))
		default:
			var text []byte
			if text, err = os.ReadFile(from); err == nil {
				err = errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(to, part)), 0o755),
					os.WriteFile(filepath.Join(to, part), text, st.Mode()))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// filesBelow lists the files of a directory: the names below it.
func filesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestInstall runs `make install` on a copy of the tree in which a build would
// fail: what is built is not built again.
func TestInstall(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems get no units")
	}
	makeProgram := pop3test.Require(t, "make")
	tree, dir := t.TempDir(), t.TempDir()
	copyTree(t, tree, "docs", "Makefile", "README.md", "CHANGELOG.md", "fetch/command/completion.bash",
		"fetch/command/completion.zsh", "fetch/command/completion.fish")
	install := func(args ...string) string {
		return inTree(t, tree, makeProgram, append([]string{"install", "GO=no-go"}, args...)...)
	}
	if out := install("--dry-run"); !strings.Contains(out, "no-go build ") {
		t.Errorf("without a binary nothing is built:\n%s", out)
	}
	if err := os.WriteFile(filepath.Join(tree, "mailhaul"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	install("DESTDIR=" + filepath.Join(dir, "local"))
	if err := os.Chmod(filepath.Join(dir, "local/usr/local/lib/systemd/system/mailhaul.service"), 0o600); err != nil {
		t.Fatal(err)
	}
	install("DESTDIR=" + filepath.Join(dir, "local")) // again
	unitsNameBinaries(t, filepath.Join(dir, "local"), "/usr/local")
	install("DESTDIR="+filepath.Join(dir, "usr"), "PREFIX=/usr")
	unitsNameBinaries(t, filepath.Join(dir, "usr"), "/usr")

	files := filesBelow(t, filepath.Join(dir, "usr"))
	want := strings.Fields(`/usr/bin/mailhaul /usr/share/man/man1/mailhaul.1 /usr/share/man/man5/mailhaul.yaml.5
		/usr/share/bash-completion/completions/mailhaul /usr/share/zsh/site-functions/_mailhaul /usr/share/fish/vendor_completions.d/mailhaul.fish
		/usr/lib/systemd/system/mailhaul.service /usr/lib/systemd/system/mailhaul@.service /usr/lib/systemd/system/mailhaul@.timer
		/usr/lib/systemd/user/mailhaul.service /usr/share/doc/mailhaul/README.md
		/usr/share/doc/mailhaul/config.schema.json /usr/share/doc/mailhaul/container/Dockerfile`)
	pages, _ := filepath.Glob(filepath.Join(tree, "docs/*.md"))
	for _, page := range pages {
		want = append(want, "/usr/share/doc/mailhaul/"+filepath.Base(page))
	}
	for _, name := range want {
		if !slices.Contains(files, name) {
			t.Errorf("%s is not installed: %q", name, files)
		}
	}
	installed, _ := filepath.Glob(filepath.Join(dir, "usr/usr/share/doc/mailhaul/*.md"))
	for _, page := range installed {
		for _, link := range deadLinks(page, readText(t, page)) {
			t.Errorf("%s: dead link %s where it is installed", filepath.Base(page), link)
		}
	}
	t.Run("as the package", func(t *testing.T) { sameAsPackage(t, tree, files) })
	t.Run("uninstall", func(t *testing.T) {
		own := filepath.Join(dir, "usr/usr/share/doc/mailhaul/note")
		if err := os.WriteFile(own, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		out := inTree(t, tree, makeProgram, "uninstall", "GO=no-go", "DESTDIR="+filepath.Join(dir, "usr"), "PREFIX=/usr")
		if left := filesBelow(t, filepath.Join(dir, "usr")); len(left) != 1 || !strings.Contains(out, "is not empty") {
			t.Errorf("left: %q, want the file of somebody else alone\n%s", left, out)
		}
		inTree(t, tree, makeProgram, "uninstall", "GO=no-go", "DESTDIR="+filepath.Join(dir, "local"))
		inTree(t, tree, makeProgram, "uninstall", "GO=no-go", "DESTDIR="+filepath.Join(dir, "local")) // nothing is there
		if left := filesBelow(t, filepath.Join(dir, "local")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

// sameAsPackage compares what `make install` put with the Debian package, which
// has Debian's own papers besides.
func sameAsPackage(t *testing.T, tree string, files []string) {
	dpkgDeb, dir := pop3test.Require(t, "dpkg-deb"), t.TempDir()
	deb := inTree(t, tree, "sh", "docs/packaging/deb.sh", "v1.2.3", filepath.Join(tree, "mailhaul"), runtime.GOARCH, dir)
	inTree(t, dir, dpkgDeb, "--extract", deb, filepath.Join(dir, "root"))
	own := strings.Fields("/usr/share/doc/mailhaul/changelog.gz /usr/share/doc/mailhaul/copyright /usr/share/lintian/overrides/mailhaul")
	var packed []string
	for _, name := range filesBelow(t, filepath.Join(dir, "root")) {
		if slices.Contains(own, name) {
			continue
		}
		if strings.Contains(name, "/man/") {
			name = strings.TrimSuffix(name, ".gz")
		}
		packed = append(packed, strings.Replace(name, "/zsh/vendor-completions/", "/zsh/site-functions/", 1))
	}
	slices.Sort(packed)
	slices.Sort(files)
	if diff := cmp.Diff(files, packed); diff != "" {
		t.Errorf("make install (-) and the package (+) differ:\n%s", diff)
	}
}

func TestDistIsReproducible(t *testing.T) {
	t.Parallel()
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds archives")
	}
	tree, dir := absTree(t), t.TempDir()
	script, target := filepath.Join(tree, "docs/packaging/dist.sh"), runtime.GOOS+"/"+runtime.GOARCH
	a := inTree(t, tree, "sh", script, "v1.2.3", filepath.Join(dir, "a"), target)
	other := filepath.Join(dir, "elsewhere") // paths must not get into the binary
	copyTree(t, other, "docs", "fetch", "deliver", "state", "oauth", "main.go", "go.mod", "go.sum", "LICENSE", "README.md", "CHANGELOG.md")
	b := inTree(t, other, "sh", script, "v1.2.3", filepath.Join(dir, "b"), target)
	sameBytes(t, a, b)
	inTree(t, filepath.Dir(a), "sha256sum", "--check", "SHA256SUMS")
	t.Run("complete", func(t *testing.T) { archiveIsComplete(t, a) })
}

// archiveIsComplete asks that the pages of an archive link to what is in it,
// and that it can be installed from there.
func archiveIsComplete(t *testing.T, archive string) {
	dir := t.TempDir()
	inTree(t, dir, "tar", "-xzf", archive, "--strip-components=1")
	pages, _ := filepath.Glob(filepath.Join(dir, "*.md"))
	for _, below := range []string{"docs/*.md", "docs/*/*.md"} {
		more, _ := filepath.Glob(filepath.Join(dir, below))
		pages = append(pages, more...)
	}
	if len(pages) < 20 {
		t.Errorf("only %d pages", len(pages))
	}
	for _, page := range pages {
		for _, link := range deadLinks(page, readText(t, page)) {
			t.Errorf("%s: dead link %s", strings.TrimPrefix(page, dir), link)
		}
	}
	root := filepath.Join(dir, "root")
	inTree(t, dir, "sh", "docs/packaging/install.sh", "mailhaul", "/usr", root)
	unitsNameBinaries(t, root, "/usr")
	if out := inTree(t, root, filepath.Join(root, "usr/bin/mailhaul"), "version"); !strings.HasPrefix(out, "mailhaul v1.2.3 ") {
		t.Error(out)
	}
	if files := filesBelow(t, root); !slices.Contains(files, "/usr/share/fish/vendor_completions.d/mailhaul.fish") {
		t.Errorf("completion is not installed: %q", files)
	}
	inTree(t, dir, "sh", "docs/packaging/install.sh", "--remove", "/usr", root)
	if left := filesBelow(t, root); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestVersionWithoutTag asks what the Makefile builds: the tag, or the newest
// version in the changelog.
func TestVersionWithoutTag(t *testing.T) {
	makeProgram, git := pop3test.Require(t, "make"), pop3test.Require(t, "git")
	m := regexp.MustCompile(`(?m)^## \[([0-9][^]]*)\]`).FindStringSubmatch(readText(t, filepath.Join(treeRoot, "CHANGELOG.md")))
	if m == nil {
		t.Fatal("the changelog has no version")
	}
	tree := t.TempDir()
	copyTree(t, tree, "Makefile", "CHANGELOG.md")
	build := func(version string, args ...string) {
		t.Helper()
		out := inTree(t, tree, makeProgram, append([]string{"build", "--dry-run"}, args...)...)
		if !strings.Contains(out, "buildVersion="+version+`"`) {
			t.Errorf("want %s:\n%s", version, out)
		}
	}
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(tree))
	build("v" + m[1]) // no repository
	build("v9.9.9", "VERSION=v9.9.9")
	inTree(t, tree, git, "init", "-q")
	inTree(t, tree, git, "add", ".")
	inTree(t, tree, git, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "a")
	build("v" + m[1])
	inTree(t, tree, git, "tag", "v8.0.0")
	build("v8.0.0")
}
