package command

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestInitKeepsThePasswordInTheKeyring, and fetch finds it there.
func TestInitKeepsThePasswordInTheKeyring(t *testing.T) {
	keyring.MockInit()
	drop := &pop3test.Maildrop{}
	drop.Add("uid-1", []byte("Subject: x\r\n\r\nbody\r\n"))
	pop := pop3test.NewServer(drop, pop3test.Options{})
	defer pop.Close()
	home := t.TempDir()
	ca, err := pop.CA.WriteRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(pop.Addr())
	code, out := initAt(t, home, "--address", "alice@example.org", "--user", "alice", "--server", "localhost:"+port, "--ca-file", ca,
		"--keyring", "--yes")
	if code != 0 || !strings.Contains(out, "password: {keyring: mailhaul-example}") {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	if got, err := keyring.Get("mailhaul-example", "alice"); got != "secret" || err != nil {
		t.Errorf("the keyring has %q, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "etc", "mailhaul", "*")); len(left) != 1 {
		t.Errorf("written: %q", left)
	}
	t.Setenv("MAILHAUL_PASSWORD", "")
	var b strings.Builder
	if code := Main(t.Context(), []string{"mailhaul", "fetch"}, term.Streams{Out: &b, Err: &b}); code != 0 ||
		!strings.Contains(b.String(), "1 message fetched") {
		t.Errorf("exit %d: %s", code, &b)
	}
}

// TestInitWithoutAKeyring writes nothing.
func TestInitWithoutAKeyring(t *testing.T) {
	keyring.MockInitWithError(keyring.ErrUnsupportedPlatform)
	t.Cleanup(keyring.MockInit)
	home := t.TempDir()
	code, out := initAt(t, home, "--address", "alice@gmail.com", "--keyring", "--yes", "--no-connect")
	if code != 73 || !strings.Contains(out, "no configuration was written") || !strings.Contains(out, "Keep the password in a file") {
		t.Errorf("exit %d: %s", code, out)
	}
	if _, err := os.Stat(filepath.Join(home, "etc")); err == nil {
		t.Error("something is written")
	}
}

// TestInitWritesThisFile: the whole of it, with what its comments say.
func TestInitWritesThisFile(t *testing.T) {
	home := t.TempDir()
	code, out := initAt(t, home, "--address", "alice@gmail.com", "--yes", "--no-connect", "--password-command", "pass mail/gmail")
	if code != 0 {
		t.Fatal(code, out)
	}
	got, err := os.ReadFile(filepath.Join(home, "etc", "mailhaul", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `# The configuration of mailhaul: mailhaul.yaml(5) has every key.
# After a change: mailhaul check

# parallel: 4              # accounts at a time

# defaults:                # any key of an account, for all accounts
#   timeout: 60s

accounts:
  gmail:
    server: pop.gmail.com
    user: alice@gmail.com
    password: {command: [pass, mail/gmail]}
    limit: gmail
    keep: all # delete nothing from the server; with none: delete what was delivered
    deliver:
      - maildir: ~/Mail/gmail
    # keep: {days: 30}       # delete from the server what was fetched 30 days ago
    # max_size: 100MiB       # larger messages stay on the server and are reported
    # every: 15m             # how often, for mailhaul loop; cron needs no line here
`
	if string(got) != want {
		t.Errorf("written:\n%s\nwant\n%s", got, want)
	}
	_, keys, _ := strings.Cut(want, "mailhaul check\n")
	keys = strings.NewReplacer("    keep: all ", "    # ", "# parallel", "parallel", "# defaults", "defaults", "#   timeout", "  timeout",
		"# keep:", "keep:", "# max_size", "max_size", "# every", "every").Replace(keys)
	conf, err := config.Parse("all.yaml", []byte(keys), configOptions())
	if err != nil {
		t.Fatalf("what the comments propose is not valid: %v", err)
	}
	if a := conf.Accounts[0]; a.Policy.Keep.Days != 30 || a.Policy.MaxSize != 100<<20 {
		t.Errorf("%+v", a)
	}
}
