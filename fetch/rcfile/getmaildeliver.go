package rcfile

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// destination adds the target that a section describes. depth bounds sections
// that name others.
func (g *getmailRC) destination(name string, depth int) {
	a := g.a
	s := g.section(name)
	g.used[name] = true
	kind, ok := s.get("type")
	if !ok || depth > 5 || len(a.targets) > 100 {
		a.lose(option{g.file, a.Line, "[" + name + "]"}, "is missing, has no type, or goes too deep")
		return
	}
	path, _ := s.get("path")
	switch kind.value {
	case "Maildir":
		a.deliverPath(kind.option, "maildir", g.expand(path.value), filepath.Dir(g.file), true)
	case "Mboxrd":
		a.deliverPath(kind.option, "mbox", g.expand(path.value), filepath.Dir(g.file), true)
	case "MDA_external":
		args, _ := s.get("arguments")
		t, ok := parseTuple(args.value)
		words, plain := t.strings()
		if !ok || !plain {
			a.lose(args.option, "is no tuple of strings")
			return
		}
		g.mda(kind.option, g.words(append([]string{path.value}, words...)))
		if from, _ := s.get("unixfrom"); pyBool(from.value) {
			a.unsure = "the command got a From line before each message (unixfrom), which it does not get here"
		}
	case "MDA_lmtp":
		g.lmtp(kind.option, s)
	case "MultiDestination":
		list, _ := s.get("destinations")
		t, ok := parseTuple(list.value)
		words, plain := t.strings()
		if !ok || !plain {
			a.lose(list.option, "is no tuple of strings")
			return
		}
		a.carry(list.option, "deliver")
		for _, w := range words {
			g.target(list.option, w, depth)
		}
	case "MultiSorter", "MultiGuesser", "MultiSorterBase":
		def, _ := s.get("default")
		a.lose(kind.option, "mailhaul does not sort mail by recipient: let the target do it; only its default is here")
		a.unsure = "getmail sorts this mail by recipient"
		g.target(def.option, def.value, depth)
	default:
		a.lose(kind.option, "has no counterpart")
	}
	for _, v := range s.options {
		if why := getmailTargetWhy(v.name); why != "" {
			a.drop(v.option, why)
		}
	}
}

func getmailTargetWhy(name string) string {
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

// getmailTargetPart reports the options that make a target.
func getmailTargetPart(name string) bool {
	return slices.Contains([]string{"type", "path", "arguments", "destinations", "default", "host", "port", "override", "fallback"}, name)
}

// target handles an element of destinations: a section in brackets, a path,
// or a command behind a bar.
func (g *getmailRC) target(o option, s string, depth int) {
	switch {
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		g.destination(s[1:len(s)-1], depth+1)
	case strings.HasPrefix(s, "|"):
		g.mda(o, g.words(strings.Fields(s[1:])))
	case (strings.HasPrefix(s, ".") || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~") || strings.HasPrefix(s, "$")) && strings.HasSuffix(s, "/"):
		g.a.deliverPath(o, "maildir", g.expand(s), filepath.Dir(g.file), true)
	case strings.HasPrefix(s, ".") || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~") || strings.HasPrefix(s, "$"):
		g.a.deliverPath(o, "mbox", g.expand(s), filepath.Dir(g.file), true)
	default:
		g.a.lose(o, fmt.Sprintf("%q is no section, path or command", s))
	}
}

// mda makes a pipe. The addresses that getmail puts into arguments are in the
// environment here.
func (g *getmailRC) mda(o option, argv []string) {
	placeholder, unknown := false, false
	words := make([]string, len(argv))
	for i, arg := range argv {
		q := shellQuote(arg)
		for _, p := range [][2]string{{"%(sender)", "$SENDER"}, {"%(recipient)", "$RECIPIENT"}} {
			if strings.Contains(arg, p[0]) {
				placeholder = true
				q = strings.ReplaceAll(shellQuote(arg), p[0], `'"`+p[1]+`"'`)
			}
		}
		unknown = unknown || strings.Contains(q, "%(")
		words[i] = strings.TrimSuffix(strings.TrimPrefix(strings.ReplaceAll(q, `''"`, `"`), "''"), "''")
	}
	switch {
	case unknown:
		g.a.lose(o, "uses %(local), %(domain) or %(mailbox), or both addresses in one argument: the whole addresses are in $SENDER and $RECIPIENT")
		return
	case placeholder:
		argv = []string{"sh", "-c", "exec " + strings.Join(words, " ")}
	}
	if badArgv(argv) {
		g.a.lose(o, "cannot be written as a command")
		return
	}
	g.a.deliver(o, "pipe", config.Pair("command", argv))
}

func (g *getmailRC) lmtp(o option, s *iniSection) {
	host, _ := s.get("host")
	port, _ := s.get("port")
	n, _ := strconv.Atoi(port.value)
	server := host.value
	switch {
	case strings.HasPrefix(server, "/"):
		p, err := yamlPath(server, "/", false)
		if err != nil {
			g.a.lose(host.option, err.Error())
			return
		}
		server = p
	case !validHost(server) || n < 0 || n > 65535 || n == 25:
		g.a.lose(o, "wants a host and port, or a socket")
		return
	default:
		if n == 0 {
			n = 2003
		}
		server = hostPort(server, n, 0)
	}
	relay := config.Pair("server", server)
	to, has := s.get("override")
	if !has || to.value == "" {
		to, _ = s.get("fallback")
	}
	switch {
	case g.kind.multi:
	case goodAddress(to.value):
		relay = relay.And("to", []string{to.value})
		g.a.carry(to.option, "deliver")
	default:
		user := g.r.opts.User
		if !goodAddress(user) {
			user = "postmaster"
		}
		relay = relay.And("to", []string{user})
		g.a.unsure = "getmail takes the recipient from the message: look at deliver, lmtp, to"
	}
	if !strings.HasPrefix(server, "/") && !config.Loopback(strings.ToLower(host.value)) {
		relay = relay.And("tls", config.Word("none")).And("insecure", true)
		g.a.change(o, "mail goes there in the clear, as before: take tls and insecure out if it has STARTTLS")
	}
	g.a.deliver(o, "lmtp", relay)
}
