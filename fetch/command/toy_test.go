package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/sandbox"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/command/target/toytest"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
	"github.com/mailhaul/mailhaul/fetch/rcfile/mpop"
)

// toyRun is one process that has the toy as a kind of target.
type toyRun struct {
	t     *testing.T
	dir   string
	table target.Table
}

func newToyRun(t *testing.T, dir string, crash func()) *toyRun {
	return &toyRun{t, dir, append(target.Rows(), toytest.Row(crash))}
}

func (r *toyRun) options() config.Options { return config.Options{Targets: r.table.Kinds()} }

// account is that of the configuration, with all that the command makes of it.
func (r *toyRun) account() (*config.Account, *fetch.Account, *proof.Prover) {
	r.t.Helper()
	conf, err := config.Load(filepath.Join(r.dir, "config.yaml"), r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	b := account.NewBuilder(slog.New(slog.DiscardHandler), false, nil)
	b.StateDir = filepath.Join(r.dir, "state")
	a, err := b.Account(conf.Accounts[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return conf.Accounts[0], a, &proof.Prover{Fetcher: &fetch.Fetcher{StateDir: b.StateDir, Recover: r.table.Recoverers()},
		ReadBack: b.ReadBack(conf.Accounts)}
}

func (r *toyRun) fetch() fetch.Summary {
	r.t.Helper()
	_, a, p := r.account()
	return p.Fetcher.Run(r.t.Context(), []*fetch.Account{a})[0]
}

// TestToyChild is killed before its first message becomes visible.
func TestToyChild(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MAILHAUL_TEST_TOY")
	if dir == "" {
		t.Skip("only as the child of TestNewKindOfTarget")
	}
	newToyRun(t, dir, func() {
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	}).fetch()
}

// TestNewKindOfTarget: a row and a package are all that a new kind of target
// costs. With these two the toy is parsed, written, confined, fetched into,
// recovered after a crash and read back.
func TestNewKindOfTarget(t *testing.T) {
	t.Parallel()
	drop := &pop3test.Maildrop{}
	for i := range 3 {
		drop.Add(fmt.Sprintf("uid-%d", i), fmt.Appendf(nil, "Subject: %d\r\n\r\nbody\r\n", i))
	}
	s := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain, User: "alice"})
	t.Cleanup(s.Close)
	dir := t.TempDir()
	r := newToyRun(t, dir, nil)

	to, err := r.table.Parse("toy:"+filepath.Join(dir, "toys"), config.URLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	written := config.Encode(config.Pair("accounts", config.Pair("work", config.Pair("server", s.Addr()).And("tls", config.Word("none")).
		And("user", "alice").And("password", "secret").And("deliver", []config.Map{target.Entry(to)}))), 0)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), written, 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, _ := r.account()
	if a.Deliver[0].ID() != to.ID() {
		t.Errorf("written as %s, and read as %s", to.ID(), a.Deliver[0].ID())
	}
	r.confined()
	r.crashAndRecover()
	r.documented()
	r.imported()
}

// confined: the sandbox allows the toy its directory, as it does a Maildir.
func (r *toyRun) confined() {
	r.t.Helper()
	allows := func(form string) sandbox.Confinement {
		to, err := r.table.Parse(form, config.URLOptions{})
		if err != nil {
			r.t.Fatal(err)
		}
		p := sandbox.Process{Log: slog.New(slog.DiscardHandler), StateDir: "/srv/state"}
		return p.Confinement([]*config.Account{{Name: "a", Deliver: []config.Target{to}}})
	}
	if missing, ok := allows("toy:/srv/toys").Covers(allows("maildir:/srv/toys")); !ok {
		r.t.Errorf("no rule for %s", missing)
	}
}

// crashAndRecover fetches in a child that is killed, and then here.
func (r *toyRun) crashAndRecover() {
	r.t.Helper()
	child := exec.CommandContext(r.t.Context(), os.Args[0], "-test.run=^TestToyChild$")
	child.Env = append(os.Environ(), "MAILHAUL_TEST_TOY="+r.dir)
	if out, err := child.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
		r.t.Fatalf("%v\n%s", err, out)
	}
	visible := func() (n int) {
		files, _ := filepath.Glob(filepath.Join(r.dir, "toys", "uid-?"))
		return len(files)
	}
	if visible() != 0 {
		r.t.Fatal("the child was not killed before its messages became visible")
	}
	if sum := r.fetch(); sum.Err != nil || sum.Fetched+visible() == 0 || visible() != 3 {
		r.t.Errorf("%d files, %+v", visible(), sum)
	}
	_, fa, p := r.account()
	rep, err := p.Verify(context.Background(), fa, func(c proof.Check) { r.t.Errorf("%+v", c) })
	if err != nil || !rep.OK() || rep.Counts[proof.Intact] != 3 {
		r.t.Errorf("%v %+v", err, rep)
	}
}

// documented: the key lists of the manual and the schema have the toy.
func (r *toyRun) documented() {
	r.t.Helper()
	if !slices.ContainsFunc(config.Keys(r.options()), func(k config.Key) bool { return k.Path == "accounts.NAME.deliver[].toy.dir" }) {
		r.t.Error("the manual would not have its key")
	}
	if schema, err := config.Schema(r.options()); err != nil || !strings.Contains(string(schema), `"toy"`) {
		r.t.Errorf("%v: no toy in the schema", err)
	}
	if !strings.Contains(r.table.Forms(), "toy:DIR") {
		r.t.Error("the help text would not have its form")
	}
}

// imported: what import writes may name the toy.
func (r *toyRun) imported() {
	r.t.Helper()
	rc := filepath.Join(r.dir, "mpoprc")
	if err := os.WriteFile(rc, []byte("account a\nhost pop.example.org\nuser alice\ndelivery maildir ~/x\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	res, err := rcfile.Read(mpop.Format(), rc, rcfile.Options{Home: r.dir, User: "alice", Targets: r.table.Kinds()})
	if err != nil {
		r.t.Fatal(err)
	}
	res.Accounts[0].Targets = []config.Map{config.Pair("toy", "~/toys")}
	if _, err := config.Parse(filepath.Join(r.dir, "imported.yaml"), res.YAML(), r.options()); err != nil {
		r.t.Errorf("%v\n%s", err, res.YAML())
	}
}
