package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// completeWord is the first argument by which the completion scripts ask what may
// stand at the cursor: mailhaul __complete WORD... CURRENT. Each line of the answer
// is a word, a tab and a description; or ":files PREFIX" or ":dirs PREFIX" for the
// names of files or directories behind PREFIX, a beginning of CURRENT. The script
// leaves out what does not fit CURRENT.
const completeWord = "__complete"

// completer answers one question of a completion script.
type completer struct {
	permuter
	out io.Writer
}

// completeLine answers for the words before the current one, and that.
func completeLine(app *cli.App, words []string) {
	c := &completer{permuter{flags: app.Flags, list: app.Commands}, app.Writer}
	words, cur := words[:len(words)-1], words[len(words)-1]
	for rest := words; len(rest) > 0; {
		n, err := c.take(rest)
		if err != nil { // the last word is an option that needs a value
			c.value(c.option(rest[0]), "", cur)
			return
		}
		rest = rest[n:]
	}
	name, value, valued := strings.Cut(cur, "=")
	switch {
	case slices.Contains(words, "--") || !strings.HasPrefix(cur, "-"):
		c.argument()
	case valued:
		c.value(c.option(name), name+"=", value)
	default:
		c.options()
	}
}

// offer prints one word that may stand at the cursor.
func (c *completer) offer(word, description string) {
	fmt.Fprintf(c.out, "%s\t%s\n", word, strings.ReplaceAll(description, "`", ""))
}

// option is the flag that a word names; nil if there is none.
func (c *completer) option(word string) cli.Flag {
	name := strings.TrimLeft(word, "-")
	if c.cmd != nil {
		if f := find(c.cmd.Flags, name); f != nil {
			return f
		}
	}
	return find(c.flags, name)
}

// options offers the options of the command, and the global ones.
func (c *completer) options() {
	var flags []cli.Flag
	if c.cmd != nil {
		flags = c.cmd.Flags
	}
	for _, f := range c.flags {
		if find(flags, f.Names()[0]) == nil {
			flags = append(slices.Clip(flags), f)
		}
	}
	for _, f := range flags {
		c.offer("--"+f.Names()[0], f.(cli.DocGenerationFlag).GetUsage())
	}
	c.offer("--help", "show help")
}

// optionWords are the values of the options that take one of a few.
var optionWords = map[string][]string{
	"log-format": {"text", "json"},
	"exit-style": {"mailhaul", "fetchmail"},
	"tls":        {"implicit", "stls", "none"},
	"from":       {"pop3s://", "pop3://", "pop3+plain://"},
}

// value offers the values of an option. What stands between before and the cursor
// is cur.
func (c *completer) value(f cli.Flag, before, cur string) {
	if f == nil {
		return
	}
	name, usage := f.Names()[0], f.(cli.DocGenerationFlag).GetUsage()
	for _, word := range optionWords[name] {
		c.offer(before+word, "")
	}
	switch {
	case name == "to":
		c.target(before, cur)
	case strings.Contains(usage, "`FILE`"):
		fmt.Fprintln(c.out, ":files", before)
	case strings.Contains(usage, "`DIR`"):
		fmt.Fprintln(c.out, ":dirs", before)
	}
}

// target offers the kinds of targets, or a path behind one.
func (c *completer) target(before, cur string) {
	for _, r := range target.Rows() {
		if r.Form == "" {
			continue
		}
		kind := r.Form[:max(0, strings.IndexFunc(r.Form, unicode.IsUpper))] // maildir:PATH, smtp://HOST
		if !strings.HasSuffix(kind, "//") && strings.HasPrefix(cur, kind) {
			fmt.Fprintln(c.out, ":files", before+kind)
			continue
		}
		doc, _, _ := strings.Cut(r.Doc, ",") // the rest is about YAML
		c.offer(before+kind, doc)
	}
}

// argument offers commands, or what the usage of the command says about the argument.
func (c *completer) argument() {
	if c.cmd == nil || len(c.list) > 0 {
		if len(c.args) > 0 && (c.cmd != nil || c.args[0] != "help") {
			return
		}
		for _, cmd := range c.list {
			c.offer(cmd.Name, cmd.Usage)
		}
		if c.cmd == nil {
			c.offer("help", "show the help of a command")
		}
		return
	}
	spec := strings.Fields(strings.ReplaceAll(c.cmd.ArgsUsage, " | ", "|"))
	n := len(c.args)
	if len(spec) == 0 || n >= len(spec) && !strings.Contains(spec[len(spec)-1], "...") {
		return
	}
	for _, word := range strings.Split(strings.Trim(spec[min(n, len(spec)-1)], "[]."), "|") {
		switch word {
		case "ACCOUNT":
			c.accounts()
		case "LOGIN":
			c.logins()
		case "FILE":
			fmt.Fprintln(c.out, ":files", "")
		default:
			if strings.ToLower(word) == word && word != "-" {
				c.offer(word, "")
			}
		}
	}
}

// accounts offers the accounts of the configuration that are not named yet.
func (c *completer) accounts() {
	conf := c.config()
	for _, a := range conf.Accounts {
		if !slices.Contains(c.args, a.Name) {
			c.offer(a.Name, a.User+" at "+a.Server.Host)
		}
	}
}

// logins offers the logins with a name of their own that are not named yet.
func (c *completer) logins() {
	for _, o := range c.config().Logins {
		if !slices.Contains(c.args, o.Login) {
			c.offer(o.Login, "login with "+o.Provider)
		}
	}
}

// config is the configuration; an empty one if it cannot be read.
func (c *completer) config() *config.Config {
	path := cmp.Or(c.configOption(), os.Getenv("MAILHAUL_CONFIG"), config.DefaultPath())
	if rest, ok := strings.CutPrefix(path, "~/"); ok { // the shell has not expanded it
		home, _ := os.UserHomeDir()
		path = filepath.Join(home, rest)
	}
	conf, err := config.Load(path, configOptions())
	if err != nil {
		return new(config.Config)
	}
	return conf
}

// configOption is the value of --config; empty without it.
func (c *completer) configOption() (path string) {
	for i, word := range c.global {
		name, value, valued := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case name != "config" && name != "c":
		case valued:
			path = value
		case i+1 < len(c.global):
			path = c.global[i+1]
		}
	}
	return path
}
