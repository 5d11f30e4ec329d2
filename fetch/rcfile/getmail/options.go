package getmail

import (
	"cmp"
	_ "embed"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// The options of each kind of section.
var (
	//go:embed retriever.txt
	retrieverOptions string
	//go:embed destination.txt
	destinationOptions string
	//go:embed options.txt
	generalOptions string
)

// retriever handles the connection and the login.
func (g *rcFile) retriever(s *rcfile.Section, multi bool) {
	g.Security = pop3.Plain
	if g.ssl {
		g.Security = pop3.ImplicitTLS
	}
	if multi {
		g.envelope(s.Get("envelope_recipient"))
	}
	rcfile.Table(retrieverOptions).Apply(g.Account, map[string]func(rcfile.Option){
		"type":               g.retrieverType,
		"envelope_recipient": g.unless(multi, "is for multidrop retrievers"),
		"ca_certs":           g.unless(g.ssl, "is for retrievers with SSL"),
		"password_command":   func(o rcfile.Option) { g.passwordCommand(o, s.Get("password").Name != "") },
	}, s.Options...)
	if o := s.Get("ca_certs"); g.ssl && o.Name == "" {
		g.Change(rcfile.Option{File: g.Start.File, Line: s.Line}, "getmail does not check certificates without ca_certs; mailhaul always does")
	} else if g.ssl {
		g.PutFile(o, "ca_file", o.Value)
	}
	name := oldmailName(g.Host, cmp.Or(g.Port, rcfile.UsualPort(g.Security)), g.User)
	g.SeenFile = oldmailFile(g.options, g.Start.File, name)
}

// unless drops an option that has no use with this retriever.
func (g *rcFile) unless(used bool, why string) func(rcfile.Option) {
	return func(o rcfile.Option) {
		if !used {
			g.Drop(o, why)
		}
	}
}

func (g *rcFile) retrieverType(o rcfile.Option) {
	g.Carry(o, "tls")
	if strings.HasPrefix(o.Value, "Broken") {
		g.Change(o, "without UIDL, mailhaul identifies messages by their headers")
	}
}

func (g *rcFile) passwordCommand(o rcfile.Option, beside bool) {
	switch argv, ok := parseTuple(o.Value); {
	case beside:
		g.Drop(o, "has no effect together with password")
	case !ok:
		g.Drop(o, "is not a tuple of strings")
	case len(argv) > 0:
		g.PutSecretCommand(o, "password", g.words(argv))
	}
}

// envelope reads envelope_recipient, FIELD:N.
func (g *rcFile) envelope(o rcfile.Option) {
	header, nth, _ := strings.Cut(o.Value, ":")
	n, err := strconv.Atoi(strings.TrimSpace(nth))
	if header = strings.TrimSpace(header); err != nil || n < 1 || n > 1000 || !rcfile.GoodField(header) {
		g.Drop(o, "wants FIELD:NUMBER, from 1")
		g.Unsure = "name the field that holds the recipients under to: header"
		header, n = "Delivered-To", 1
	} else {
		g.Carry(o, "to")
	}
	to := config.Pair("header", header)
	if n > 1 {
		to = to.And("occurrence", n)
	}
	g.Set("to", to)
}

// general handles what is fetched and kept; getmail keeps all by default.
func (g *rcFile) general(s *rcfile.Section) {
	del, after, all := s.Get("delete"), s.Get("delete_after"), s.Get("read_all")
	days, _ := rcfile.Int(after.Value)
	switch {
	case pyBool(del.Value):
		g.Put(del, "keep", config.Word("none"))
	case days > 0 && days <= 36500:
		rcfile.KeepDays(g.Account, after, days)
	default:
		rcfile.Keep(g.Account, true)
	}
	switch {
	case all.Name == "":
		g.Change(g.Start, "getmail fetches all mail again on each run unless read_all = false; mailhaul fetches each message once")
	case pyBool(all.Value):
		rcfile.FetchAll(g.Account, all, "")
	default:
		g.Carry(all, "each message is fetched once")
	}
	if s != nil {
		rcfile.Table(generalOptions).Apply(g.Account, map[string]func(rcfile.Option){
			"max_message_size": g.size, "max_messages_per_session": g.size, "max_bytes_per_session": g.size, "delete_bigger_than": g.size,
			"use_netrc": g.useNetrc,
		}, s.Options...)
	}
}

// size handles a number that is no limit if it is 0.
func (g *rcFile) size(o rcfile.Option) {
	n, _ := rcfile.Int(o.Value)
	limit, _ := g.Value("limit").(config.Map)
	switch {
	case n <= 0:
	case o.Name == "max_message_size":
		g.Put(o, "max_size", rcfile.Size(n))
	case o.Name == "max_bytes_per_session":
		g.Put(o, "limit", limit.And("bytes", rcfile.Size(n)))
	case o.Name == "delete_bigger_than":
		g.Drop(o, "mailhaul does not delete mail because of its size: see keep")
	case n <= 100_000_000:
		g.Put(o, "limit", limit.And("messages", int(n)))
	}
}

func (g *rcFile) useNetrc(o rcfile.Option) {
	if pyBool(o.Value) && !g.Has("password") {
		g.Put(o, "password", config.Pair("netrc", true))
	}
}
