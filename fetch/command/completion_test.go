package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestCompletion presses the tab key in each shell: commands, options and
// account names are completed, also names at which shells break words.
func TestCompletion(t *testing.T) {
	for _, shell := range []struct{ name, start, load string }{
		{"bash", "bash --norc --noprofile", "source <(mailhaul completion bash)"},
		{"zsh", "zsh -f", "autoload -U compinit; compinit -u -D; source <(mailhaul completion zsh)"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			pop3test.Require(t, shell.name)
			term := newTerminal(t, 100, 30)
			twoAccounts(t, term.home)
			term.enter("exec env PS1='> ' " + shell.start)
			term.enter(shell.load)
			term.enter("echo rea''dy")
			term.until(func(s string) bool { return strings.Contains(s, "\nready\n") }, "ready")
			for typed, want := range completions {
				typed, want := strings.TrimPrefix(typed, "mailhaul"), strings.TrimPrefix(want, "mailhaul")
				term.command("send-keys", "C-e", "C-u", "C-l")
				term.until(func(s string) bool { return s == ">" }, "an empty line")
				term.command("send-keys", "-l", "mailhaul"+typed) // a shell may redraw its first letters
				term.until(func(s string) bool { return strings.HasSuffix(s, typed) }, typed)
				term.command("send-keys", "Tab")
				term.until(func(s string) bool { return strings.Contains(s[strings.LastIndex(s, "\n")+1:], want) }, want)
			}
		})
	}
}

// completions are what is on the line before and after the tab key.
var completions = map[string]string{
	"mailhaul fetch wo":         "mailhaul fetch work",
	"mailhaul fetch al":         "mailhaul fetch alice@example.org",
	"mailhaul fetch alice@ex":   "mailhaul fetch alice@example.org",
	"mailhaul plan work al":     "mailhaul plan work alice@example.org",
	"mailhaul pur":              "mailhaul purge",
	"mailhaul check --conn":     "mailhaul check --connect",
	"mailhaul state forget wor": "mailhaul state forget work",
}

func twoAccounts(t *testing.T, home string) {
	t.Helper()
	dir := filepath.Join(home, ".config", "mailhaul")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	const account = ": {server: pop.example.org, user: a, password: {env: HOME}, deliver: [{maildir: m}], id: "
	conf := "accounts:\n  work" + account + "a}\n  alice@example.org" + account + "b}\n"
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCompletionFish asks fish what it would complete: its suggestions make
// its screen hard to read.
func TestCompletionFish(t *testing.T) {
	pop3test.Require(t, "fish")
	term := newTerminal(t, 100, 40)
	twoAccounts(t, term.home)
	for typed, want := range completions {
		term.clear()
		term.enter("fish --no-config -c 'mailhaul completion fish | source; complete -C \"" + typed + "\"'; echo do''ne")
		words := strings.Fields(want)
		screen := term.until(func(s string) bool { return strings.Contains(s, "\ndone\n") }, "done")
		if !strings.Contains(screen, "\n"+words[len(words)-1]) {
			t.Errorf("%s: %s is not completed:\n%s", typed, want, screen)
		}
	}
}
