package config

import (
	"time"

	"gopkg.in/yaml.v3"
)

// RelayTLS says how a connection to a relay is protected.
type RelayTLS uint8

// The values of smtp.tls and lmtp.tls.
const (
	RelayStartTLS RelayTLS = iota
	RelayImplicit
	RelayNone
)

// String returns the word used in the configuration.
func (v RelayTLS) String() string { return word(v, relayTLSNames) }

// Relay is a server that takes mail by SMTP or LMTP.
type Relay struct {
	// Server's Port is set unless it is a Socket.
	Server Server
	// To are the recipients; empty only if the account takes them from each
	// message. From is the sender of messages without a Return-Path; empty
	// is <>.
	To   []string
	From string
	// TLS is RelayNone by default on this machine, else RelayStartTLS.
	TLS RelayTLS
	// Insecure allows TLS none to another machine.
	Insecure           bool
	CAFile, ServerName string
	// User and Password log in; User is empty for none.
	User     string
	Password Secret
	// Helo is the name for EHLO or LHLO; empty: this machine's.
	Helo    string
	Timeout time.Duration
}

func freshRelay() Relay { return Relay{Timeout: 5 * time.Minute} }

func smtpKeys(r *Relay) []key {
	return append([]key{
		on("server", "", "relay as `HOST` or `HOST:PORT`; the port is 25, or 465 with implicit TLS", server(), &r.Server),
	}, relayKeys(r)...)
}

func lmtpKeys(r *Relay) []key {
	return append([]key{
		on("server", "", "server as `HOST:PORT`, or the path of a socket", serverOrSocket(), &r.Server),
	}, relayKeys(r)...)
}

func relayKeys(r *Relay) []key {
	return []key{
		on("to", "", "one or several recipients", oneOrMore(recipient(), "an address or a list of addresses"), &r.To),
		on("from", "<>", "sender of messages that have no Return-Path",
			parsed("an address", schema{"type": "string"}, func(_ *walker, s string) (string, error) {
				if s == "" || s == "<>" {
					return "", nil
				}
				return s, checkAddress(s)
			}), &r.From),
		on("tls", "none on this machine, else starttls", "how the connection is protected: `starttls`, `implicit` or `none`", enum[RelayTLS](relayTLSNames), &r.TLS),
		on("insecure", "false", "allow tls: none to another machine", boolean(), &r.Insecure),
		on("ca_file", "the system's", "PEM file with the certificates of the authorities to trust", path(), &r.CAFile),
		on("server_name", "the host", "host name that the certificate must have", hostName(), &r.ServerName),
		on("user", "", "login name at the server", str("a string"), &r.User),
		on("password", "", "password at the server, a secret", secret(), &r.Password),
		on("helo", "this machine's name", "host name to send in EHLO or LHLO", hostName(), &r.Helo),
		on("timeout", "5m", "longest wait for a reply", duration(time.Second), &r.Timeout),
	}
}

func checkSMTP(w *walker, path string, n *yaml.Node, r *Relay) { checkRelay(w, path, n, r, TargetSMTP) }
func checkLMTP(w *walker, path string, n *yaml.Node, r *Relay) { checkRelay(w, path, n, r, TargetLMTP) }

func checkRelay(w *walker, path string, n *yaml.Node, r *Relay, k TargetKind) {
	w.needs(path, n, "server")
	if w.has(path, "user") != w.has(path, "password") {
		w.errorf(n, path, "wants both user and password, or neither")
	}
	if (r.Server == Server{}) {
		return // missing or wrong, and reported
	}
	if msg := r.complete(k, w.has(path, "tls")); msg != "" {
		w.errorf(n, path, "%s", msg)
	}
	if r.CAFile != "" {
		if err := readable(r.CAFile); err != nil {
			w.errorf(w.marks[path+".ca_file"].value, path+".ca_file", "%v", err)
		}
	}
}

// complete fills in what follows from other fields and returns what is wrong,
// or "".
func (r *Relay) complete(k TargetKind, tlsSet bool) string {
	if !tlsSet && r.Server.Local() {
		r.TLS = RelayNone
	}
	if r.Server.Socket == "" && r.Server.Port == 0 {
		if k == TargetLMTP {
			return "LMTP has no port of its own: name it (server: host:port, lmtp://HOST:PORT), or a socket's path"
		}
		r.Server.Port = 25
		if r.TLS == RelayImplicit {
			r.Server.Port = 465
		}
	}
	r.Password = r.Password.bind(r.Server.Host, r.User)
	switch {
	case k == TargetLMTP && r.Server.Port == 25:
		return "LMTP is never on port 25, which is for SMTP: name its own port"
	case r.TLS == RelayNone && !r.Server.Local() && !r.Insecure:
		return "no TLS to another machine: anyone on the way can read the mail (insecure: true, or &insecure=true in --to, allows it)"
	}
	return ""
}
