package command

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/term"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// TestManualIsCurrent compares the option lists of mailhaul(1) with the flags
// and the key lists of mailhaul.yaml(5) with the key table; `make manual`
// rewrites them. The head, the first sentence and the default of each item come
// from the program. What stands between the first sentence and the default is
// written by hand in the page.
func TestManualIsCurrent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]map[string][]manEntry{"mailhaul.1": optionLists(), "mailhaul.yaml.5": keyLists()} {
		path := filepath.Join(treeRoot, "docs", name)
		have := readText(t, path)
		page := renewPage(t, have, want)
		if os.Getenv("MAILHAUL_UPDATE") != "" {
			if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if page != have {
			t.Errorf("docs/%s is not current: run make manual", name)
		}
	}
}

// manEntry is an item of a list: the name that finds it, the arguments of .It,
// one sentence without its full stop, and the default in words.
type manEntry struct{ name, head, doc, def string }

// optionLists are the options by section of mailhaul(1), with an empty list for
// a command that has none.
func optionLists() map[string][]manEntry {
	app, lists := newApp(term.Streams{Out: io.Discard, Err: io.Discard}), make(map[string][]manEntry)
	walkCommands(app.Commands, "", func(path string, c *cli.Command) {
		lists["COMMANDS/"+path] = optionEntries(c.Flags)
	})
	app.Setup() // adds --help
	lists["DESCRIPTION/Global options"] = optionEntries(app.Flags)
	return lists
}

func optionEntries(flags []cli.Flag) (list []manEntry) {
	for _, f := range flags {
		if !f.(cli.VisibleFlag).IsVisible() {
			continue
		}
		value, e := "", manEntry{doc: f.(cli.DocGenerationFlag).GetUsage()}
		if f.(cli.DocGenerationFlag).TakesValue() {
			value = " Ar " + strings.ToLower(inQuotes.FindStringSubmatch(e.doc)[1])
		}
		names := optionNames([]cli.Flag{f})
		slices.Reverse(names) // the short name first
		e.name, e.head = names[len(names)-1], "Fl "+strings.Join(names, value+" , Fl ")+value
		if s, ok := f.(*cli.StringFlag); ok {
			e.def = s.Value
		}
		list = append(list, e)
	}
	return list
}

// keyLists are the keys by section of mailhaul.yaml(5).
func keyLists() map[string][]manEntry {
	lists, secrets, seen := make(map[string][]manEntry), make(map[string]bool), make(map[string]bool)
	for _, k := range config.Keys(configOptions()) {
		if strings.Contains(k.Type, "credential, keyring, netrc") {
			secrets[k.Path] = true
		}
		section, name := manualKey(k.Path, secrets)
		if !seen[section+name] {
			lists[section] = append(lists[section], manEntry{name: name, head: "Cm " + name, doc: k.Doc, def: k.Default})
		}
		seen[section+name] = true
	}
	return lists
}

// manualKey is where the manual has a key: its section, and its name there.
// Secrets are described once.
func manualKey(path string, secrets map[string]bool) (section, name string) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 && secrets[path[:i]] {
		return "SECRETS", path[i+1:]
	}
	if name, ok := strings.CutPrefix(path, "accounts.NAME.deliver[]."); ok {
		return "TARGETS", name
	}
	if name, ok := strings.CutPrefix(path, "accounts.NAME."); ok {
		return "ACCOUNT KEYS", name
	}
	return "TOP-LEVEL KEYS", path
}

// renewPage rewrites the lists of a page, and reports sections that are missing
// and commands that do not exist.
func renewPage(t *testing.T, page string, want map[string][]manEntry) string {
	var out, chunk []string
	id, found := "", make(map[string]bool)
	flush := func() {
		out = append(out, renewSection(t, chunk, want[id])...)
		found[id], chunk = true, nil
	}
	section := ""
	for _, line := range strings.SplitAfter(page, "\n") {
		macro, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case macro == ".Sh":
			flush()
			section, id = arg, arg
		case macro == ".Ss" && want[section] == nil:
			flush()
			id = section + "/" + arg
			if _, ok := want[id]; section == "COMMANDS" && !ok {
				t.Errorf("the manual has a command %s, the program has not", arg)
			}
		}
		chunk = append(chunk, line)
	}
	flush()
	for id := range want {
		if !found[id] {
			t.Errorf("the manual has no section %s", id)
		}
	}
	return strings.Join(out, "")
}

