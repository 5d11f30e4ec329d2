package getmail

import (
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

// options handles what is fetched and kept; getmail keeps all by default.
func (g *rcFile) options(s *rcfile.Section) {
	a := g.a
	del, _ := s.Get("delete")
	after, _ := s.Get("delete_after")
	days, _ := rcfile.Atoi(after.Value)
	switch {
	case pyBool(del.Value):
		a.Put(del.Option, "keep", config.Word("none"))
	case days > 0 && days <= 36500:
		a.Put(after.Option, "keep", config.Pair("days", config.Word(strconv.FormatInt(days, 10))))
	default:
		a.Set("keep", config.Word("all"))
	}
	all, given := s.Get("read_all")
	switch {
	case !given:
		a.Change(rcfile.Option{File: g.file, Line: a.Line, Text: ""}, "getmail fetches all mail again on each run unless read_all = false; mailhaul fetches each message once")
	case pyBool(all.Value):
		a.Change(all.Option, "each message is fetched once; mailhaul fetch --all fetches those already seen, too")
	default:
		a.Carry(all.Option, "each message is fetched once")
	}
	if s == nil {
		return
	}
	for _, v := range s.Options {
		g.option(v)
	}
}

func (g *rcFile) option(v rcfile.Setting) {
	a := g.a
	n, _ := rcfile.Atoi(v.Value)
	switch v.Name {
	case "read_all", "delete", "delete_after":
		// done with the rest
	case "max_message_size":
		if n > 0 {
			a.Put(v.Option, "max_size", rcfile.Size(n))
		}
	case "max_messages_per_session":
		if n > 0 && n <= 100_000_000 {
			a.Limit(v.Option, "messages", config.Word(strconv.FormatInt(n, 10)))
		}
	case "max_bytes_per_session":
		if n > 0 {
			a.Limit(v.Option, "bytes", rcfile.Size(n))
		}
	case "delete_bigger_than":
		if n > 0 {
			a.Drop(v.Option, "mail is not deleted for its size: see keep")
		}
	case "received":
		if pyBool(v.Value) {
			a.Put(v.Option, "headers", config.Pair("received", true))
		}
	case "delivered_to":
		if pyBool(v.Value) {
			a.Drop(v.Option, "messages are delivered byte for byte")
		}
	case "to_oldmail_on_each_mail":
		a.Carry(v.Option, "each batch is recorded as it is delivered")
	case "use_netrc":
		if pyBool(v.Value) && !a.Has("password") && !a.Has("token") {
			a.Put(v.Option, "password", config.Pair("netrc", true))
		}
	case "skip_imap_fetch_size":
		a.Drop(v.Option, "is for IMAP")
	case "netrc_file":
		a.Drop(v.Option, "set NETRC in the environment")
	case "verbose", "message_log", "message_log_syslog", "message_log_verbose", "logfile", "fingerprint":
		a.Drop(v.Option, "the log goes to stderr: see log")
	default:
		a.Drop(v.Option, "is not known here")
	}
}
