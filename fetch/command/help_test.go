package command

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// TestHelp: the help of each command has an example that the program accepts,
// names all global options and shows no default that says nothing.
func TestHelp(t *testing.T) {
	t.Parallel()
	commands := newApp(term.Streams{Out: io.Discard, Err: io.Discard}).Commands
	if first := commands[0].Name; first != "init" {
		t.Errorf("the first command is %s, not init", first)
	}
	n := 0
	walkCommands(commands, "", func(path string, c *cli.Command) {
		n++
		text := helpOf(t, strings.Fields(path)...)
		_, example, _ := strings.Cut(text, "\nEXAMPLE:\n")
		example, _, _ = strings.Cut(example, "\n\n")
		checkExample(t, path, example)
		for _, name := range namesOf(globalFlags()) {
			_, global, _ := strings.Cut(text, "\nGLOBAL OPTIONS:\n")
			if !strings.Contains(global, "--"+name) {
				t.Errorf("%s: the help does not name --%s", path, name)
			}
		}
	})
	if n < 20 {
		t.Errorf("only %d commands found", n)
	}
	helpOf(t)
}

// helpOf is the help of a command, as a person sees it.
func helpOf(t *testing.T, path ...string) string {
	t.Helper()
	var out, log bytes.Buffer
	args := slices.Concat([]string{"mailhaul"}, path, []string{"--help"})
	if code := Main(t.Context(), args, term.Streams{Out: &out, Err: &log}); code != 0 || log.Len() > 0 {
		t.Errorf("%q: exit %d: %s", args, code, &log)
	}
	if found := regexp.MustCompile(`\(default: (false|true|0|0s|-1)\)`).FindString(out.String()); found != "" {
		t.Errorf("%q shows %s", args, found)
	}
	return out.String()
}

// checkExample: an example is a sentence, and below it a command line with the
// command and options that it has.
func checkExample(t *testing.T, path, example string) {
	t.Helper()
	sentence, line, _ := strings.Cut(strings.TrimSpace(example), ":\n     ")
	words := strings.Fields(regexp.MustCompile(`mailhaul [^>)]*`).FindString(line))
	if sentence == "" || len(words) == 0 {
		t.Errorf("%s: the help has no example: %q", path, example)
		return
	}
	app := newApp(term.Streams{Out: io.Discard, Err: io.Discard})
	p := permuter{flags: app.Flags, list: app.Commands}
	for rest := words[1:]; len(rest) > 0; {
		n, err := p.take(rest)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		rest = rest[n:]
	}
	if got := strings.Join(p.path, " "); !strings.HasPrefix(got+" ", path+" ") {
		t.Errorf("%s: the example is one of %q", path, got)
	}
	for _, w := range p.local {
		if name, ok := strings.CutPrefix(w, "--"); ok && find(p.cmd.Flags, name) == nil {
			t.Errorf("%s: the example has --%s, which does not exist", path, name)
		}
	}
}
