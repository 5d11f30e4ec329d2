package command

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
)

// permute moves global options before the command and a command's options
// before its arguments, wherever a person put them: the library's parser stops
// at the first argument.
func permute(app *cli.App, args []string) ([]string, error) {
	p := permuter{flags: app.Flags, list: app.Commands}
	for rest := args[1:]; len(rest) > 0; {
		n, err := p.take(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	if p.help && p.cmd != nil && len(p.list) == 0 {
		p.args = nil // the library would take the first for a topic
	}
	out := slices.Concat(args[:1], p.global, p.path)
	out = append(out, p.local...)
	if len(p.args) > 0 && strings.HasPrefix(p.args[0], "-") {
		out = append(out, "--")
	}
	return slices.Concat(out, p.args), nil
}

// permuter sorts the words of a command line.
type permuter struct {
	flags  []cli.Flag     // the global ones
	list   []*cli.Command // the commands that the next word may name
	cmd    *cli.Command   // the command so far
	global []string
	path   []string
	local  []string
	args   []string
	help   bool
}

// take sorts the first word with its value and returns how many words that
// were.
func (p *permuter) take(words []string) (int, error) {
	w := words[0]
	switch {
	case w == "--":
		p.args = append(p.args, words[1:]...)
		return len(words), nil
	case !strings.HasPrefix(w, "-") || w == "-":
		p.word(w)
		return 1, nil
	}
	name, _, hasValue := strings.Cut(strings.TrimLeft(w, "-"), "=")
	n := 1
	if p.cmd != nil {
		if f := find(p.cmd.Flags, name); f != nil {
			return p.option(&p.local, f, words, hasValue)
		}
	}
	if f := find(p.flags, name); f != nil {
		return p.option(&p.global, f, words, hasValue)
	}
	if isRepeatedShort(p.flags, w) {
		p.global = append(p.global, w)
		return n, nil
	}
	p.help = p.help || name == "help" || name == "h"
	p.local = append(p.local, w) // unknown, or help: the library says so
	return n, nil
}

// option takes a flag and, if it needs one, its value.
func (p *permuter) option(to *[]string, f cli.Flag, words []string, hasValue bool) (int, error) {
	df, ok := f.(cli.DocGenerationFlag)
	if hasValue || !ok || !df.TakesValue() {
		*to = append(*to, words[0])
		return 1, nil
	}
	if len(words) < 2 {
		return 0, exit.Usagef("%s needs a value", words[0])
	}
	*to = append(*to, words[0], words[1])
	return 2, nil
}

// word takes a command's name or an argument.
func (p *permuter) word(w string) {
	if len(p.args) == 0 && len(p.list) > 0 {
		for _, c := range p.list {
			if c.HasName(w) {
				p.cmd, p.list, p.path = c, c.Subcommands, append(p.path, w)
				return
			}
		}
	}
	p.args = append(p.args, w)
}

func find(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// isRepeatedShort reports whether w is short switches run together, as -vv.
func isRepeatedShort(flags []cli.Flag, w string) bool {
	if strings.HasPrefix(w, "--") {
		return false
	}
	for _, r := range w[1:] {
		f := find(flags, string(r))
		if df, ok := f.(cli.DocGenerationFlag); f == nil || !ok || df.TakesValue() {
			return false
		}
	}
	return true
}