// renewSection rewrites the lists of a section, which may have several. A new
// entry goes behind the one that precedes it in the program.
func renewSection(t *testing.T, lines []string, want []manEntry) (out []string) {
	lists := manLists(lines)
	if len(want) > 0 && len(lists) == 0 {
		lines = append(lines, ".Bl -tag -width Ds\n", ".El\n")
		lists = manLists(lines)
	}
	texts, home := make(map[string][]string), make(map[string]int)
	for i, l := range lists {
		for name, text := range l.texts {
			texts[name], home[name] = text, i
		}
	}
	bodies, at := make([][]string, len(lists)), 0
	for _, e := range want {
		if i, ok := home[e.name]; ok {
			at = i
		}
		bodies[at] = append(bodies[at], e.render(t, texts[e.name])...)
	}
	from := 0
	for i, l := range lists {
		out = append(append(out, lines[from:l.from]...), bodies[i]...)
		from = l.to
	}
	return append(out, lines[from:]...)
}

// manList is a list of options or keys in lines[from:to], without its .Bl and
// .El, and the hand-written text by name.
type manList struct {
	from, to int
	texts    map[string][]string
}

func manLists(lines []string) (lists []manList) {
	depth, name := 0, ""
	for i, line := range lines {
		switch macro, arg, _ := strings.Cut(strings.TrimSpace(line), " "); {
		case macro == ".Bl":
			if depth++; depth == 1 {
				lists = append(lists, manList{from: i + 1, texts: make(map[string][]string)})
				continue
			}
		case macro == ".El":
			if depth--; depth == 0 {
				lists[len(lists)-1].to = i
			}
		case macro == ".It" && depth == 1:
			words := append(wordsBehind(arg, "Fl"), wordsBehind(arg, "Cm")...)
			if words == nil {
				words = []string{arg} // a list of something else
			}
			name = words[0]
			if len(words) > 1 && len(name) == 1 && arg[:2] == "Fl" {
				name = words[1] // -c, --config
			}
			lists[len(lists)-1].texts[name] = []string{}
			continue
		}
		if depth > 0 {
			l := &lists[len(lists)-1]
			l.texts[name] = append(l.texts[name], line)
		}
	}
	return slices.DeleteFunc(lists, func(l manList) bool {
		return l.to > l.from && !regexp.MustCompile(`^\.It (Fl|Cm) `).MatchString(lines[l.from])
	})
}

// render is the item with text, whose first sentence and default are replaced.
func (e manEntry) render(t *testing.T, text []string) []string {
	if strings.Contains(e.doc, ". ") || strings.HasSuffix(e.doc, ".") || e.doc == "" {
		t.Errorf("%s: %q is not one sentence without a full stop", e.name, e.doc)
	}
	end := slices.IndexFunc(text, func(line string) bool { return strings.HasSuffix(line, ".\n") })
	text = text[end+1:]
	if i := slices.IndexFunc(text, func(line string) bool { return strings.HasPrefix(line, "Default:") }); i >= 0 {
		text = text[:i]
	}
	out := append([]string{".It " + e.head + "\n"}, sentence(e.doc)...)
	out = append(out, text...)
	if e.def != "" {
		out = append(out, "Default: "+e.def+".\n")
	}
	return out
}

// inQuotes is the value of an option in its text, or a literal.
var inQuotes = regexp.MustCompile("`([^`]+)`")

// sentence is a text as lines of mdoc: a word in backquotes that is all upper
// case becomes an argument, another one a literal, and --option an option.
func sentence(doc string) (lines []string) {
	doc = strings.ToUpper(doc[:1]) + doc[1:] + "."
	plain := ""
	flush := func() {
		if plain != "" {
			lines = append(lines, plain+"\n")
		}
		plain = ""
	}
	for _, w := range strings.Fields(doc) {
		m := markedWord.FindStringSubmatch(w)
		if m == nil {
			if len(plain)+len(w) > 78 {
				flush()
			}
			plain = strings.TrimSpace(plain + " " + w)
			continue
		}
		flush()
		macro := ".Cm " + m[2]
		switch {
		case m[1] != "":
			macro = ".Fl " + m[1]
		case m[2] == strings.ToUpper(m[2]):
			macro = ".Ar " + strings.ToLower(m[2])
		}
		lines = append(lines, strings.TrimSpace(macro+" "+m[3])+"\n")
	}
	flush()
	return lines
}

var markedWord = regexp.MustCompile("^(?:-(-[a-z][a-z-]*)|`([^`]+)`)([.,;:]?)$")
