package config

import (
	"cmp"
	"crypto/tls"
	"time"

	"github.com/mailhaul/mailhaul/fetch/header"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// accountKeys is the table of an account, in the order of the manual. Kinds are
// those of its targets.
func accountKeys(a *Account, kinds []TargetKind) []key {
	var out []key
	for _, part := range [][]key{serverKeys(a), loginKeys(a), mailKeys(a, kinds), runKeys(a)} {
		out = append(out, part...)
	}
	return out
}

func serverKeys(a *Account) []key {
	return []key{
		given("server", "", "server as `HOST` or `HOST:PORT`; the port is 995 with implicit TLS, otherwise 110", server(),
			func(s Server) { a.Server.Host, a.Server.Port = s.Host, s.Port }),
		on("tls", "implicit", "how the connection is protected: `implicit`, `stls` or `none`", oneOf(pop3.ImplicitTLS, pop3.STLS, pop3.Plain), &a.Server.Security),
		on("ca_file", "the system's", "PEM file with the certificates of the authorities to trust", path(), &a.TLS.CAFile),
		on("server_name", "the host", "host name that the certificate must have", hostName(), &a.TLS.ServerName),
		on("pin", "", "public keys to accept, each as sha256/BASE64 of the SubjectPublicKeyInfo", oneOrMore(pin(), "a pin or a list of pins"), &a.TLS.Pins),
		on("client_cert", "", "PEM file with the client certificate", path(), &a.TLS.ClientCert),
		on("client_key", "client_cert", "PEM file with the key of the client certificate", path(), &a.TLS.ClientKey),
		on("min_version", "1.2", "oldest TLS version to accept: `1.0`, `1.1`, `1.2` or `1.3`",
			choice("1.0 1.1 1.2 1.3", uint16(tls.VersionTLS10), tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13), &a.TLS.MinVersion),
		on("legacy", "false", "allow TLS 1.0 and weak ciphers, for a server that has nothing else", boolean(), &a.TLS.Legacy),
		on("insecure", "false", "allow a login without TLS to another machine", boolean(), &a.Server.Insecure),
		on("timeout", "60s", "longest wait for the server, the same as timeouts.idle", duration(time.Second), &a.Server.Idle),
		within("timeouts", "longest waits one by one", timeoutsKeys, &a.Server),
		on("proxy", "", "proxy to connect through, as socks5://HOST:PORT or http://HOST:PORT (CONNECT)", either(proxyURL("a URL, or a mapping of url, user, password"), pointer(proxyMapping())), &a.Route.Proxy),
		on("tunnel", "", "command whose standard input and output are the connection", argv(), &a.Route.Tunnel),
		on("bind", "", "local IP address to connect from",
			parsed("an IP address", schema{"type": "string"}, parseAddr), &a.Route.Bind),
		on("pipelining", "auto", "whether to send commands ahead of the replies: `auto`, `on` or `off`",
			oneOf(pop3.PipelineAuto, pop3.PipelineOn, pop3.PipelineOff), &a.Server.Pipelining),
	}
}

func loginKeys(a *Account) []key {
	return []key{
		on("user", "", "login name", str("a string"), &a.User),
		on("auth", "auto", "how to log in; `auto` takes the strongest offered mechanism that there is a secret for", oneOf(sasl.Methods()...), &a.Auth),
		on("password", "", "password of the account, a secret", secret(), &a.Password),
		on("token", "", "OAuth2 access token, a secret, for auth xoauth2 and oauthbearer", secret(), &a.Token),
		on("oauth", "", "how to get OAuth2 access tokens, for auth xoauth2 and oauthbearer", pointer(oauthMapping()), &a.OAuth),
		on("krb", "", "Kerberos settings, for auth gssapi", mapping("a mapping", sasl.Kerberos{}, krbKeys, nil), &a.Kerberos),
		on("utf8", "auto", "whether to send the UTF8 command of RFC 6856: `auto`, `on` or `off`", oneOf(session.UTF8Auto, session.UTF8On, session.UTF8Off), &a.UTF8),
		on("lang", "", "language of the server's texts, such as `de`, if the server offers LANG", str("a language tag"), &a.Server.Lang),
	}
}

func mailKeys(a *Account, kinds []TargetKind) []key {
	return []key{
		on("keep", "all", "what stays on the server: `all`, `none` once delivered, or rules", keep(), &a.Policy.Keep),
		on("deliver", "", "list of targets; a message is done when all of them have it",
			list(target(kinds), "a list of targets, each such as - maildir: PATH"), &a.Deliver),
		on("max_size", "", "size above which messages are skipped and reported", size(), &a.Policy.MaxSize),
		on("limit", "", "bounds of a run; `gmail` means bytes_per_day: 1190MiB", either(limitPreset(),
			mapping("a mapping", plan.Limits{}, limitKeys, nil)), &a.Limits),
		on("to", "", "header field that has the recipient, for a mailbox shared by several people", envelope(), &a.Policy.Envelope),
		on("on_reject", "quarantine", "what happens to a message that a target refuses permanently: `quarantine` or `keep`",
			oneOf(plan.Quarantine, plan.KeepOnServer), &a.Policy.OnReject),
		given("poison", "3", "number of failed deliveries in a row after which a message counts as refused permanently; 0 means never", integer(0, 1000),
			func(n int) { a.Policy.Poison = cmp.Or(n, -1) }),
		on("headers", "", "header fields to add", mapping("a mapping", false, headersKeys, nil), &a.Policy.Received),
		on("dedupe", "off", "whether to look for a message in the target before it is delivered", dedupe(), &a.Dedupe),
		on("remember", "90d", "how long a seen message is remembered after the server last listed it", duration(day), &a.Policy.ForgetAfter),
		on("gmail", "off", "Gmail's view of the mailbox: `recent` lists the last 30 days, whatever other programs fetched", oneOf(plan.GmailOff, plan.GmailRecent), &a.Policy.Gmail),
	}
}

func runKeys(a *Account) []key {
	return []key{
		on("every", "15m", "interval between the starts of two runs of loop", duration(time.Second), &a.Schedule.Every),
		on("cron", "", "times of the runs of loop as in crontab, instead of every", cron(), &a.Schedule.Cron),
		on("quiet", "", "time of day without runs of loop, such as `23:00-06:00`", window(), &a.Schedule.Quiet),
		on("jitter", "a tenth of every", "longest random delay that loop adds to a start", duration(0), &a.Schedule.Jitter),
		on("before", "", "command to run before the server is contacted", argv(), &a.Before),
		on("after", "", "command to run at the end of every run", argv(), &a.After),
		on("alert", "", "how to notify someone when the account keeps failing", mapping("a mapping", freshAlert(), alertKeys, checkAlert), &a.Alert),
		on("id", "user@host", "name of the account's state", stateID(), &a.ID),
		on("enabled", "true", "whether the account is fetched when no account is named", boolean(), &a.Enabled),
	}
}

func timeoutsKeys(s *pop3.Server) []key {
	return []key{
		on("connect", "30s", "longest wait for the connection, the TLS handshake and the greeting, each", duration(time.Second), &s.Connect),
		on("idle", "60s", "longest wait for a reply", duration(time.Second), &s.Idle),
		on("session", "none", "longest time of a whole session; 0 means no limit", duration(0), &s.Session),
	}
}

func krbKeys(k *sasl.Kerberos) []key {
	return []key{
		on("config", "/etc/krb5.conf", "Kerberos configuration file", path(), &k.Config),
		on("ccache", "$KRB5CCNAME", "credential cache file", path(), &k.CCache),
		on("keytab", "", "keytab file, to use instead of a cache", path(), &k.Keytab),
		on("principal", "user", "principal of the client", str("a string"), &k.Principal),
		on("service", "pop/HOST", "principal of the server", str("a string"), &k.Service),
	}
}

func keepKeys(k *plan.Keep) []key {
	return []key{
		on("days", "", "delete messages first seen more than this many days ago", integer(1, 36500), &k.Days),
		on("newest", "", "delete all but this many of the newest messages", integer(1, 100_000_000), &k.Newest),
		on("below", "", "delete the oldest messages while the maildrop is larger than this size", size(), &k.Below),
	}
}

func limitKeys(l *plan.Limits) []key {
	return []key{
		on("messages", "", "largest number of messages in a run", integer(1, 100_000_000), &l.Messages),
		on("bytes", "", "largest number of bytes in a run", size(), &l.Bytes),
		on("bytes_per_day", "", "largest number of bytes in a day", size(), &l.BytesPerDay),
		on("rate", "", "largest number of bytes a second, such as `1MiB` or `1MiB/s`", rate(), &l.Rate),
	}
}

func envelopeKeys(e *header.Envelope) []key {
	return []key{
		on("header", "", "name of the field, such as `Delivered-To`", fieldName(), &e.Header),
		on("strip", "", "text to remove from the start of the address", str("a string"), &e.Strip),
		on("occurrence", "1", "which of several such fields to use, counted from the top", integer(1, 1000), &e.Occurrence),
	}
}

func headersKeys(received *bool) []key {
	return []key{
		on("received", "false", "add a Received field at the top", boolean(), received),
	}
}

func dedupeKeys(d *Dedupe) []key {
	return []key{
		on("by", "off", "how a duplicate is recognised: `off`, `message-id` or `content`", oneOf(DedupeOff, DedupeMessageID, DedupeContent), &d.By),
		on("action", "skip", "what happens to a duplicate: `skip`, `tag` or `deliver`", oneOf(DuplicateSkip, DuplicateTag, DuplicateDeliver), &d.Action),
	}
}

func alertKeys(a *Alert) []key {
	return []key{
		on("command", "", "command to run", argv(), &a.Command),
		on("webhook", "", "URL that gets a POST with a JSON object", webURL(), &a.Webhook),
		on("after", "24h", "time without a success until command and webhook are used", duration(time.Minute), &a.After),
		on("ping", "", "URL of a healthcheck service that gets each start, success and failure", webURL(), &a.Ping),
	}
}
