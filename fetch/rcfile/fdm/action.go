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

// oneAction handles the action that starts t and returns its length.
func (a *account) oneAction(t []token, depth int) int {
	switch {
	case t[0].kind == tokSymbol:
		return 1
	case t[0].text == "action" || t[0].text == "actions":
		return a.call(t, depth)
	case t[0].text == "smtp" || t[0].text == "lmtp":
		return a.relay(t)
	}
	n := 1
	if len(t) > 1 && t[1].kind != tokSymbol && !slices.Contains([]string{"drop", "keep", "compress"}, t[0].text) {
		n = 2
	}
	o, known := t[0].option("action "+shown(t[:n])), true
	if n == 2 {
		o.Value, known = tags(a.c.r.Options, t[1].text)
	}
	paths := func(_ *rcfile.Account, o rcfile.Option) {
		if known {
			a.DeliverPath(o, o.Name, o.Value, a.home(), false)
		} else {
			a.Lose(o, "the path changes with each message (%): write one target")
		}
	}
	const noCounterpart = "has no counterpart: a pipe to a filter can do it"
	filter := func(effect rcfile.Effect) rcfile.Effect {
		return func(_ *rcfile.Account, o rcfile.Option) {
			n = actionLength(t)
			effect(a.Account, o)
		}
	}
	ok := rcfile.Rows{
		"drop":         drop,
		"keep":         func(_ *rcfile.Account, o rcfile.Option) { a.Put(o, "keep", config.Word("all")) },
		"maildir mbox": paths,
		"pipe": func(_ *rcfile.Account, o rcfile.Option) {
			if argv := rcfile.Command(o.Value); argv != nil && known {
				a.DeliverCommand(o, argv)
			} else {
				a.Lose(o, "contains a tag (%) that is not known here: see pipe: command")
			}
		},
		"compress":   rcfile.Lose("an mbox is not compressed"),
		"user users": rcfile.Drop("mailhaul delivers as the user who runs it"),
		"tag add-header remove-header remove-headers stdout add-to-cache remove-from-cache": filter(rcfile.Drop(noCounterpart)),
		"rewrite exec write append imap imaps":                                              filter(rcfile.Lose(noCounterpart)),
	}.Apply(a.Account, o)
	if !ok {
		a.Lose(o, "is not known here")
		return 1
	}
	return n
}

func drop(a *rcfile.Account, o rcfile.Option) {
	a.Drop(o, "mail is never thrown away: enabled is false")
	a.Unsure = "fdm drops this account's mail"
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
		a.Lose(o, "the recipient is no address")
	} else {
		a.DeliverRelay(o, r, "there")
	}
	return n
}
