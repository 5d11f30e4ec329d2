package config

import (
	"crypto/tls"
	"net/netip"
	"time"
)

// accountKeys is the table of an account, in the order of the manual.
func accountKeys() []key[Account] {
	var out []key[Account]
	for _, part := range [][]key[Account]{serverKeys(), loginKeys(), mailKeys(), runKeys()} {
		out = append(out, part...)
	}
	return out
}

func serverKeys() []key[Account] {
	return []key[Account]{
		on("server", "", "host or host:port; port 995 for tls: implicit, 110 otherwise", server(),
			func(a *Account) *Server { return &a.Server }),
		on("tls", "implicit", "implicit TLS, STLS, or none (loopback, or insecure: true)", enum[TLS](tlsNames),
			func(a *Account) *TLS { return &a.TLS }),
		on("ca_file", "the system's", "PEM file of the authorities to trust instead", path(),
			func(a *Account) *string { return &a.CAFile }),
		on("server_name", "the host", "name expected in the certificate", hostName(),
			func(a *Account) *string { return &a.ServerName }),
		on("pin", "", "public keys to accept: sha256/BASE64 of the SubjectPublicKeyInfo", oneOrMore(pin(), "a pin or a list of pins"),
			func(a *Account) *[][32]byte { return &a.Pins }),
		on("client_cert", "", "PEM file with our certificate", path(), func(a *Account) *string { return &a.ClientCert }),
		on("client_key", "client_cert", "PEM file with its key", path(), func(a *Account) *string { return &a.ClientKey }),
		on("min_version", "1.2", "oldest TLS version accepted",
			choice(minVersionNames, uint16(tls.VersionTLS10), tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13),
			func(a *Account) *uint16 { return &a.MinVersion }),
		on("legacy", "false", "allow TLS 1.0 and broken ciphers, with a warning", boolean(),
			func(a *Account) *bool { return &a.Legacy }),
		on("insecure", "false", "allow a login without TLS to another machine", boolean(),
			func(a *Account) *bool { return &a.Insecure }),
		on("timeout", "60s", "longest wait for the server; the same as timeouts.idle", duration(time.Second),
			func(a *Account) *time.Duration { return &a.Timeouts.Idle }),
		{name: "timeouts", doc: "the waits one by one", info: timeoutsInfo(), set: setTimeouts},
		on("proxy", "", "socks5://HOST:PORT or http://HOST:PORT (CONNECT)", either(proxyURL(), pointer(proxyMapping())),
			func(a *Account) **Proxy { return &a.Proxy }),
		on("tunnel", "", "command whose stdin and stdout are the connection", argv(),
			func(a *Account) *[]string { return &a.Tunnel }),
		on("bind", "", "local address to connect from",
			parsed("an IP address", schema{"type": "string"}, parseAddr), func(a *Account) *netip.Addr { return &a.Bind }),
		on("pipelining", "auto", "send commands ahead of replies; auto: if the server announces it and it works",
			enum[Pipelining](pipeliningNames), func(a *Account) *Pipelining { return &a.Pipelining }),
	}
}

func loginKeys() []key[Account] {
	return []key[Account]{
		on("user", "", "login name", str("a string"), func(a *Account) *string { return &a.User }),
		on("auth", "auto", "how to log in; auto: the strongest offered that there is a secret for", enum[Auth](authNames),
			func(a *Account) *Auth { return &a.Auth }),
		on("password", "", "where the password is", secret(), func(a *Account) *Secret { return &a.Password }),
		on("token", "", "where an OAuth2 access token is, instead of oauth", secret(), func(a *Account) *Secret { return &a.Token }),
		on("oauth", "", "OAuth2, for auth xoauth2 and oauthbearer", pointer(oauthMapping()),
			func(a *Account) **OAuth { return &a.OAuth }),
		on("krb", "", "Kerberos, for auth gssapi", mapping("a mapping", zero[Krb], krbKeys, nil), func(a *Account) *Krb { return &a.Krb }),
		on("utf8", "auto", "UTF8 command (RFC 6856); auto: wherever the server announces it", enum[UTF8](utf8Names),
			func(a *Account) *UTF8 { return &a.UTF8 }),
		on("lang", "", "language of the server's texts (RFC 6856), such as de", str("a language tag"),
			func(a *Account) *string { return &a.Lang }),
	}
}

func mailKeys() []key[Account] {
	return []key[Account]{
		on("keep", "all", "what stays on the server: all, none once delivered, or by rules", keep(),
			func(a *Account) *Keep { return &a.Keep }),
		on("deliver", "", "where mail goes; a message is done when all targets have it",
			list(target(), "a list of targets, each such as - maildir: PATH"), func(a *Account) *[]Target { return &a.Deliver }),
		on("max_size", "", "larger messages are skipped and reported", size(), func(a *Account) *int64 { return &a.MaxSize }),
		on("limit", "", "bounds of a run; gmail is bytes_per_day: 1200MiB", either(limitPreset(),
			mapping("a mapping", zero[Limit], limitKeys, nil)), func(a *Account) *Limit { return &a.Limit }),
		on("to", "", "take the recipient from each message: a shared mailbox", pointer(multidrop()),
			func(a *Account) **Multidrop { return &a.To }),
		on("on_reject", "quarantine", "a message refused for good: set it aside, or keep it on the server and try again",
			enum[OnReject](rejectNames), func(a *Account) *OnReject { return &a.OnReject }),
		on("poison", "3", "failures in a row after which a message is set aside; 0 for never", integer(0, 1000),
			func(a *Account) *int { return &a.Poison }),
		on("headers", "", "header fields to add", mapping("a mapping", zero[Headers], headersKeys, nil),
			func(a *Account) *Headers { return &a.Headers }),
		on("dedupe", "off", "look for the message in the target before delivering", dedupe(),
			func(a *Account) *Dedupe { return &a.Dedupe }),
		on("remember", "90d", "how long a seen message is remembered after it was last listed", duration(day),
			func(a *Account) *time.Duration { return &a.Remember }),
		on("gmail", "off", "recent: the last 30 days, whatever other programs fetched", enum[Gmail](gmailNames),
			func(a *Account) *Gmail { return &a.Gmail }),
	}
}

