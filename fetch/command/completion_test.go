package command

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// completions are what is on the line before and after the tab key.
var completions = [][2]string{
	{"fetch wo", "fetch work "},
	{"fetch al", "fetch alice@example.org "},
	{"fetch alice@ex", "fetch alice@example.org "},
	{"plan work al", "plan work alice@example.org "},
	{"pur", "purge "},
	{"check --conn", "check --connect "},
	{"state forget wor", "state forget work "},
	{"-c ~/oth", "-c ~/other.yaml "},
	{"-c ~/other.yaml fetch o", "-c ~/other.yaml fetch only "},
	{"--config=oth", "--config=other.yaml "},
	{"--state Ma", "--state Mail/"},
	{"fetch --exit-style f", "fetch --exit-style fetchmail "},
	{"--log-format=j", "--log-format=json "},
	{"fetch --to mai", "fetch --to maildir:"},
	{"fetch --to maildir:Ma", "fetch --to maildir:Mail/"},
	{"fetch --to=mbox:oth", "fetch --to=mbox:other.yaml "},
	{"import getma", "import getmail "},
	{"import fetchmail oth", "import fetchmail other.yaml "},
	{"help pur", "help purge "},
	// Nothing is wanted here that begins so: no file names.
	{"fetch oth", "fetch oth"},
	{"fetch --limit oth", "fetch --limit oth"},
	{"purge work oth", "purge work oth"},
	{"check --connect Ma", "check --connect Ma"},
}

// TestCompletion presses the tab key in each shell, once: commands, options with
// their values and account names are completed, also those at which shells break words.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []struct{ name, start, load string }{
		{"bash", "bash --norc --noprofile", "source <(mailhaul completion bash)"},
		{"zsh", "zsh -f", "autoload -U compinit; compinit -u -D; source <(mailhaul completion zsh)"},
		{"zsh, installed", "zsh -f", "mkdir f; mailhaul completion zsh >f/_mailhaul; fpath=(~/f $fpath); autoload -U compinit; " +
			"compinit -u -D"},
		{"fish", "fish --no-config", "function fish_prompt; echo '> '; end; set fish_autosuggestion_enabled 0; mailhaul " +
			"completion fish | source"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(shell.name, ",")
			pop3test.Require(t, name)
			term := newTerminal(t, 100, 30)
			twoAccounts(t, term.home)
			term.enter("exec env PS1='> ' " + shell.start)
			term.enter(shell.load)
			term.enter("echo rea''dy")
			term.until(func(s string) bool { return strings.Contains(s, "\nready\n") }, "ready")
			for _, c := range completions {
				term.command("send-keys", "C-e", "C-u", "C-l")
				term.until(func(s string) bool { return strings.TrimSpace(s) == ">" }, "an empty line")
				term.command("send-keys", "-l", "mailhaul "+c[0])
				term.until(func(s string) bool { return strings.HasSuffix(s, c[0]) }, c[0])
				term.command("send-keys", "Tab", "X") // X shows where the cursor is
				want := "> mailhaul " + c[1] + "X"
				term.until(func(s string) bool {
					return regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `\s*$`).MatchString(s)
				}, want)
			}
		})
	}
}

// TestCompletionLists: the list of what is possible has descriptions in zsh and
// fish, and no file names.
func TestCompletionLists(t *testing.T) {
	t.Parallel()
	for _, shell := range []struct{ name, start, load string }{
		{"zsh", "zsh -f", "autoload -U compinit; compinit -u -D; source <(mailhaul completion zsh)"},
		{"fish", "fish --no-config", "mailhaul completion fish | source"},
	} {
		for typed, want := range map[string][]string{
			"mailhaul fetch ":        {"work", "a at pop.example.org", "alice@example.org"},
			"mailhaul log":           {"authorise an account with OAuth2", "logout"},
			"mailhaul check --":      {"--connect", "also connect to each server", "--config", "read the accounts from FILE"},
			"mailhaul --log-format=": {"json", "text"},
			"mailhaul state ":        {"forget", "forget entries, so that"},
			"mailhaul fetch --to ":   {"maildir:", "path of a Maildir", "smtp://"},
			"mailhaul import thunde": {"import thunderbird"},
			"mailhaul help ":         {"purge", "completion"},
			"mailhaul init --tls ":   {"implicit", "stls", "none"},
		} {
			t.Run(shell.name+" "+typed, func(t *testing.T) {
				t.Parallel()
				pop3test.Require(t, shell.name)
				term := newTerminal(t, 120, 40)
				twoAccounts(t, term.home)
				term.enter("exec " + shell.start)
				term.enter(shell.load)
				term.enter("echo rea''dy")
				term.until(func(s string) bool { return strings.Contains(s, "\nready\n") }, "ready")
				term.command("send-keys", "-l", typed)
				term.command("send-keys", "Tab")
				screen := term.until(func(s string) bool {
					_, list, _ := strings.Cut(s, "\nready\n")
					return !slices.ContainsFunc(want, func(text string) bool { return !strings.Contains(list, text) })
				}, strings.Join(want, ", "))
				if strings.Contains(screen, "other.yaml") {
					t.Errorf("file names:\n%s", screen)
				}
				if regexp.MustCompile(`(?m)  --$`).MatchString(screen) {
					t.Errorf("a description without text:\n%s", screen)
				}
			})
		}
	}
}

func twoAccounts(t *testing.T, home string) {
	t.Helper()
	for _, dir := range []string{".config/mailhaul", "Mail/new"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const account = ": {server: pop.example.org, user: a, password: {env: HOME}, deliver: [{maildir: m}], id: "
	for name, conf := range map[string]string{
		".config/mailhaul/config.yaml": "accounts:\n  work" + account + "a}\n  alice@example.org" + account + "b}\n",
		"other.yaml":                   "accounts:\n  only" + account + "c}\n",
	} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryOptionCompletes: an option that takes a file, a directory or one of a few
// words says so to the shell; these words are in its usage.
func TestEveryOptionCompletes(t *testing.T) {
	t.Parallel()
	free := regexp.MustCompile("`(N|N/OF|ADDRESS|NAME|HOST\\[:PORT\\]|COMMAND|ID|URL|DATE|DURATION)`")
	check := func(path string, flags []cli.Flag) {
		for _, f := range flags {
			doc, ok := f.(cli.DocGenerationFlag)
			if !ok || !doc.TakesValue() {
				continue
			}
			var out, log bytes.Buffer
			args := append(append([]string{"mailhaul", completeWord}, strings.Fields(path)...), "--"+f.Names()[0], "")
			if code := Main(t.Context(), args, term.Streams{Out: &out, Err: &log}); code != 0 || log.Len() > 0 {
				t.Errorf("%q: exit %d, %s", args, code, &log)
			}
			if (out.Len() == 0) != (free.MatchString(doc.GetUsage()) && f.Names()[0] != "from") {
				t.Errorf("%s --%s: %s completes to %q", path, f.Names()[0], doc.GetUsage(), &out)
			}
			for line := range strings.Lines(out.String()) {
				if word, _, ok := strings.Cut(line, "\t"); ok && f.Names()[0] != "to" && !strings.Contains(doc.GetUsage(), word) {
					t.Errorf("%s --%s: %q is not in the usage", path, f.Names()[0], word)
				}
			}
		}
	}
	app := newApp(term.Streams{Out: io.Discard, Err: io.Discard})
	check("", app.Flags)
	walkCommands(app.Commands, "", func(path string, c *cli.Command) { check(path, c.Flags) })
}
