package rcfile_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// manual is a program's own manual, as Debian installs it, and how to try an
// option that it lists.
type manual struct {
	format, file string
	least        int // options that it lists at least: the patterns still fit
	options      func(text string) []string
	// try returns configurations with the option. Each that can be read must
	// have a note about it, and one of them a reason of its own.
	try func(option string) []string
}

func manuals() []manual {
	return []manual{
		{"fetchmail", "/usr/share/man/man1/fetchmail.1.gz", 90, fetchmailManual, tryFetchmail},
		{"mpop", "/usr/share/man/man1/mpop.1.gz", 28, mpopManual, tryMpop},
		{"fdm", "/usr/share/man/man5/fdm.conf.5.gz", 55, fdmManual, tryFdm},
		{"getmail", "/usr/share/doc/getmail6/configuration.txt.gz", 60, getmailManual, tryGetmail},
	}
}

// TestManuals: each option that a program's manual lists is carried over or
// named with a reason of its own.
func TestManuals(t *testing.T) {
	for _, m := range manuals() {
		t.Run(m.format, func(t *testing.T) {
			options := m.options(readManual(t, m.file))
			if len(options) < m.least {
				t.Fatalf("the manual lists %d options, want %d at least: %q", len(options), m.least, options)
			}
			for _, o := range options {
				if err := m.named(t, o); err != nil {
					t.Errorf("%s: %v", o, err)
				}
			}
		})
	}
}

