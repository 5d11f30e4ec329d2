package sandbox

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

// TestSandbox runs itself as a child, since confinement is for life: there,
// what the accounts need can be read and written, and nothing else.
func TestSandbox(t *testing.T) {
	if !Confines() {
		t.Skip("this system has no Landlock")
	}
	dir := t.TempDir()
	for _, d := range []string{"Mail", "home", "tmp", "conf", "box"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"home/secret", "conf/config.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSandboxChild$", "-test.v")
	cmd.Env = append(os.Environ(), "MAILHAUL_TEST_SANDBOX="+dir, "TMPDIR="+filepath.Join(dir, "tmp"), "HOME="+filepath.Join(dir, "home"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestSandboxChild") {
		t.Errorf("%v\n%s", err, out)
	}
}

// to is the target of fetch --to.
func to(form string) config.Target {
	t, err := target.Rows().Parse(form, config.URLOptions{})
	if err != nil {
		panic(err)
	}
	return t
}

func TestSandboxChild(t *testing.T) {
	dir := os.Getenv("MAILHAUL_TEST_SANDBOX")
	if dir == "" {
		t.Skip("only as the child of TestSandbox")
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	e := Process{Log: slog.New(slog.DiscardHandler), StateDir: in("state"),
		Conf: &config.Config{Path: in("conf/config.yaml")}}
	command := []string{"touch", in("home/by-command")}
	if e.Confine([]*config.Account{{Name: "b", ID: "b", After: command}, {Name: "a", ID: "a", Deliver: []config.Target{
		to("maildir:" + in("Mail")), to("mbox:" + in("box/mail")),
		to("maildir:" + in("home/new/Mail")), to("mbox:" + in("home/spool/mail")),
	}}}, false) == nil {
		t.Fatal("not confined")
	}
	write := func(name string) error { return os.WriteFile(in(name), []byte("x"), 0o600) }
	read := func(name string) error { _, err := os.ReadFile(in(name)); return err }
	for what, err := range map[string]error{
		"make a Maildir's tmp": errors.Join(os.Mkdir(in("Mail/tmp"), 0o700), os.Mkdir(in("Mail/new"), 0o700)),
		"stage a message":      write("Mail/tmp/1"),
		"publish it":           os.Rename(in("Mail/tmp/1"), in("Mail/new/1")),
		"write an mbox":        write("box/mail"),
		"make a new Maildir":   os.Mkdir(in("home/new/Mail/cur"), 0o700),
		"write a new mbox":     write("home/spool/mail"),
		"lock it":              write("box/mail.lock"),
		"write the state":      write("state/a.db"),
		"read the config":      read("conf/config.yaml"),
		"write a temp file":    write("tmp/x"),
		"read /etc/hosts":      func() error { _, err := os.ReadFile("/etc/hosts"); return err }(),
	} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"write outside":        write("home/x"),
		"beside a new Maildir": write("home/new/x"),
		"overwrite the secret": write("home/secret"),
		"read the secret":      read("home/secret"),
		"write the config":     write("conf/config.yaml"),
		"write beside a mbox":  write("x"),
		"take mail out":        os.Rename(in("Mail/new/1"), in("home/1")),
		"run a program":        exec.Command("/bin/true").Run(),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := process.Run(t.Context(), time.Minute, command, nil); err != nil {
		t.Errorf("a command of an account: %v", err)
	}
	if _, err := os.Stat(command[1]); err != nil {
		t.Error(err)
	}
	if err := process.Run(t.Context(), time.Minute, []string{"touch", in("home/other")}, nil); err == nil {
		t.Error("a command of no account was run")
	}
}

func TestMain(m *testing.M) {
	if process.Help() {
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestConfinement(t *testing.T) {
	e := Process{Log: slog.New(slog.DiscardHandler), StateDir: "/var/lib/mailhaul"}
	plain := &config.Account{Name: "a", Remote: config.Remote{TLS: config.TLS{CAFile: "/srv/ca/ca.pem"},
		Login: config.Login{Password: config.FileSecret("/srv/secrets/a")}},
		Deliver: []config.Target{to("maildir:/")}}
	c := e.Confinement([]*config.Account{plain})
	if len(c.commands) > 0 || !slices.Contains(c.read, "/srv/ca") || !slices.Contains(c.read, "/srv/secrets") {
		t.Errorf("%+v", c)
	}
	for name, a := range map[string]*config.Account{
		"pipe":             {Deliver: []config.Target{to("pipe:procmail")}},
		"password command": {Remote: config.Remote{Login: config.Login{Password: config.CommandSecret([]string{"pass", "x"})}}},
		"tunnel":           {Remote: config.Remote{Route: config.Route{Tunnel: []string{"ssh"}}}},
		"before":           {Before: []string{"true"}},
		"after":            {After: []string{"true"}},
		"alert":            {Alert: config.Alert{Command: []string{"mail"}}},
	} {
		both := e.Confinement([]*config.Account{plain, a})
		if len(both.commands) != 1 {
			t.Errorf("%s: the helper is allowed %v", name, both.commands)
		}
		if _, ok := c.Covers(both); ok {
			t.Errorf("%s: taken over without a helper that runs it", name)
		}
		if _, ok := both.Covers(both); !ok {
			t.Errorf("%s: not taken over though it is allowed", name)
		}
	}
}

func TestCovers(t *testing.T) {
	c := Confinement{read: []string{"/etc", "/srv/ca"}, write: []string{"/var/mail"}}
	for _, tc := range []struct {
		o  Confinement
		ok bool
	}{
		{Confinement{}, true},
		{Confinement{read: []string{"/etc/ssl", "/var/mail/x"}, write: []string{"/var/mail/alice"}}, true},
		{Confinement{write: []string{"/etc/x"}}, false},
		{Confinement{write: []string{"/var/mailbox"}}, false},
		{Confinement{read: []string{"/srv"}}, false},
	} {
		if _, ok := c.Covers(tc.o); ok != tc.ok {
			t.Errorf("%+v: %v", tc.o, ok)
		}
	}
	if got := tidyPaths([]string{"/b/c", "", "/a", "/b", "/bc", "/a"}); !slices.Equal(got, []string{"/a", "/b", "/bc"}) {
		t.Errorf("%q", got)
	}
}

// TestTargetsThatAreGone: no rule is for the directory above, and nothing is
// made where mail was before.
func TestTargetsThatAreGone(t *testing.T) {
	home := t.TempDir()
	e := Process{Log: slog.New(slog.DiscardHandler), StateDir: filepath.Join(home, "state")}
	maildir := filepath.Join(home, "vol", "Mail")
	a := &config.Account{Name: "a", ID: "a", Deliver: []config.Target{to("maildir:" + maildir)}}
	db, err := state.Open(state.Path(e.StateDir, "a"), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := a.Deliver[0].ID()
	err = db.Apply(&state.Change{Put: []state.Entry{{Key: state.NewKey("1", 0), Outcomes: []state.Outcome{{Target: id}}}}})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if c := e.Confinement([]*config.Account{a}); slices.Contains(c.write, home) || slices.Contains(c.write, filepath.Dir(maildir)) {
		t.Errorf("%q", c.write)
	}
	for _, anew := range []bool{false, true} {
		e.makeTargets(a, anew)
		if _, err := os.Stat(maildir); (err == nil) != anew {
			t.Errorf("anew %t: %v", anew, err)
		}
		if dir := missingTarget([]*config.Account{a}); (dir == maildir) == anew {
			t.Errorf("anew %t: missing: %q", anew, dir)
		}
	}
	// Else this process would be confined for life.
	if err := os.RemoveAll(maildir); err != nil {
		t.Fatal(err)
	}
	if e.Confine([]*config.Account{a}, false) != nil {
		t.Error("confined without a rule for a volume that is mounted later")
	}
}
