package rcfile

import (
	"strconv"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// options handles what is fetched and kept; getmail keeps all by default.
func (g *getmailRC) options(s *iniSection) {
	a := g.a
	del, _ := s.get("delete")
	after, _ := s.get("delete_after")
	days, _ := atoi(after.value)
	switch {
	case pyBool(del.value):
		a.put(del.option, "keep", config.Word("none"))
	case days > 0 && days <= 36500:
		a.put(after.option, "keep", config.Pair("days", config.Word(strconv.FormatInt(days, 10))))
	default:
		a.set("keep", config.Word("all"))
	}
	all, given := s.get("read_all")
	switch {
	case !given:
		a.change(option{g.file, a.Line, ""}, "getmail fetches all mail again on each run unless read_all = false; mailhaul fetches each message once")
	case pyBool(all.value):
		a.change(all.option, "each message is fetched once; mailhaul fetch --all fetches those already seen, too")
	default:
		a.carry(all.option, "each message is fetched once")
	}
	if s == nil {
		return
	}
	for _, v := range s.options {
		g.option(v)
	}
}

func (g *getmailRC) option(v iniValue) {
	a := g.a
	n, _ := atoi(v.value)
	switch v.name {
	case "read_all", "delete", "delete_after":
		// done with the rest
	case "max_message_size":
		if n > 0 {
			a.put(v.option, "max_size", size(n))
		}
	case "max_messages_per_session":
		if n > 0 && n <= 100_000_000 {
			a.limit(v.option, "messages", config.Word(strconv.FormatInt(n, 10)))
		}
	case "max_bytes_per_session":
		if n > 0 {
			a.limit(v.option, "bytes", size(n))
		}
	case "delete_bigger_than":
		if n > 0 {
			a.drop(v.option, "mail is not deleted for its size: see keep")
		}
	case "received":
		if pyBool(v.value) {
			a.put(v.option, "headers", config.Pair("received", true))
		}
	case "delivered_to":
		if pyBool(v.value) {
			a.drop(v.option, "messages are delivered byte for byte")
		}
	case "to_oldmail_on_each_mail":
		a.carry(v.option, "each batch is recorded as it is delivered")
	case "use_netrc":
		if pyBool(v.value) && !a.has("password") && !a.has("token") {
			a.put(v.option, "password", config.Pair("netrc", true))
		}
	case "skip_imap_fetch_size":
		a.drop(v.option, "is for IMAP")
	case "netrc_file":
		a.drop(v.option, "set NETRC in the environment")
	case "verbose", "message_log", "message_log_syslog", "message_log_verbose", "logfile", "fingerprint":
		a.drop(v.option, "the log goes to stderr: see log")
	default:
		a.drop(v.option, "is not known here")
	}
}
