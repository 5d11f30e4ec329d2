package getmail

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// destination adds the target that a section describes. depth bounds sections
// that name others.
func (g *rcFile) destination(name string, depth int) {
	a := g.a
	s := g.section(name)
	g.used[name] = true
	kind, ok := s.Get("type")
	if !ok || depth > 5 || len(a.Targets) > 100 {
		a.Lose(rcfile.Option{File: g.file, Line: a.Line, Text: "[" + name + "]"}, "is missing, has no type, or goes too deep")
		return
	}
	path, _ := s.Get("path")
	switch kind.Value {
	case "Maildir":
		a.DeliverPath(kind.Option, "maildir", g.expand(path.Value), filepath.Dir(g.file), true)
	case "Mboxrd":
		a.DeliverPath(kind.Option, "mbox", g.expand(path.Value), filepath.Dir(g.file), true)
	case "MDA_external":
		args, _ := s.Get("arguments")
		t, ok := parseTuple(args.Value)
		words, plain := t.strings()
		if !ok || !plain {
			a.Lose(args.Option, "is no tuple of strings")
			return
		}
		g.mda(kind.Option, g.words(append([]string{path.Value}, words...)))
		if from, _ := s.Get("unixfrom"); pyBool(from.Value) {
			a.Unsure = "the command got a From line before each message (unixfrom), which it does not get here"
		}
	case "MDA_lmtp":
		g.lmtp(kind.Option, s)
	case "MultiDestination":
		list, _ := s.Get("destinations")
		t, ok := parseTuple(list.Value)
		words, plain := t.strings()
		if !ok || !plain {
			a.Lose(list.Option, "is no tuple of strings")
			return
		}
		a.Carry(list.Option, "deliver")
		for _, w := range words {
			g.target(list.Option, w, depth)
		}
	case "MultiSorter", "MultiGuesser", "MultiSorterBase":
		def, _ := s.Get("default")
		a.Lose(kind.Option, "mailhaul does not sort mail by recipient: let the target do it; only its default is here")
		a.Unsure = "getmail sorts this mail by recipient"
		g.target(def.Option, def.Value, depth)
	default:
		a.Lose(kind.Option, "has no counterpart")
	}
	for _, v := range s.Options {
		if why := targetWhy(v.Name); why != "" {
			a.Drop(v.Option, why)
		}
	}
}

func targetWhy(name string) string {
	switch name {
	case "user", "group":
		return "mailhaul delivers as the user who runs it"
	case "filemode":
		return "files are for their owner only"
	case "locktype":
		return "an mbox is always locked, and in every way that others use"
	case "unixfrom":
		return "the command gets the message as it is; its sender is in $SENDER"
	case "ignore_stderr", "pipe_stdout":
		return "only the command's exit status counts"
	case "allow_root_commands":
		return "commands run as the user who runs mailhaul, whoever that is"
	case "qmaillocal", "homedir", "localdomain", "defaultdelivery", "conf-break", "localpart_translate", "strip_delivered_to":
		return "is for qmail-local, which a pipe can run"
	case "locals":
		return "see above"
	}
	return ""
}

// targetPart reports the options that make a target.
func targetPart(name string) bool {
	return slices.Contains([]string{"type", "path", "arguments", "destinations", "default", "host", "port", "override", "fallback"}, name)
}

// target handles an element of destinations: a section in brackets, a path,
// or a command behind a bar.
func (g *rcFile) target(o rcfile.Option, s string, depth int) {
	switch {
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		g.destination(s[1:len(s)-1], depth+1)
	case strings.HasPrefix(s, "|"):
		g.mda(o, g.words(strings.Fields(s[1:])))
	case (strings.HasPrefix(s, ".") || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~") || strings.HasPrefix(s, "$")) && strings.HasSuffix(s, "/"):
		g.a.DeliverPath(o, "maildir", g.expand(s), filepath.Dir(g.file), true)
	case strings.HasPrefix(s, ".") || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~") || strings.HasPrefix(s, "$"):
		g.a.DeliverPath(o, "mbox", g.expand(s), filepath.Dir(g.file), true)
	default:
		g.a.Lose(o, fmt.Sprintf("%q is no section, path or command", s))
	}
}

// mda makes a pipe. The addresses that getmail puts into arguments are in the
// environment here.
func (g *rcFile) mda(o rcfile.Option, argv []string) {
	placeholder, unknown := false, false
	words := make([]string, len(argv))
	for i, arg := range argv {
		q := rcfile.ShellQuote(arg)
		for _, p := range [][2]string{{"%(sender)", "$SENDER"}, {"%(recipient)", "$RECIPIENT"}} {
			if strings.Contains(arg, p[0]) {
				placeholder = true
				q = strings.ReplaceAll(rcfile.ShellQuote(arg), p[0], `'"`+p[1]+`"'`)
			}
		}
		unknown = unknown || strings.Contains(q, "%(")
		words[i] = strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(q, `''"`, `"`), "''"), "''")
	}
	switch {
	case unknown:
		g.a.Lose(o, "uses %(local), %(domain) or %(mailbox), or both addresses in one argument: the whole addresses are in $SENDER and $RECIPIENT")
		return
	case placeholder:
		argv = []string{"sh", "-c", "exec " + strings.Join(words, " ")}
	}
	if rcfile.BadArgv(argv) {
		g.a.Lose(o, "cannot be written as a command")
		return
	}
	g.a.Deliver(o, "pipe", config.Pair("command", argv))
}

func (g *rcFile) lmtp(o rcfile.Option, s *rcfile.Section) {
	host, _ := s.Get("host")
	port, _ := s.Get("port")
	n, _ := strconv.Atoi(port.Value)
	server := host.Value
	switch {
	case strings.HasPrefix(server, "/"):
		p, err := rcfile.YAMLPath(server, "/", false)
		if err != nil {
			g.a.Lose(host.Option, err.Error())
			return
		}
		server = p
	case !rcfile.ValidHost(server) || n < 0 || n > 65535 || n == 25:
		g.a.Lose(o, "wants a host and port, or a socket")
		return
	default:
		if n == 0 {
			n = 2003
		}
		server = rcfile.HostPort(server, n, 0)
	}
	relay := config.Pair("server", server)
	to, has := s.Get("override")
	if !has || to.Value == "" {
		to, _ = s.Get("fallback")
	}
	switch {
	case g.kind.multi:
	case rcfile.GoodAddress(to.Value):
		relay = relay.And("to", []string{to.Value})
		g.a.Carry(to.Option, "deliver")
	default:
		user := g.r.Options.User
		if !rcfile.GoodAddress(user) {
			user = "postmaster"
		}
		relay = relay.And("to", []string{user})
		g.a.Unsure = "getmail takes the recipient from the message: look at deliver, lmtp, to"
	}
	if !strings.HasPrefix(server, "/") && !config.Loopback(strings.ToLower(host.Value)) {
		relay = relay.And("tls", config.Word("none")).And("insecure", true)
		g.a.Change(o, "mail goes there in the clear, as before: take tls and insecure out if it has STARTTLS")
	}
	g.a.Deliver(o, "lmtp", relay)
}