// readManual returns a manual's text with troff's signs for characters
// replaced.
func readManual(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\-`, "-", `\&`, "", `\fB`, "", `\fI`, "", `\fP`, "").Replace(string(text))
}

// named reads the configurations with one option and looks for its note.
func (m manual) named(t *testing.T, option string) error {
	t.Helper()
	var said []string
	own := false
	for _, conf := range m.try(option) {
		home := t.TempDir()
		file := filepath.Join(home, "conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := read(m.format, file, options(home))
		if err != nil {
			said = append(said, err.Error())
			continue
		}
		notes := notesOn(r, option[strings.LastIndexByte(option, ' ')+1:])
		if len(notes) == 0 {
			return fmt.Errorf("no note about it in\n%s\n%s", conf, r.YAML())
		}
		for _, n := range notes {
			own = own || !slices.Contains([]string{"is an unknown option", "has no effect here", "has no counterpart"}, n.Why)
			said = append(said, n.String())
		}
	}
	if !own {
		return fmt.Errorf("no note with a reason of its own; said is %q\n%s", said, m.try(option)[0])
	}
	return nil
}

// notesOn returns the notes about an option.
func notesOn(r *rcfile.Result, word string) []rcfile.Note {
	notes := slices.Clone(r.Notes)
	for _, a := range r.Accounts {
		notes = append(notes, a.Notes...)
	}
	return slices.DeleteFunc(notes, func(n rcfile.Note) bool {
		said := n.Option + " " + n.Why
		return !hasWord(said, word) && !hasWord(said, fetchmailAliases(word)) && word != "no"+strings.TrimPrefix(n.Option, "no ")
	})
}

func hasWord(s, word string) bool {
	return regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(word) + `($|[^\w-])`).MatchString(s)
}

// matches returns the first group of each match, once.
func matches(text, pattern string) []string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// between returns the text from one line to another.
func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}

// fetchmailManual reads the tables of keywords and "(Keyword: ...)" of the
// command's options: WORD[REST], no WORD, set WORD.
func fetchmailManual(text string) []string {
	var out []string
	const word = `((?:set )? *(?:no )?[a-z][a-z0-9-]*(?:\[[a-z]+\])?)`
	tables := matches(between(text, ".TS\n", "\n.SH "), `(?m)^`+word+` *\t.*T\{$`)
	for _, o := range append(tables, matches(text, `\([Kk]eyword: `+word)...) {
		o = strings.Join(strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(o)), " ")
		if !slices.Contains(out, o) && !slices.Contains(out, "set "+o) {
			out = append(out, o)
		}
	}
	return out
}

func tryFetchmail(option string) []string {
	if set, ok := strings.CutPrefix(option, "set "); ok {
		if slices.Contains([]string{"daemon", "postmaster", "logfile", "pidfile", "idfile", "properties"}, set) {
			option += " 5"
		}
		return []string{option + "\npoll h.example proto pop3 user u pass p\n"}
	}
	var out []string
	for _, value := range []string{"", " 5", " pop3", " ntlm", " accept", " X-Envelope-To"} {
		for _, names := range []string{"", " is * here"} {
			out = append(out, "poll h.example "+option+value+" user u pass p"+names+"\n",
				"poll h.example proto pop3 user u "+option+value+names+"\n")
		}
	}
	return out
}

// fetchmailAliases is how notes spell a keyword that has several names.
func fetchmailAliases(word string) string {
	for _, names := range []string{"poll server", "localdomains local", "protocol proto", "port service",
		"auth authenticate preauth preauthenticate",
		"user username", "password pass", "folder folders", "smtphost smtp", "preconnect pre", "postconnect post"} {
		if list := strings.Fields(names); slices.Contains(list, word) {
			return list[0]
		}
	}
	return word
}

// mpopManual reads the commands of a configuration file.
func mpopManual(text string) []string {
	return matches(between(text, `.IP "account`, ".SH FILTERING"), `(?m)^\.IP "([a-z_]+)`)
}

func tryMpop(option string) []string {
	var out []string
	for _, value := range []string{"on", "off", "5", "maildir ~/x"} {
		out = append(out, "account a\nhost h.example\nuser u\ntls on\n"+option+" "+value+"\n")
	}
	return out
}

// fdmManual reads global options, those of POP3 accounts, actions and rules.
func fdmManual(text string) []string {
	var out []string
	for _, o := range matches(between(text, ".Sh OPTIONS", ".Sh INCLUDING"), `(?m)^\.It (?:Xo )?Ic ([a-z-]+)`) {
		out = append(out, "set "+o)
	}
	for _, part := range []struct{ kind, from, to, not string }{
		{"account", ".It Xo Ic account", ".It Xo Ic imap ", "account set default-user drop stdin pop3 pop3s imap"},
		{"action", ".Sh ACTIONS", ".Sh RULES", "tagged string value server port from to key"},
		{"match", ".Sh RULES", ".Sh NESTED", "match"},
	} {
		for _, o := range fdmWords(between(text, part.from, part.to)) {
			if !slices.Contains(strings.Fields(part.not), o) {
				out = append(out, part.kind+" "+o)
			}
		}
	}
	return append(out, "action lmtp")
}

// fdmWords returns the keywords on the lines that describe syntax or speak of
// one.
func fdmWords(text string) []string {
	var out []string
	for _, line := range regexp.MustCompile(`(?m)^\.(?:It|Op|Ic|Xo).*`).FindAllString(text, -1) {
		for _, word := range matches(line, `(?:^\.|\b)Ic ([a-z0-9-]+)`) {
			if !slices.Contains(out, word) {
				out = append(out, word)
			}
		}
	}
	return out
}

func tryFdm(option string) []string {
	kind, word, _ := strings.Cut(option, " ")
	set, before, account, action, rule := "", "", `server "h.example"`, `maildir "/x"`, ""
	switch kind {
	case "set":
		set = "set " + word + " 5\n"
	case "account":
		switch {
		case slices.Contains([]string{"users", "disabled"}, word):
			before = word
		case word == "pipe":
			account = `pipe "5"`
		case slices.Contains([]string{"user", "pass", "port", "cache", "server"}, word):
			account += " " + word + ` "5"`
		default:
			account += " " + word
		}
	case "action":
		action = word + ` "5"`
	case "match":
		rule = "match " + word + ` "5" action "in"` + "\n"
	}
	conf := set + `action "in" ` + action + "\n" + `account "a" ` + before + ` pop3 ` + account + "\n" + rule +
		`match all action "in"` + "\n"
	return []string{conf}
}

// getmailManual reads all options, whatever section they are for.
func getmailManual(text string) []string {
	var out []string
	for _, list := range matches(text, `(?m)^ +\* ([a-z][a-z_-]+(?:, [a-z_]+)*) \([a-z0-9]`) {
		out = append(out, strings.Split(list, ", ")...)
	}
	return out
}

func tryGetmail(option string) []string {
	var out []string
	for _, value := range []string{"true", "5", `("a", "b")`} {
		for in := range 4 {
			sections := [4]map[string]string{
				{"type": "SimplePOP3SSLRetriever", "server": "h.example", "username": "u"},
				{"type": "MDA_external", "path": "/bin/true"},
				{"read_all": "false"},
				{"type": "Filter_external"},
			}
			sections[in][option] = value
			conf := ""
			for i, name := range []string{"retriever", "destination", "options", "filter-1"} {
				conf += "[" + name + "]\n"
				for k, v := range sections[i] {
					conf += k + " = " + v + "\n"
				}
			}
			out = append(out, conf)
		}
	}
	return out
}