func runKeys() []key[Account] {
	return []key[Account]{
		on("every", "15m", "loop's interval", duration(time.Second), func(a *Account) *time.Duration { return &a.Every }),
		on("cron", "", "loop's times, as in crontab, instead of every", cron(), func(a *Account) *string { return &a.Cron }),
		on("quiet", "", "time of day without runs, such as 23:00-06:00", window(), func(a *Account) *Window { return &a.Quiet }),
		on("jitter", "a tenth of every", "most that is added to a start at random", duration(0),
			func(a *Account) *time.Duration { return &a.Jitter }),
		on("before", "", "command run before a run", argv(), func(a *Account) *[]string { return &a.Before }),
		on("after", "", "command run after a run", argv(), func(a *Account) *[]string { return &a.After }),
		on("alert", "", "tell someone when the account keeps failing", mapping("a mapping", freshAlert, alertKeys, checkAlert),
			func(a *Account) *Alert { return &a.Alert }),
		on("id", "user@host", "name of the state; set it to keep the state when a server is renamed", stateID(),
			func(a *Account) *string { return &a.ID }),
		on("enabled", "true", "fetch this account when none is named", boolean(), func(a *Account) *bool { return &a.Enabled }),
	}
}

func timeoutsKeys() []key[Timeouts] {
	return []key[Timeouts]{
		on("connect", "30s", "connecting, TLS and greeting, each", duration(time.Second), func(t *Timeouts) *time.Duration { return &t.Connect }),
		on("idle", "60s", "waiting for the server", duration(time.Second), func(t *Timeouts) *time.Duration { return &t.Idle }),
		on("session", "none", "a whole session; 0 for no bound", duration(0), func(t *Timeouts) *time.Duration { return &t.Session }),
	}
}

func krbKeys() []key[Krb] {
	return []key[Krb]{
		on("config", "/etc/krb5.conf", "Kerberos configuration file", path(), func(k *Krb) *string { return &k.Config }),
		on("ccache", "$KRB5CCNAME", "credential cache file", path(), func(k *Krb) *string { return &k.Ccache }),
		on("keytab", "", "keytab file, instead of a cache", path(), func(k *Krb) *string { return &k.Keytab }),
		on("principal", "user", "client principal", str("a string"), func(k *Krb) *string { return &k.Principal }),
		on("service", "pop/HOST", "service principal", str("a string"), func(k *Krb) *string { return &k.Service }),
	}
}

func keepKeys() []key[Keep] {
	return []key[Keep]{
		on("days", "", "delete what was first seen longer ago", integer(1, 36500), func(k *Keep) *int { return &k.Days }),
		on("newest", "", "delete all but the newest", integer(1, 100_000_000), func(k *Keep) *int { return &k.Newest }),
		on("below", "", "delete the oldest while the maildrop is larger", size(), func(k *Keep) *int64 { return &k.Below }),
	}
}

func limitKeys() []key[Limit] {
	return []key[Limit]{
		on("messages", "", "messages a run", integer(1, 100_000_000), func(l *Limit) *int { return &l.Messages }),
		on("bytes", "", "bytes a run", size(), func(l *Limit) *int64 { return &l.Bytes }),
		on("bytes_per_day", "", "bytes in 24 hours", size(), func(l *Limit) *int64 { return &l.BytesPerDay }),
		on("rate", "", "bytes a second, such as 1MiB or 1MiB/s", rate(), func(l *Limit) *int64 { return &l.Rate }),
	}
}

func multidropKeys() []key[Multidrop] {
	return []key[Multidrop]{
		on("header", "", "field that holds the recipient, such as Delivered-To", fieldName(), func(m *Multidrop) *string { return &m.Header }),
		on("strip", "", "removed from the start of the address", str("a string"), func(m *Multidrop) *string { return &m.Strip }),
		on("occurrence", "1", "which of several such fields counts, from the top", integer(1, 1000), func(m *Multidrop) *int { return &m.Occurrence }),
	}
}

func headersKeys() []key[Headers] {
	return []key[Headers]{
		on("received", "false", "add a Received field", boolean(), func(h *Headers) *bool { return &h.Received }),
	}
}

func dedupeKeys() []key[Dedupe] {
	return []key[Dedupe]{
		on("by", "off", "how the same message is recognised", enum[DedupeBy](dedupeNames), func(d *Dedupe) *DedupeBy { return &d.By }),
		on("action", "skip", "what to do with it", enum[Duplicate](duplicateNames), func(d *Dedupe) *Duplicate { return &d.Action }),
	}
}

func alertKeys() []key[Alert] {
	return []key[Alert]{
		on("command", "", "command to run", argv(), func(a *Alert) *[]string { return &a.Command }),
		on("webhook", "", "URL to POST to", webURL(), func(a *Alert) *string { return &a.Webhook }),
		on("after", "24h", "how long without a success", duration(time.Minute), func(a *Alert) *time.Duration { return &a.After }),
		on("ping", "", "healthcheck URL told of each start, success and failure", webURL(), func(a *Alert) *string { return &a.Ping }),
	}
}
