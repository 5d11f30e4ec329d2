// Package getmail reads getmail's rc files and its oldmail files.
package getmail

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// Format reads getmail's files.
func Format() rcfile.Format {
	return rcfile.Format{Name: "getmail", Expand: expand, Find: find, Read: read, Seen: seen, Busy: busy}
}

// find returns the configuration directory.
func find(o rcfile.Options) (string, error) {
	return rcfile.First(rcfile.Under(o.ConfigHome(), "getmail"), rcfile.Under(o.Home, ".getmail"))
}

// read reads an rc file, or those of a directory: getmailrc alone if it
// is there, else every file that can be one.
func read(r *rcfile.Result, p string) error {
	if st, err := os.Stat(p); err != nil || !st.IsDir() {
		return readFile(r, p)
	}
	entries, err := os.ReadDir(p)
	if err != nil {
		return config.Brief(err)
	}
	var files []string
	for _, e := range entries {
		name := filepath.Join(p, e.Name())
		if st, err := os.Stat(name); err == nil && st.IsDir() || strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "oldmail-") {
			continue
		}
		files = append(files, name)
	}
	if main := filepath.Join(p, "getmailrc"); slices.Contains(files, main) {
		return readMain(r, main, files)
	}
	for _, name := range files {
		if err := readFile(r, name); err != nil {
			r.Note(rcfile.Dropped, rcfile.Option{File: name}, "was skipped, because it is not a getmailrc: "+err.Error())
		}
	}
	return nil
}

// readMain reads getmailrc, and names the files beside it.
func readMain(r *rcfile.Result, main string, files []string) error {
	for _, name := range files {
		if name != main {
			r.Note(rcfile.Dropped, rcfile.Option{File: name}, "was not read, as getmail reads it only if --rcfile names it: "+
				"if it is an rc file in use, import it by its name")
		}
	}
	return readFile(r, main)
}

// rcFile is one rc file during the import.
type rcFile struct {
	*rcfile.Account
	options  rcfile.Options
	sections []*rcfile.Section
	ssl      bool // the retriever's type says so
}

// retrievers are the types of retriever.
const retrievers = "SimplePOP3Retriever BrokenUIDLPOP3Retriever SimplePOP3SSLRetriever BrokenUIDLPOP3SSLRetriever " +
	"MultidropPOP3Retriever MultidropPOP3SSLRetriever"

func (g *rcFile) section(name string) *rcfile.Section {
	for _, s := range g.sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func readFile(r *rcfile.Result, file string) error {
	text, err := r.ReadConfig(file)
	if err != nil {
		return err
	}
	sections, err := rcfile.ParseINI(file, text)
	if err != nil {
		return err
	}
	g := &rcFile{options: r.Options, sections: sections}
	ret := g.section("retriever")
	kind := ret.Get("type")
	switch {
	case kind.Name == "":
		r.Note(rcfile.Dropped, rcfile.Option{File: file}, "has no [retriever] with a type")
		return nil
	case !slices.Contains(strings.Fields(retrievers), kind.Value):
		r.Note(rcfile.Dropped, kind, "mailhaul fetches by plain POP3 only")
		return nil
	}
	g.ssl = strings.Contains(kind.Value, "SSL")
	label := strings.TrimSuffix(filepath.Base(file), "rc")
	if label == "getmail" || label == "" || label == "getmail.conf" {
		label = ret.Get("server").Value
	}
	g.Account = r.Add(label, file, ret.Line)
	g.retriever(ret, strings.HasPrefix(kind.Value, "Multidrop"))
	g.general(g.section("options"))
	g.destination("destination", 0)
	for _, s := range sections {
		if strings.HasPrefix(s.Name, "filter") {
			g.Drop(rcfile.Option{File: file, Line: s.Line, Text: "[" + s.Name + "]"}, "mailhaul does not filter messages: let the target do it")
			g.Unsure = "its mail went through a filter ([" + s.Name + "])"
		}
	}
	g.rest()
	return nil
}

// rest is for the options that no note is about yet.
func (g *rcFile) rest() {
	for _, s := range g.sections {
		for _, o := range s.Options {
			switch {
			case g.Noted(o):
			case strings.HasPrefix(s.Name, "filter"):
				g.Drop(o, "belongs to a filter")
			default:
				g.Rest(o)
			}
		}
	}
}

// expand does what Python's expanduser and expandvars do: ~USER/ in front, and
// $NAME and ${NAME} if they are set; ~/ stays, as the YAML knows it.
func expand(o rcfile.Options, s string) string {
	if user, _, _ := strings.Cut(strings.TrimPrefix(s, "~"), "/"); strings.HasPrefix(s, "~") && user != "" && o.HomeOf != nil {
		if home := o.HomeOf(user); home != "" {
			s = strings.TrimSuffix(home, "/") + strings.TrimPrefix(s, "~"+user)
		}
	}
	return variable.ReplaceAllStringFunc(s, func(name string) string {
		word := strings.Trim(name, "${}")
		if word == "HOME" {
			return o.Home
		}
		if v, ok := o.Lookup(word); ok {
			return v
		}
		return name
	})
}

var variable = regexp.MustCompile(`\$(\w+|\{[^}]*\})`)

// words expands each word of a command.
func (g *rcFile) words(argv []string) []string {
	out := make([]string, len(argv))
	for i, s := range argv {
		out[i] = g.options.Tilde(expand(g.options, s))
	}
	return out
}

func pyBool(s string) bool {
	return slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(s))
}
