package fdm

import (
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// action turns the actions in t into targets. depth bounds actions that call
// others, as fdm does.
func (m *merge) action(at rcfile.Option, t []token, depth int) {
	if depth > 5 || len(m.a.Targets) > 100 || len(m.a.Notes) > 1000 {
		m.a.Drop(at, "calls too many actions")
		return
	}
	for len(t) > 0 {
		n := m.oneAction(t, depth)
		t = t[min(max(n, 1), len(t)):]
	}
}

// oneAction handles the action that starts t and returns its length.
func (m *merge) oneAction(t []token, depth int) int {
	a := m.a
	n := 1
	if len(t) > 1 && t[1].kind != tokSymbol {
		n = 2
	}
	o := rcfile.Option{File: t[0].file, Line: t[0].line, Text: actionText(t, n)}
	arg, known := "", true
	if n == 2 {
		arg, known = tags(m.c.r.Options, t[1].text)
	}
	switch t[0].text {
	case "{", "}":
		return 1
	case "drop":
		a.Drop(rcfile.Option{File: o.File, Line: o.Line, Text: "action drop"}, "mail is never thrown away: enabled is false")
		a.Unsure = "fdm drops this account's mail"
		return 1
	case "keep":
		a.Put(rcfile.Option{File: o.File, Line: o.Line, Text: "action keep"}, "keep", config.Word("all"))
		return 1
	case "action", "actions":
		names, rest := names(t[1:])
		for _, name := range names {
			if body, ok := m.c.actions[name]; ok {
				m.action(rcfile.Option{File: o.File, Line: o.Line, Text: name}, body, depth+1)
			} else {
				a.Lose(rcfile.Option{File: o.File, Line: o.Line, Text: `action "` + name + `"`}, "is not defined")
			}
		}
		return len(t) - len(rest)
	case "maildir", "mbox":
		if known {
			a.DeliverPath(o, t[0].text, arg, m.home(), false)
		} else {
			a.Lose(o, "the path changes with each message (%): write one target")
		}
	case "pipe":
		m.pipe(o, arg, known)
	case "smtp", "lmtp":
		return m.relay(t)
	case "compress":
		a.Lose(rcfile.Option{File: o.File, Line: o.Line, Text: "compress"}, "an mbox is not compressed")
		return 1
	case "user", "users":
		a.Drop(o, "mailhaul delivers as the user who runs it")
	case "tag", "add-header", "remove-header", "remove-headers", "stdout", "add-to-cache", "remove-from-cache":
		a.Drop(o, "has no counterpart: a pipe to a filter can do it")
		return actionLength(t)
	case "rewrite", "exec", "write", "append", "imap", "imaps":
		a.Lose(o, "has no counterpart: a pipe to a filter can do it")
		return actionLength(t)
	default:
		if t[0].kind != tokSymbol {
			a.Lose(o, "is not known here")
		}
		return 1
	}
	return n
}

// actionLength finds where the next action of a list starts.
func actionLength(t []token) int {
	for i := 1; i < len(t); i++ {
		switch t[i].text {
		case "drop", "keep", "maildir", "mbox", "pipe", "smtp", "lmtp", "tag", "rewrite", "exec", "write", "append", "action", "stdout":
			if t[i].kind == tokWord {
				return i
			}
		}
	}
	return len(t)
}

func (m *merge) pipe(o rcfile.Option, line string, known bool) {
	argv, err := rcfile.Command(line)
	if err == nil && known {
		m.a.Deliver(o, "pipe", config.Pair("command", argv))
		return
	}
	m.a.Lose(o, "contains a tag (%) that is not known here: see pipe: command")
}

// relay reads smtp and lmtp: server HOST [port P] [from F] [to T].
func (m *merge) relay(t []token) int {
	kind, n := t[0].text, 1
	args := map[string]string{}
	for n+1 < len(t) {
		key := t[n].text
		if t[n].kind != tokWord || key != "server" && key != "port" && key != "from" && key != "to" {
			break
		}
		args[key], _ = tags(m.c.r.Options, t[n+1].text)
		n += 2
	}
	o := rcfile.Option{File: t[0].file, Line: t[0].line, Text: actionText(t, n)}
	host, port := args["server"], args["port"]
	p, _ := strconv.Atoi(port)
	if !rcfile.ValidHost(host) || port != "" && (p < 1 || p > 65535) || kind == "lmtp" && (p == 0 || p == 25) {
		m.a.Lose(o, "wants a host, and a port of its own for LMTP")
		return n
	}
	to := args["to"]
	if to == "" {
		to = m.c.r.Options.User + "@" + host
	}
	if !rcfile.GoodAddress(to) {
		m.a.Lose(o, "the recipient is no address")
		return n
	}
	relay := config.Pair("server", rcfile.HostPort(host, p, 25)).And("to", []string{to})
	if from := args["from"]; rcfile.GoodAddress(from) {
		relay = relay.And("from", from)
	}
	if !config.Loopback(strings.ToLower(host)) {
		relay = relay.And("tls", config.Word("none")).And("insecure", true)
		m.a.Change(o, "mail goes there in the clear, as before: take tls and insecure out if it has STARTTLS")
	}
	m.a.Deliver(o, kind, relay)
	return n
}
