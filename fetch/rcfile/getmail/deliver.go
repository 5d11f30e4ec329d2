package getmail

import (
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// destination adds the target that a section describes. depth bounds sections
// that name others.
func (g *rcFile) destination(name string, depth int) {
	s := g.section(name)
	kind := s.Get("type")
	if kind.Name == "" || depth > 5 || len(g.Targets) > 100 {
		g.Lose(g.Start.As("["+name+"]"), "is missing, has no type, or goes too deep")
		return
	}
	switch kind.Value {
	case "Maildir":
		g.DeliverPath(kind, "maildir", s.Get("path").Value)
	case "Mboxrd":
		g.DeliverPath(kind, "mbox", s.Get("path").Value)
	case "MDA_external":
		if args, ok := g.tuple(s.Get("arguments")); ok {
			g.mda(kind, append([]string{s.Get("path").Value}, args...))
			if pyBool(s.Get("unixfrom").Value) {
				g.Unsure = "getmail wrote a From line before each message (unixfrom); mailhaul does not"
			}
		}
	case "MDA_lmtp":
		g.lmtp(kind, s)
	case "MultiDestination":
		list := s.Get("destinations")
		if names, ok := g.tuple(list); ok {
			g.Carry(list, "deliver")
			for _, name := range names {
				g.target(list, name, depth)
			}
		}
	case "MultiSorter", "MultiGuesser", "MultiSorterBase":
		g.Lose(kind, "mailhaul does not sort mail by recipient: let the target do it; only its default is here")
		g.Unsure = "getmail sorts this mail by recipient"
		g.target(s.Get("default"), s.Get("default").Value, depth)
	default:
		g.Lose(kind, "has no counterpart")
	}
	rows := rcfile.Table(destinationOptions)
	for _, o := range s.Options {
		if !g.Noted(o) {
			rows[o.Name].Apply(g.Account, o)
		}
	}
}

// tuple reads a tuple of strings, without which there is no target.
func (g *rcFile) tuple(o rcfile.Option) ([]string, bool) {
	words, ok := parseTuple(o.Value)
	if !ok {
		g.Lose(o, "is not a tuple of strings")
	}
	return words, ok
}

// target handles an element of destinations: a section in brackets, a path,
// or a command behind a bar.
func (g *rcFile) target(o rcfile.Option, s string, depth int) {
	switch {
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		g.destination(s[1:len(s)-1], depth+1)
	case strings.HasPrefix(s, "|"):
		g.mda(o, strings.Fields(s[1:]))
	case s == "" || !strings.ContainsAny(s[:1], "./~$"):
		g.Lose(o, fmt.Sprintf("%q is not a section, path or command", s))
	case strings.HasSuffix(s, "/"):
		g.DeliverPath(o, "maildir", s)
	default:
		g.DeliverPath(o, "mbox", s)
	}
}

// mda makes a pipe. The addresses that getmail puts into arguments are in the
// environment here; a script for sh -c expands them itself.
func (g *rcFile) mda(o rcfile.Option, argv []string) {
	argv = g.words(argv)
	plain, line := "exec", "exec"
	for i, arg := range argv {
		quoted := addresses(rcfile.ShellQuote(arg))
		if i == 2 && argv[1] == "-c" && strings.HasSuffix(argv[0], "sh") {
			quoted = rcfile.ShellQuote(addresses(arg))
		}
		plain, line = plain+" "+rcfile.ShellQuote(arg), line+" "+quoted
	}
	switch {
	case strings.Contains(line, "%("):
		g.Lose(o, "uses %(local), %(domain) or %(mailbox): the whole addresses are in $SENDER and $RECIPIENT")
		return
	case line != plain:
		argv = []string{"sh", "-c", line}
	}
	g.DeliverCommand(o, argv)
}

func addresses(line string) string {
	return rcfile.FromEnvironment(rcfile.FromEnvironment(line, "%(sender)", "SENDER"), "%(recipient)", "RECIPIENT")
}

func (g *rcFile) lmtp(o rcfile.Option, s *rcfile.Section) {
	r := rcfile.Relay{Kind: "lmtp", Host: s.Get("host").Value, Port: s.Get("port").Value}
	if r.Port == "" || r.Port == "0" {
		r.Port = "2003"
	}
	to := s.Get("override")
	if to.Value == "" {
		to = s.Get("fallback")
	}
	switch {
	case g.Has("to"): // from each message
	case rcfile.GoodAddress(to.Value):
		r.To = to.Value
		g.Carry(to, "deliver")
	default:
		if r.To = g.options.User; !rcfile.GoodAddress(r.To) {
			r.To = "postmaster"
		}
		g.Unsure = "getmail takes the recipient from the message: look at deliver, lmtp, to"
	}
	g.DeliverRelay(o, r, "there")
}
