package fdm

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

//go:embed action.txt
var actionOptions string

// action turns the actions in t into targets. depth bounds actions that call
// others, as fdm does.
func (a *account) action(at rcfile.Option, t []rcfile.Token, depth int) {
	if depth > 5 || len(a.Targets) > 100 || len(a.Notes) > 1000 {
		a.Drop(at, "calls too many actions")
		return
	}
	for rows := rcfile.Table(actionOptions); len(t) > 0; {
		t = t[min(a.oneAction(rows, t, depth), len(t)):]
	}
}

// oneAction handles the action that starts t and returns its length.
func (a *account) oneAction(rows rcfile.Rows, t []rcfile.Token, depth int) int {
	row, known := rows[t[0].Text]
	switch {
	case t[0].Kind == rcfile.Symbol:
		return 1
	case t[0].Is("action", "actions"):
		return a.call(t, depth)
	case t[0].Is("smtp", "lmtp"):
		return a.relay(t)
	}
	n := 1
	if len(t) > 1 && t[1].Kind != rcfile.Symbol && (!known || len(row.Kinds) > 0) {
		n = 2
	}
	o := t[0].Option("action " + shown(t[:n]))
	switch {
	case !known || t[0].Kind != rcfile.Word:
		a.Lose(o, "is an unknown option")
		return 1
	case n == 2:
		var all bool
		if o.Value, all = tags(a.c.r.Options, t[1].Text); !all && t[0].Is("maildir", "mbox", "pipe") {
			a.Lose(o, "its value changes with each message (%): write one target")
			return n
		}
	}
	if row.Apply(a.Account, o); row.Is("list") {
		return actionLength(rows, t)
	}
	a.target(o)
	return n
}

// target handles the actions that need more than the table says.
func (a *account) target(o rcfile.Option) {
	switch o.Name {
	case "drop":
		a.Drop(o, "mailhaul never discards mail: the account is disabled")
		a.Unsure = "fdm drops this account's mail"
	case "keep":
		a.Put(o, "keep", config.Word("all"))
	case "maildir", "mbox":
		if strings.HasPrefix(o.Value, "~") { // no home directory in fdm
			o.Value = "./" + o.Value
		}
		a.DeliverPath(o, o.Name, o.Value)
	case "pipe":
		a.DeliverCommand(o, rcfile.Command(o.Value))
	}
}

// call handles the actions that t names.
func (a *account) call(t []rcfile.Token, depth int) int {
	list, rest := names(t[1:])
	for _, name := range list {
		if body, ok := a.c.actions[name]; ok {
			a.action(t[0].Option(name), body, depth+1)
		} else {
			a.Lose(t[0].Option(`action "`+name+`"`), "is not defined")
		}
	}
	return len(t) - len(rest)
}

// actionLength finds where the next action of a list starts.
func actionLength(rows rcfile.Rows, t []rcfile.Token) int {
	next := slices.IndexFunc(t[1:], func(t rcfile.Token) bool { return t.Kind == rcfile.Word && rows[t.Text].Name != "" })
	if next < 0 {
		return len(t)
	}
	return next + 1
}

// relay reads smtp and lmtp: server HOST [port P] [from F] [to T].
func (a *account) relay(t []rcfile.Token) int {
	n := 1
	args := map[string]string{}
	for ; n+1 < len(t) && t[n].Is("server", "port", "from", "to"); n += 2 {
		args[t[n].Text], _ = tags(a.c.r.Options, t[n+1].Text)
	}
	o := t[0].Option("action " + shown(t[:n]))
	r := rcfile.Relay{Kind: t[0].Text, Host: args["server"], Port: args["port"], From: args["from"],
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
