package fdm

import (
	"cmp"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// action turns the actions in t into targets. depth bounds actions that call
// others, as fdm does.
func (a *account) action(at rcfile.Option, t []token, depth int) {
	if depth > 5 || len(a.Targets) > 100 || len(a.Notes) > 1000 {
		a.Drop(at, "calls too many actions")
		return
	}
	for len(t) > 0 {
		t = t[min(a.oneAction(t, depth), len(t)):]
	}
}

// noCounterpart is why an action that changes mail is left out.
const noCounterpart = "has no counterpart: use a pipe to a filter"

// creates is why no-create is left out.
const creates = "mailhaul creates a missing Maildir or mbox"

// oneAction handles the action that starts t and returns its length.
func (a *account) oneAction(t []token, depth int) int {
	switch {
	case t[0].kind == tokSymbol:
		return 1
	case t[0].is("action", "actions"):
		return a.call(t, depth)
	case t[0].is("smtp", "lmtp"):
		return a.relay(t)
	}
	n := 1
	if len(t) > 1 && t[1].kind != tokSymbol && !t[0].is("drop", "keep", "compress", "no-create") {
		n = 2
	}
	o, known := t[0].option("action "+shown(t[:n])), true
	if n == 2 {
		o.Value, known = tags(a.c.r.Options, t[1].text)
	}
	return a.target(t, o, known, n)
}

// target handles an action of n tokens. known is false if its value has a tag
// that stands for something of each message.
func (a *account) target(t []token, o rcfile.Option, known bool, n int) int {
	switch {
	case t[0].is("drop"):
		a.Drop(o, "mailhaul never discards mail: the account is disabled")
		a.Unsure = "fdm drops this account's mail"
	case t[0].is("keep"):
		a.Put(o, "keep", config.Word("all"))
	case t[0].is("maildir", "mbox") && known:
		a.DeliverPath(o, o.Name, o.Value, a.home(), false)
	case t[0].is("maildir", "mbox"):
		a.Lose(o, "the path changes with each message (%): write one target")
	case t[0].is("pipe"):
		if argv := rcfile.Command(o.Value); argv != nil && known {
			a.DeliverCommand(o, argv)
		} else {
			a.Lose(o, "contains an unknown tag (%): see pipe: command")
		}
	case t[0].is("no-create"):
		a.Drop(o, creates)
	case t[0].is("compress"):
		a.Lose(o, "an mbox is not compressed")
	case t[0].is("user", "users"):
		a.Drop(o, "mailhaul delivers as the user who runs it")
	case t[0].is("tag", "add-header", "remove-header", "remove-headers", "stdout", "add-to-cache", "remove-from-cache"):
		a.Drop(o, noCounterpart)
		return actionLength(t)
	case t[0].is("rewrite", "exec", "write", "append", "imap", "imaps"):
		a.Lose(o, noCounterpart)
		return actionLength(t)
	default:
		a.Lose(o, "is an unknown option")
		return 1
	}
	return n
}

// call handles the actions that t names.
func (a *account) call(t []token, depth int) int {
	list, rest := names(t[1:])
	for _, name := range list {
		if body, ok := a.c.actions[name]; ok {
			a.action(t[0].option(name), body, depth+1)
		} else {
			a.Lose(t[0].option(`action "`+name+`"`), "is not defined")
		}
	}
	return len(t) - len(rest)
}

// actionLength finds where the next action of a list starts.
func actionLength(t []token) int {
	next := slices.IndexFunc(t[1:], func(t token) bool {
		return t.is("drop", "keep", "maildir", "mbox", "pipe", "smtp", "lmtp", "tag", "rewrite", "exec", "write", "append", "action", "stdout")
	})
	if next < 0 {
		return len(t)
	}
	return next + 1
}

// relay reads smtp and lmtp: server HOST [port P] [from F] [to T].
func (a *account) relay(t []token) int {
	n := 1
	args := map[string]string{}
	for ; n+1 < len(t) && t[n].is("server", "port", "from", "to"); n += 2 {
		args[t[n].text], _ = tags(a.c.r.Options, t[n+1].text)
	}
	o := t[0].option("action " + shown(t[:n]))
	r := rcfile.Relay{Kind: t[0].text, Host: args["server"], Port: args["port"], From: args["from"],
		To: cmp.Or(args["to"], a.c.r.Options.User+"@"+args["server"])}
	if !rcfile.GoodAddress(r.From) {
		r.From = ""
	}
	if !rcfile.GoodAddress(r.To) {
		a.Lose(o, "the recipient is not an address")
	} else {
		a.DeliverRelay(o, r, "there")
	}
	return n
}
