package config

import (
	"cmp"
	"slices"
	"time"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/sasl/gssapi"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// accountKeys is the table of an account, in the order of the manual. Kinds are
// those of its targets.
func accountKeys(a *Account, kinds []TargetKind) []Row {
	return slices.Concat(serverKeys(a), loginKeys(a), mailKeys(a, kinds), runKeys(a))
}

func serverKeys(a *Account) []Row {
	return slices.Concat([]Row{
		a.serverKey("server as `HOST` or `HOST:PORT`; the port is 995 with implicit TLS, 109 with protocol pop2, 1109 with auth kpop, " +
			"otherwise 110"),
		On("tls", "implicit", "how the connection is protected: `implicit`, `stls` or `none`", OneOf(pop3.ImplicitTLS, pop3.STLS, pop3.Plain), &a.Server.Security),
		given("protocol", "pop3", "protocol of the server: `pop3`, or `pop2`, which is of 1985 and has no TLS",
			Choice("pop3 pop2", 3, 2), func(int) {}), // see checker.historic
	}, a.tlsKeys(), []Row{
		a.timeoutKey("longest wait for the server, the same as timeouts.idle"),
		within("timeouts", "longest waits one by one", timeoutsKeys, &a.Server),
	}, a.routeKeys(), []Row{
		On("pipelining", "auto", "whether to send commands ahead of the replies: `auto`, `on` or `off`",
			OneOf(pop3.PipelineAuto, pop3.PipelineOn, pop3.PipelineOff), &a.Server.Pipelining),
	})
}

func loginKeys(a *Account) []Row {
	return slices.Concat(a.secretKeys(sasl.Methods()), []Row{
		On("oauth", "", "how to get OAuth2 access tokens: a name under logins, or a mapping", login(), &a.OAuth),
		On("krb", "", "Kerberos settings, for auth gssapi and kpop", mapping("a mapping", gssapi.Kerberos{}, krbKeys, nil), &a.Kerberos),
		On("utf8", "auto", "whether to send the UTF8 command of RFC 6856: `auto`, `on` or `off`", OneOf(session.UTF8Auto, session.UTF8On, session.UTF8Off), &a.UTF8),
		On("lang", "", "language of the server's texts, such as `de`, if the server offers LANG", Text("a language tag"), &a.Server.Lang),
	})
}

func mailKeys(a *Account, kinds []TargetKind) []Row {
	return []Row{
		On("keep", "all", "what stays on the server: `all`, `none` once delivered, or rules", keep(), &a.Policy.Keep),
		On("deliver", "", "list of targets; a message is done when all of them have it",
			List(target(kinds), "a list of targets, each such as - maildir: PATH"), &a.Deliver),
		On("max_size", "", "size above which messages are skipped and reported", size(), &a.Policy.MaxSize),
		On("limit", "", "bounds of a run; `gmail` means bytes_per_day: 1190MiB", either(limitPreset(),
			mapping("a mapping", plan.Limits{}, limitKeys, nil)), &a.Limits),
		On("to", "", "header fields that have the recipients, for a mailbox shared by several people", recipients(), &a.Policy.Recipients),
		On("on_reject", "quarantine", "what happens to a message that a target refuses permanently: `quarantine` or `keep`",
			OneOf(plan.Quarantine, plan.KeepOnServer), &a.Policy.OnReject),
		given("poison", "3", "number of failed deliveries in a row after which a message counts as refused permanently; 0 means never", Integer(0, 1000),
			func(n int) { a.Policy.Poison = cmp.Or(n, -1) }),
		On("headers", "", "header fields to add", mapping("a mapping", false, headersKeys, nil), &a.Policy.Received),
		On("dedupe", "off", "whether to look for a message in the target before it is delivered", dedupe(), &a.Dedupe),
		On("remember", "90d", "how long a seen message is remembered after the server last listed it", Duration(day), &a.Policy.ForgetAfter),
		On("gmail", "off", "Gmail's view of the mailbox: `recent` lists the last 30 days, whatever other programs fetched", OneOf(plan.GmailOff, plan.GmailRecent), &a.Policy.Gmail),
	}
}

func runKeys(a *Account) []Row {
	return []Row{
		On("every", "15m", "interval between the starts of two runs of loop", Duration(time.Second), &a.Schedule.Every),
		On("cron", "", "times of the runs of loop as in crontab, instead of every", cron(), &a.Schedule.Cron),
		On("quiet", "", "time of day without runs of loop, such as `23:00-06:00`", window(), &a.Schedule.Quiet),
		On("jitter", "a tenth of every", "longest random delay that loop adds to a start", Duration(0), &a.Schedule.Jitter),
		On("before", "", "command to run before the server is contacted", Command(), &a.Before),
		On("after", "", "command to run at the end of every run", Command(), &a.After),
		On("alert", "", "how to notify someone when the account keeps failing", mapping("a mapping", Alert{After: day}, alertKeys, checkAlert), &a.Alert),
		On("helper_timeout", "", "longest time of a command for a secret (1m), a hook (2m) or an alert (20s), and of a call to the keyring (15s)",
			Duration(time.Second), &a.Helper),
		On("id", "user@host", "name of the account's state", stateID(), &a.ID),
		On("enabled", "true", "whether the account is fetched when no account is named", Boolean(), &a.Enabled),
	}
}

func timeoutsKeys(s *pop3.Server) []Row {
	return []Row{
		On("connect", "30s", "longest wait for the connection, the TLS handshake and the greeting, each", Duration(time.Second), &s.Connect),
		On("idle", "60s", "longest wait for a reply", Duration(time.Second), &s.Idle),
		On("session", "none", "longest time of a whole session; 0 means no limit", Duration(0), &s.Session),
	}
}

func krbKeys(k *gssapi.Kerberos) []Row {
	return []Row{
		On("config", "/etc/krb5.conf", "Kerberos configuration file", Path(), &k.Config),
		On("ccache", "$KRB5CCNAME", "credential cache file", Path(), &k.CCache),
		On("keytab", "", "keytab file, to use instead of a cache", Path(), &k.Keytab),
		On("principal", "user", "principal of the client", Text("a string"), &k.Principal),
		On("service", "pop/HOST", "principal of the server", Text("a string"), &k.Service),
	}
}

func keepKeys(k *plan.Keep) []Row {
	return []Row{
		On("days", "", "delete messages first seen more than this many days ago", Integer(1, 36500), &k.Days),
		On("newest", "", "delete all but this many of the newest messages", Integer(1, 100_000_000), &k.Newest),
		On("below", "", "delete the oldest messages while the maildrop is larger than this size", size(), &k.Below),
	}
}

func limitKeys(l *plan.Limits) []Row {
	return []Row{
		On("messages", "", "largest number of messages in a run", Integer(1, 100_000_000), &l.Messages),
		On("bytes", "", "largest number of bytes in a run", size(), &l.Bytes),
		On("bytes_per_day", "", "largest number of bytes in a day", size(), &l.BytesPerDay),
		On("rate", "", "largest number of bytes a second, such as `1MiB` or `1MiB/s`", sizeWith("a size a second", "/s"), &l.Rate),
	}
}

func headersKeys(received *bool) []Row {
	return []Row{
		On("received", "false", "add a Received field at the top", Boolean(), received),
	}
}

func dedupeKeys(d *Dedupe) []Row {
	return []Row{
		On("by", "off", "how a duplicate is recognised: `off`, `message-id` or `content`", OneOf(DedupeOff, DedupeMessageID, DedupeContent), &d.By),
		On("action", "skip", "what happens to a duplicate: `skip`, `tag` or `deliver`", OneOf(DuplicateSkip, DuplicateTag, DuplicateDeliver), &d.Action),
	}
}

func alertKeys(a *Alert) []Row {
	return []Row{
		On("command", "", "command to run", Command(), &a.Command),
		On("webhook", "", "URL that gets a POST with a JSON object", webURL(), &a.Webhook),
		On("after", "24h", "time without a success until command and webhook are used", Duration(time.Minute), &a.After),
		On("ping", "", "URL of a healthcheck service that gets each start, success and failure", webURL(), &a.Ping),
	}
}
