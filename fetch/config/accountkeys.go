package config

import (
	"crypto/tls"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// accountKeys is the table of an account, in the order of the manual.
func accountKeys(a *Account) []key {
	var out []key
	for _, part := range [][]key{serverKeys(a), loginKeys(a), mailKeys(a), runKeys(a)} {
		out = append(out, part...)
	}
	return out
}

func serverKeys(a *Account) []key {
	return []key{
		given("server", "", "host or host:port; port 995 for tls: implicit, 110 otherwise", server(),
			func(s Server) { a.Server.Host, a.Server.Port = s.Host, s.Port }),
		on("tls", "implicit", "implicit TLS, STLS, or none (loopback, or insecure: true)", oneOf(pop3.ImplicitTLS, pop3.STLS, pop3.Plain), &a.Server.Security),
		on("ca_file", "the system's", "PEM file of the authorities to trust instead", path(), &a.TLS.CAFile),
		on("server_name", "the host", "name expected in the certificate", hostName(), &a.TLS.ServerName),
		on("pin", "", "public keys to accept: sha256/BASE64 of the SubjectPublicKeyInfo", oneOrMore(pin(), "a pin or a list of pins"), &a.TLS.Pins),
		on("client_cert", "", "PEM file with our certificate", path(), &a.TLS.ClientCert),
		on("client_key", "client_cert", "PEM file with its key", path(), &a.TLS.ClientKey),
		on("min_version", "1.2", "oldest TLS version accepted",
			choice(minVersionNames, uint16(tls.VersionTLS10), tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13), &a.TLS.MinVersion),
		on("legacy", "false", "allow TLS 1.0 and broken ciphers, with a warning", boolean(), &a.TLS.Legacy),
		on("insecure", "false", "allow a login without TLS to another machine", boolean(), &a.Server.Insecure),
		on("timeout", "60s", "longest wait for the server; the same as timeouts.idle", duration(time.Second), &a.Server.Idle),
		within("timeouts", "the waits one by one", timeoutsKeys, &a.Server),
		on("proxy", "", "socks5://HOST:PORT or http://HOST:PORT (CONNECT)", either(proxyURL("a URL, or a mapping of url, user, password"), pointer(proxyMapping())), &a.Route.Proxy),
		on("tunnel", "", "command whose stdin and stdout are the connection", argv(), &a.Route.Tunnel),
		on("bind", "", "local address to connect from",
			parsed("an IP address", schema{"type": "string"}, parseAddr), &a.Route.Bind),
		on("pipelining", "auto", "send commands ahead of replies; auto: if the server announces it and it works",
			oneOf(pop3.PipelineAuto, pop3.PipelineOn, pop3.PipelineOff), &a.Server.Pipelining),
	}
}

func loginKeys(a *Account) []key {
	return []key{
		on("user", "", "login name", str("a string"), &a.User),
		on("auth", "auto", "how to log in; auto: the strongest offered that there is a secret for", oneOf(sasl.Methods()...), &a.Auth),
		on("password", "", "where the password is", secret(), &a.Password),
		on("token", "", "where an OAuth2 access token is, instead of oauth", secret(), &a.Token),
		on("oauth", "", "OAuth2, for auth xoauth2 and oauthbearer", pointer(oauthMapping()), &a.OAuth),
		on("krb", "", "Kerberos, for auth gssapi", mapping("a mapping", sasl.Kerberos{}, krbKeys, nil), &a.Kerberos),
		on("utf8", "auto", "UTF8 command (RFC 6856); auto: wherever the server announces it", enum[UTF8](utf8Names), &a.UTF8),
		on("lang", "", "language of the server's texts (RFC 6856), such as de", str("a language tag"), &a.Server.Lang),
	}
}

func mailKeys(a *Account) []key {
	return []key{
		on("keep", "all", "what stays on the server: all, none once delivered, or by rules", keep(), &a.Keep),
		on("deliver", "", "where mail goes; a message is done when all targets have it",
			list(target(), "a list of targets, each such as - maildir: PATH"), &a.Deliver),
		on("max_size", "", "larger messages are skipped and reported", size(), &a.MaxSize),
		on("limit", "", "bounds of a run; gmail is bytes_per_day: 1200MiB", either(limitPreset(),
			mapping("a mapping", Limit{}, limitKeys, nil)), &a.Limit),
		on("to", "", "take the recipient from each message: a shared mailbox", pointer(multidrop()), &a.To),
		on("on_reject", "quarantine", "a message refused for good: set it aside, or keep it on the server and try again",
			enum[OnReject](rejectNames), &a.OnReject),
		on("poison", "3", "failures in a row after which a message is set aside; 0 for never", integer(0, 1000), &a.Poison),
		on("headers", "", "header fields to add", mapping("a mapping", Headers{}, headersKeys, nil), &a.Headers),
		on("dedupe", "off", "look for the message in the target before delivering", dedupe(), &a.Dedupe),
		on("remember", "90d", "how long a seen message is remembered after it was last listed", duration(day), &a.Remember),
		on("gmail", "off", "recent: the last 30 days, whatever other programs fetched", enum[Gmail](gmailNames), &a.Gmail),
	}
}

func runKeys(a *Account) []key {
	return []key{
		on("every", "15m", "loop's interval", duration(time.Second), &a.Every),
		on("cron", "", "loop's times, as in crontab, instead of every", cron(), &a.Cron),
		on("quiet", "", "time of day without runs, such as 23:00-06:00", window(), &a.Quiet),
		on("jitter", "a tenth of every", "most that is added to a start at random", duration(0), &a.Jitter),
		on("before", "", "command run before a run", argv(), &a.Before),
		on("after", "", "command run after a run", argv(), &a.After),
		on("alert", "", "tell someone when the account keeps failing", mapping("a mapping", freshAlert(), alertKeys, checkAlert), &a.Alert),
		on("id", "user@host", "name of the state; set it to keep the state when a server is renamed", stateID(), &a.ID),
		on("enabled", "true", "fetch this account when none is named", boolean(), &a.Enabled),
	}
}

func timeoutsKeys(s *pop3.Server) []key {
	return []key{
		on("connect", "30s", "connecting, TLS and greeting, each", duration(time.Second), &s.Connect),
		on("idle", "60s", "waiting for the server", duration(time.Second), &s.Idle),
		on("session", "none", "a whole session; 0 for no bound", duration(0), &s.Session),
	}
}

func krbKeys(k *sasl.Kerberos) []key {
	return []key{
		on("config", "/etc/krb5.conf", "Kerberos configuration file", path(), &k.Config),
		on("ccache", "$KRB5CCNAME", "credential cache file", path(), &k.CCache),
		on("keytab", "", "keytab file, instead of a cache", path(), &k.Keytab),
		on("principal", "user", "client principal", str("a string"), &k.Principal),
		on("service", "pop/HOST", "service principal", str("a string"), &k.Service),
	}
}

func keepKeys(k *Keep) []key {
	return []key{
		on("days", "", "delete what was first seen longer ago", integer(1, 36500), &k.Days),
		on("newest", "", "delete all but the newest", integer(1, 100_000_000), &k.Newest),
		on("below", "", "delete the oldest while the maildrop is larger", size(), &k.Below),
	}
}

func limitKeys(l *Limit) []key {
	return []key{
		on("messages", "", "messages a run", integer(1, 100_000_000), &l.Messages),
		on("bytes", "", "bytes a run", size(), &l.Bytes),
		on("bytes_per_day", "", "bytes in 24 hours", size(), &l.BytesPerDay),
		on("rate", "", "bytes a second, such as 1MiB or 1MiB/s", rate(), &l.Rate),
	}
}

func multidropKeys(m *Multidrop) []key {
	return []key{
		on("header", "", "field that holds the recipient, such as Delivered-To", fieldName(), &m.Header),
		on("strip", "", "removed from the start of the address", str("a string"), &m.Strip),
		on("occurrence", "1", "which of several such fields counts, from the top", integer(1, 1000), &m.Occurrence),
	}
}

func headersKeys(h *Headers) []key {
	return []key{
		on("received", "false", "add a Received field", boolean(), &h.Received),
	}
}

func dedupeKeys(d *Dedupe) []key {
	return []key{
		on("by", "off", "how the same message is recognised", enum[DedupeBy](dedupeNames), &d.By),
		on("action", "skip", "what to do with it", enum[Duplicate](duplicateNames), &d.Action),
	}
}

func alertKeys(a *Alert) []key {
	return []key{
		on("command", "", "command to run", argv(), &a.Command),
		on("webhook", "", "URL to POST to", webURL(), &a.Webhook),
		on("after", "24h", "how long without a success", duration(time.Minute), &a.After),
		on("ping", "", "healthcheck URL told of each start, success and failure", webURL(), &a.Ping),
	}
}
