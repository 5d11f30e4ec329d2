package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/oauth/provider"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
)

const day = 24 * time.Hour

// account wraps keys into an account that lacks nothing. They start at line 6,
// column 5.
func account(keys string) string {
	return "accounts:\n  work:\n    server: pop.example.org\n    user: alice\n    deliver: [{maildir: /m}]\n" +
		"    " + strings.ReplaceAll(strings.TrimRight(keys, "\n"), "\n", "\n    ") + "\n"
}

// parse reads text as /etc/m.yaml with a fixed environment.
func parse(text string) (*Config, error) {
	return Parse("/etc/m.yaml", []byte(text), Options{
		Targets: target.Rows().Kinds(),
		LookupEnv: func(name string) (string, bool) {
			v, ok := map[string]string{"HOME": "/home/al", "MAIL": "/var/m"}[name]
			return v, ok
		},
	})
}

// targets are the targets of mailhaul.
func targets() Options { return Options{Targets: target.Rows().Kinds()} }

// messages returns the error's lines without the file name.
func messages(err error) string {
	if err == nil {
		return ""
	}
	lines := strings.Split(err.Error(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "/etc/m.yaml:")
	}
	return strings.Join(lines, "\n")
}

func TestBadFiles(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "",
			"1:1: is empty: it needs an accounts: section"},
		{"comment only", "# nothing\n",
			"1:1: is empty: it needs an accounts: section"},
		{"null", "~\n",
			"1:1: is empty: it needs an accounts: section"},
		{"list", "- a\n",
			"1:1: wants a mapping with accounts: in it, not a list"},
		{"scalar", "hello\n",
			"1:1: wants a mapping with accounts: in it, not a string"},
		{"tab", "accounts:\n\twork:\n",
			"2:1: a tab indents this line: YAML wants spaces"},
		{"unclosed", "accounts: [a\n",
			"1:1: is not YAML: did not find expected ',' or ']'"},
		{"bracket not closed", "accounts:\n  work:\n    deliver: [{maildir: /m}\n    user: u\n",
			"3:1: is not YAML: did not find expected ',' or ']'"},
		{"indented too little", "accounts:\n  work:\n    server: h\n   user: u\n",
			"4:4: this line is indented by 3 spaces, which matches no line above it (0, 2 or 4)"},
		{"indented too much", "accounts:\n  work:\n    server: h\n\n    # comment\n     user: u\n",
			"6:6: this line is indented by 5 spaces, more than the line above it, which has a value already"},
		{"list indented too little", "accounts:\n  a:\n    deliver:\n      - maildir: /m\n     - maildir: /n\n    server: h\n  b:\n   " +
			" server: i\n",
			"5:6: this line is indented by 5 spaces, which matches no line above it (0, 2, 4, 6 or 8)"},
		{"key of a target", "accounts:\n  a:\n    deliver:\n    - maildir: /m\n     mode: x\n    server: h\n",
			"5:6: this line is indented by 5 spaces, which matches no line above it (0, 2, 4 or 6)"},
		{"first line indented", "  state: /s\naccounts:\n  a:\n    server: h\n",
			"2:1: this line is indented by 0 spaces, which matches no line above it (2)"},
		{"indentation, CRLF", "accounts:\r\n  work:\r\n    server: h\r\n   user: u\r\n",
			"4:4: this line is indented by 3 spaces, which matches no line above it (0, 2 or 4)"},
		{"indentation, second document", "state: /s\n---\na:\n    b: 1\n   c: 2\n",
			"5:4: this line is indented by 3 spaces, which matches no line above it (0 or 4)"},
		{"text behind quotes", "accounts:\n  work:\n    server: h\n    password: \"abc\"def\n    user: u\n",
			"4:1: is not YAML: did not find expected key"},
		{"list among keys", "accounts:\n  work:\n    server: h\n    - x\n",
			"4:1: is not YAML: did not find expected key"},
		{"two colons", "accounts:\n  work: # mine\n    server: a: b\n",
			"3:1: is not YAML: mapping values are not allowed in this context"},
		{"two documents", "accounts:\n  a: {server: h, user: u, deliver: [{maildir: /m}]}\n---\nstate: /x\n",
			"3:1: a second YAML document starts here: only one is read"},
		{"no accounts", "parallel: 2\n",
			"1:1: has no accounts: section"},
		{"accounts empty", "accounts: {}\n",
			"1:11: accounts: is empty: it needs at least one account"},
		{"accounts null", "accounts:\n",
			"1:10: accounts: wants a mapping of accounts: each name with its keys, not nothing"},
		{"accounts list", "accounts: [work]\n",
			"1:11: accounts: wants a mapping of accounts: each name with its keys, not a list"},
		{"account null", "accounts:\n  work:\n",
			"2:8: accounts.work: wants a mapping of account keys, not nothing"},
		{"account name", "accounts:\n  -x: {}\n",
			"2:3: accounts: an account's name is made of letters, digits and . _ - + @, and starts with a letter or digit"},
		{"account name with space", "accounts:\n  my work: {}\n",
			"2:3: accounts: an account's name is made of letters, digits and . _ - + @, and starts with a letter or digit"},
		{"missing everything", "accounts:\n  work: {}\n",
			"2:3: accounts.work: server is missing\n2:3: accounts.work: user is missing\n2:3: accounts.work: deliver is missing"},
		{"unknown top key", "acounts:\n  a: {}\n",
			"1:1: acounts: unknown key (did you mean \"accounts\"?)"},
		{"missing space", "{password:hunter2: 1}\n",
			"1:2: unknown key (is a space missing after a colon?)"},
		{"duplicate key", "parallel: 1\nparallel: 2\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"2:1: parallel: is set twice, first at line 1"},
		{"duplicate account", "accounts:\n  a: {server: h, user: u, deliver: [{maildir: /m}]}\n  a: {server: h}\n",
			"3:3: accounts.a: is set twice, first at line 2"},
		{"key is a list", "? [a]\n: 1\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:3: a key must be a string, not a list"},
		{"metrics", "metrics: 0.0.0.0:9110\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:10: metrics: must be a loopback address, or a mapping with listen and token: metrics would not be protected"},
		{"metrics for everybody", "metrics: {listen: ':9110'}\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:19: metrics.listen: must be a loopback address without token, or user and password: metrics would not be protected"},
		{"metrics both ways", "metrics: {listen: ':9110', token: {env: T}, user: u}\naccounts: {a: {server: h, user: u, deliver: [{maildir: " +
			"/m}]}}\n",
			"1:35: metrics.token: conflicts with user and password"},
		{"metrics with half a login", "metrics: {listen: ':9110', user: u}\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:10: metrics: wants user and password together"},
		{"metrics nowhere", "metrics: {token: {env: T}}\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:10: metrics: wants listen"},
		{"log", "log: {level: warning, format: jsno}\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:14: log.level: wants one of debug, info, warn, error, not \"warning\"\n" +
				"1:31: log.format: wants one of text, json, not \"jsno\" (did you mean \"json\"?)"},
		{"state variable", "state: $NOWHERE/m\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:8: state: the variable $NOWHERE is not set (cron and systemd set few): write the path out"},
		{"state tilde", "state: ~\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:8: state: wants a path, not nothing (a lone ~ is YAML for nothing: quote it, \"~\")"},
		{"same maildrop", "accounts:\n  a: {server: h, user: u, deliver: [{maildir: /m}]}\n" +
			"  b: {server: 'H:995', user: u, deliver: [{maildir: /n}]}\n",
			"3:3: accounts.b: is the same mailbox as accounts.a (u@h): both would share one list of what was fetched; remove one, or " +
				"give it an id of its own"},
		{"defaults once", "defaults: {timeout: 60}\naccounts:\n  a: {server: h, user: u, deliver: [{maildir: /m}]}\n" +
			"  b: {server: i, user: u, deliver: [{maildir: /n}]}\n",
			"1:21: defaults.timeout: wants a duration such as 90s, 5m, 12h or 14d: it has no unit (did you mean \"60s\"?)"},
		{"defaults file once", "defaults: {ca_file: /nonexistent/ca.pem}\naccounts:\n" +
			"  a: {server: h, user: u, deliver: [{maildir: /m}]}\n  b: {server: i, user: u, deliver: [{maildir: /n}]}\n",
			"1:21: defaults.ca_file: /nonexistent/ca.pem: no such file or directory"},
		{"merge of a string", "accounts:\n  a: {<<: text, server: h, user: u, deliver: [{maildir: /m}]}\n",
			"2:11: accounts.a: << wants a mapping to merge, not a string"},
		{"user null", "accounts:\n  a: {server: h, user: null, deliver: [{maildir: /m}]}\n",
			"2:24: accounts.a.user: wants a string, not nothing"},
		{"user with CRLF", "accounts:\n  a: {server: h, user: \"u\\r\\nDELE 1\", deliver: [{maildir: /m}]}\n",
			"2:24: accounts.a.user: has a line break or another control character in it"},
		{"account key at the top", "timeout: 5s\naccounts: {a: {server: h, user: u, deliver: [{maildir: /m}]}}\n",
			"1:1: timeout: unknown key here: it belongs to an account, or to defaults"},
		{"unquoted star", "accounts:\n  a:\n    password: *hunter2\n",
			"3:15: is not YAML: an alias (*...) names no anchor; text that starts with * must be quoted"},
		{"deliver []", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: []\n",
			"5:14: accounts.work.deliver: is empty"},
		{"deliver /m", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: /m\n",
			"5:14: accounts.work.deliver: wants a list of targets, each such as - maildir: PATH, not a string"},
		{"deliver [maildir]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [maildir]\n",
			"5:15: accounts.work.deliver[0]: wants a target such as maildir: PATH, not a string"},
		{"deliver [{mailder: /m}]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{mailder: /m}]\n",
			"5:16: accounts.work.deliver[0].mailder: unknown key (did you mean \"maildir\"?)"},
		{"deliver [{maildir: /m, mbox: /n}]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{maildir: /m, mbox: /n}]\n",
			"5:15: accounts.work.deliver[0]: wants exactly one of maildir, mbox, imap, gmail, jmap, smtp, lmtp, pipe, http, files (is a - missing " +
				"before the next?)"},
		{"deliver [{maildir: /m}, {maildir: /m/}]", "accounts:\n  work:\n    server: h\n    user: u\n" +
			"    deliver: [{maildir: /m}, {maildir: /m/}]\n",
			"5:30: accounts.work.deliver[1]: is the same target as one above: remove one"},
		{"deliver [{gmail: {token: {command: [a]}}}, {gmail: {token: {command: [b]}}}]", "accounts:\n  work:\n    server: h\n    user: u\n" +
			"    deliver: [{gmail: {token: {command: [a]}}}, {gmail: {token: {command: [b]}}}]\n",
			"5:49: accounts.work.deliver[1]: is the same target as one above: remove one, or set user of each if they are two mailboxes"},
		{"deliver [{maildir: {}}]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{maildir: {}}]\n",
			"5:25: accounts.work.deliver[0].maildir: wants path"},
		{"deliver [{maildir: [a]}]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{maildir: [a]}]\n",
			"5:25: accounts.work.deliver[0].maildir: wants a path, or a mapping of path, not a list"},
		{"deliver [{}]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{}]\n",
			"5:15: accounts.work.deliver[0]: wants exactly one of maildir, mbox, imap, gmail, jmap, smtp, lmtp, pipe, http, files (is a - missing " +
				"before the next?)"},
		{"deliver [{mbox: {path: /m, format: mboxrx}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{mbox: {path: /m, format: mboxrx}}]\n",
			"5:41: accounts.work.deliver[0].mbox.format: wants one of mboxrd, mboxo, mboxcl2, not \"mboxrx\" (did you mean \"mboxrd\"?)"},
		{"deliver [{smtp: {server: 'mx.example.org', to: [a], tls: none}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{smtp: {server: 'mx.example.org', to: [a], tls: none}}]\n",
			"5:22: accounts.work.deliver[0].smtp: no TLS to another machine: anyone on the way can read the mail (insecure: true, or " +
				"&insecure=true in --to, allows it)"},
		{"deliver [{smtp: {server: localhost}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{smtp: {server: localhost}}]\n",
			"5:15: accounts.work.deliver[0].smtp: wants to: the recipients"},
		{"deliver [{smtp: {to: [a]}}]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{smtp: {to: [a]}}]\n",
			"5:22: accounts.work.deliver[0].smtp: wants server"},
		{"deliver [{smtp: {server: localhost, to: ['a b']}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{smtp: {server: localhost, to: ['a b']}}]\n",
			"5:47: accounts.work.deliver[0].smtp.to[0]: is not an address"},
		{"deliver [{smtp: {server: localhost, to: [a], user: u}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{smtp: {server: localhost, to: [a], user: u}}]\n",
			"5:22: accounts.work.deliver[0].smtp: wants both user and one of password, oauth and token, or none of them"},
		{"deliver [{lmtp: {server: 'localhost:25', to: [a]}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{lmtp: {server: 'localhost:25', to: [a]}}]\n",
			"5:22: accounts.work.deliver[0].lmtp: LMTP is never on port 25, which is for SMTP: name its own port"},
		{"deliver [{lmtp: {server: localhost, to: [a]}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{lmtp: {server: localhost, to: [a]}}]\n",
			"5:22: accounts.work.deliver[0].lmtp: LMTP has no port of its own: name it (server: host:port, lmtp://HOST:PORT), or a " +
				"socket's path"},
		{"deliver [{pipe: {command: maildrop -d alice}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{pipe: {command: maildrop -d alice}}]\n",
			"5:32: accounts.work.deliver[0].pipe.command: wants a list such as [program, argument], not a string: there is no shell " +
				"(if you need one: [sh, -c, \"...\"])"},
		{"deliver [{pipe: {}}]", "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{pipe: {}}]\n",
			"5:22: accounts.work.deliver[0].pipe: wants command"},
		{"deliver [{pipe: {command: [x], env: [A]}}]", "accounts:\n  work:\n    server: h\n    user: u\n" +
			"    deliver: [{pipe: {command: [x], env: [A]}}]\n",
			"5:43: accounts.work.deliver[0].pipe.env[0]: wants NAME=VALUE"},
		{"deliver [{smtp: {server: 'smtp://h', to: [a]}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{smtp: {server: 'smtp://h', to: [a]}}]\n",
			"5:31: accounts.work.deliver[0].smtp.server: wants host or host:port, not a URL (see tls:)"},
		{"deliver [{smtp: {server: 'h:99999', to: [a]}}]",
			"accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{smtp: {server: 'h:99999', to: [a]}}]\n",
			"5:31: accounts.work.deliver[0].smtp.server: the port must be a number from 1 to 65535"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse(tc.text)
			if diff := cmp.Diff(tc.want, messages(err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestBadAccounts(t *testing.T) {
	for _, tc := range []struct{ keys, want string }{
		{"keep: al",
			"6:11: accounts.work.keep: wants all, none, or a mapping of days, newest, below, not \"al\" (did you mean \"all\"?)"},
		{"keep: 3",
			"6:11: accounts.work.keep: wants all, none, or a mapping of days, newest, below, not \"3\""},
		{"keep: {}",
			"6:11: accounts.work.keep: has no rule: wants days, newest or below"},
		{"keep: {days: 0}",
			"6:18: accounts.work.keep.days: wants a number from 1 to 36500, not 0"},
		{"keep: {day: 3}",
			"6:12: accounts.work.keep.day: unknown key (did you mean \"days\"?)"},
		{"keep: {newest: 010}",
			"6:20: accounts.work.keep.newest: wants a number from 1 to 100000000, not 010"},
		{"keep: {below: 1G}",
			"6:19: accounts.work.keep.below: G can mean two things: write GB (thousands) or GiB (1024s)"},
		{"sever: x",
			"6:5: accounts.work.sever: unknown key (did you mean \"server\"?)"},
		{"port: 995",
			"6:5: accounts.work.port: unknown key (did you mean \"server\"?)"},
		{"host: x",
			"6:5: accounts.work.host: unknown key (did you mean \"server\"?)"},
		{"server: x",
			"6:5: accounts.work.server: is set twice, first at line 3"},
		{"tls: ssl",
			"6:10: accounts.work.tls: wants one of implicit, stls, none, not \"ssl\" (did you mean \"implicit\"?)"},
		{"tls: Implicit",
			"6:10: accounts.work.tls: wants one of implicit, stls, none, not \"Implicit\" (did you mean \"implicit\"?)"},
		{"tls: starttls",
			"6:10: accounts.work.tls: wants one of implicit, stls, none, not \"starttls\" (did you mean \"stls\"?)"},
		{"tls: none",
			"6:10: accounts.work.tls: none to another machine: anyone on the way can read password and mail (insecure: true allows it)"},
		{"tls: none\ninsecure: yes",
			"6:10: accounts.work.tls: none to another machine: anyone on the way can read password and mail (insecure: true allows " +
				"it)\n7:15: accounts.work.insecure: wants true or false (did you mean \"true\"?)"},
		{"tls: none\ninsecure: true\npin: sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
			"8:10: accounts.work.pin: has no use with tls: none"},
		{"pin: md5/abc",
			"6:10: accounts.work.pin: wants sha256/ and the base64 of 32 bytes, as `mailhaul check --connect` shows it"},
		{"ca_file: /nonexistent/ca.pem",
			"6:14: accounts.work.ca_file: /nonexistent/ca.pem: no such file or directory"},
		{"ca_file: /",
			"6:14: accounts.work.ca_file: /: not a regular file"},
		{"client_key: /nonexistent/k",
			"6:17: accounts.work.client_key: has no use without client_cert\n" +
				"6:17: accounts.work.client_key: /nonexistent/k: no such file or directory"},
		{"min_version: 1.4",
			"6:18: accounts.work.min_version: wants one of 1.0, 1.1, 1.2, 1.3, not \"1.4\""},
		{"timeout: 60",
			"6:14: accounts.work.timeout: wants a duration such as 90s, 5m, 12h or 14d: it has no unit (did you mean \"60s\"?)"},
		{"timeout: 1m30",
			"6:14: accounts.work.timeout: wants a duration such as 90s, 5m, 12h or 14d: it has no unit (did you mean \"1m30s\"?)"},
		{"timeout: -5s",
			"6:14: accounts.work.timeout: wants a duration such as 90s, 5m, 12h or 14d"},
		{"timeout: 5s\ntimeouts: {idle: 6s}",
			"7:22: accounts.work.timeouts.idle: conflicts with timeout: remove one of the two"},
		{"every: 5 minutes",
			"6:12: accounts.work.every: wants a duration such as 90s, 5m, 12h or 14d"},
		{"every: 5m\ncron: '* * * * *'",
			"7:11: accounts.work.cron: conflicts with every: remove one of the two"},
		{"cron: '* * *'",
			"6:11: accounts.work.cron: wants a cron expression of five fields, such as \"*/5 * * * *\""},
		{"max_size: 10M",
			"6:15: accounts.work.max_size: M can mean two things: write MB (thousands) or MiB (1024s)"},
		{"max_size: lots",
			"6:15: accounts.work.max_size: wants a size such as 10MB, 10MiB or a number of bytes"},
		{"max_size: 99999999TB",
			"6:15: accounts.work.max_size: is too large a size"},
		{"limit: {message: 5}",
			"6:13: accounts.work.limit.message: unknown key (did you mean \"messages\"?)"},
		{"limit: gmial",
			"6:12: accounts.work.limit: wants gmail, or a mapping of messages, bytes, bytes_per_day, rate, not \"gmial\" (did you " +
				"mean \"gmail\"?)"},
		{"limit: {messages: many}",
			"6:23: accounts.work.limit.messages: wants a number from 1 to 100000000, not a string"},
		{"limit: {messages: 0}",
			"6:23: accounts.work.limit.messages: wants a number from 1 to 100000000, not 0"},
		{"quiet: 23-6",
			"6:12: accounts.work.quiet: wants a time of day such as 23:00-06:00"},
		{"quiet: '06:00-06:00'",
			"6:12: accounts.work.quiet: starts and ends at the same time"},
		{"jitter: [1s]",
			"6:13: accounts.work.jitter: wants a duration, not a list"},
		{"enabled: yes",
			"6:14: accounts.work.enabled: wants true or false (did you mean \"true\"?)"},
		{"enabled: 'true'",
			"6:14: accounts.work.enabled: wants true or false, not a string"},
		{"poison: -1",
			"6:13: accounts.work.poison: wants a number from 0 to 1000, not -1"},
		{"parallel: 4",
			"6:5: accounts.work.parallel: unknown key here: it belongs to the top level of the file"},
		{"pipelining: of",
			"6:17: accounts.work.pipelining: wants one of auto, on, off, not \"of\" (did you mean \"off\"?)"},
		{"on_reject: delete",
			"6:16: accounts.work.on_reject: wants one of quarantine, keep, not \"delete\""},
		{"gmail: recent\nkeep: none",
			"7:11: accounts.work.keep: conflicts with gmail: recent, which must not delete"},
		{"dedupe: contents",
			"6:13: accounts.work.dedupe: wants off, message-id, content, or a mapping of by, action, not \"contents\" (did you mean " +
				"\"content\"?)"},
		{"dedupe: {action: tag}",
			"6:13: accounts.work.dedupe: wants by: message-id or content"},
		{"to: {strip: x}",
			"6:9: accounts.work.to: wants header: the field that holds the recipient\n" +
				"6:9: accounts.work.to: has no use: no target takes a recipient (smtp, lmtp or pipe)"},
		{"to: {header: 'Delivered To'}",
			"6:9: accounts.work.to: has no use: no target takes a recipient (smtp, lmtp or pipe)\n" +
				"6:18: accounts.work.to.header: is not the name of a header field"},
		{"to: {header: Delivered-To}",
			"6:9: accounts.work.to: has no use: no target takes a recipient (smtp, lmtp or pipe)"},
		{"headers: {recieved: true}",
			"6:15: accounts.work.headers.recieved: unknown key (did you mean \"received\"?)"},
		{"auth: oauth2",
			"6:11: accounts.work.auth: wants one of auto, password, apop, plain, login, cram-md5, digest-md5, scram-sha-1, " +
				"scram-sha-1-plus, scram-sha-256, scram-sha-256-plus, xoauth2, oauthbearer, external, gssapi, kpop, not " +
				"\"oauth2\" (did you " +
				"mean \"xoauth2\"?)"},
		{"auth: plain",
			"6:11: accounts.work.auth: plain needs password:"},
		{"auth: xoauth2",
			"6:11: accounts.work.auth: xoauth2 needs oauth: or token:"},
		{"auth: external",
			"6:11: accounts.work.auth: external needs client_cert"},
		{"auth: xoauth2\ntoken: {env: T}\npassword: {env: P}",
			"8:15: accounts.work.password: has no use with auth: xoauth2"},
		{"auth: password\npassword: {env: P}\noauth: {provider: google, client_id: x}",
			"8:12: accounts.work.oauth: has no use with auth: password"},
		{"oauth: {provider: google, client_id: x}\ntoken: {env: T}",
			"7:12: accounts.work.token: conflicts with oauth: remove one of the two"},
		{"oauth: {}",
			"6:12: accounts.work.oauth: wants provider (a preset such as google, or custom)\n" +
				"6:12: accounts.work.oauth: wants client_id (register mailhaul with the provider to get one)"},
		{"oauth: {provider: gogle, client_id: x}",
			"6:23: accounts.work.oauth.provider: wants one of custom, " + strings.Join(provider.Names(), ", ") +
				", not \"gogle\" (did you mean \"google\"?)"},
		{"oauth: {provider: custom, client_id: x, flow: device}",
			"6:12: accounts.work.oauth: wants token_url (provider: custom has no preset)\n" +
				"6:12: accounts.work.oauth: wants device_url (provider: custom has no preset)"},
		{"oauth: {provider: google, flow: service_account}",
			"6:12: accounts.work.oauth: wants service_account (flow: service_account signs with its key file)"},
		{"oauth: {provider: microsoft, client_id: x, flow: client_credentials}",
			"6:12: accounts.work.oauth: wants client_secret (flow: client_credentials needs it, or a certificate)"},
		{"oauth: {provider: google, client_id: x, auth_url: ftp://x}",
			"6:55: accounts.work.oauth.auth_url: wants an http:// or https:// URL"},
		{"oauth: {provider: google, client_id: x, key: /k}",
			"6:12: accounts.work.oauth: has a key but no certificate\n6:50: accounts.work.oauth.key: /k: no such file or directory"},
		{"password: pass mail/work\n  and more\npassword: x",
			"8:5: accounts.work.password: is set twice, first at line 6"},
		{"password: {command: pass mail/work}",
			"6:25: accounts.work.password.command: wants a list such as [program, argument], not a string: there is no shell (if you " +
				"need one: [sh, -c, \"...\"])"},
		{"password: {comand: [pass]}",
			"6:16: accounts.work.password: unknown key (did you mean \"command\"?), wants one of command, file, env, credential, " +
				"keyring, netrc"},
		{"password: {hunter2}",
			"6:16: accounts.work.password: unknown key, wants one of command, file, env, credential, keyring, netrc"},
		{"password: {file: /a, env: B}",
			"6:15: accounts.work.password: wants exactly one of command, file, env, credential, keyring, netrc"},
		{"password: {}",
			"6:15: accounts.work.password: wants exactly one of command, file, env, credential, keyring, netrc"},
		{"password: [a]",
			"6:15: accounts.work.password: wants one of command, file, env, credential, keyring, netrc, or a plain string, not a list"},
		{"password: true",
			"6:15: accounts.work.password: wants one of command, file, env, credential, keyring, netrc, or a plain string, not a " +
				"truth value (quote it if it is text)"},
		{"password: {netrc: false}",
			"6:23: accounts.work.password.netrc: wants true"},
		{"password: {credential: a/b}",
			"6:28: accounts.work.password.credential: is the name of a credential, not a path"},
		{"password: {file: /nonexistent/pw}",
			"6:22: accounts.work.password.file: /nonexistent/pw: no such file or directory"},
		{"password: ''",
			"6:15: accounts.work.password: is empty: give it a value, or leave the key out"},
		{"password: \"a\\nb\"",
			"6:15: accounts.work.password: has a line break or another control character in it"},
		{"proxy: socks4://h:1",
			"6:12: accounts.work.proxy: wants socks5:// or http:// (did you mean \"socks5\"?)"},
		{"proxy: http://u:hunter2@h:1",
			"6:12: accounts.work.proxy: a password does not belong in a URL: write {url: ..., user: ..., password: {file: ...}}"},
		{"proxy: {user: u}",
			"6:12: accounts.work.proxy: wants url: socks5://HOST:PORT or http://HOST:PORT"},
		{"proxy: socks5://h\ntunnel: [ssh]",
			"7:13: accounts.work.tunnel: conflicts with proxy: remove one of the two"},
		{"tunnel: ssh host",
			"6:13: accounts.work.tunnel: wants a list such as [program, argument], not a string: there is no shell (if you need one: " +
				"[sh, -c, \"...\"])"},
		{"tunnel: []",
			"6:13: accounts.work.tunnel: is empty"},
		{"bind: eth0",
			"6:11: accounts.work.bind: wants an IP address"},
		{"before: [~nobodysuch/x]",
			"6:13: accounts.work.before: ~nobodysuch: no such user"},
		{"alert: {after: 1h}",
			"6:12: accounts.work.alert: has no effect: set command, webhook or ping"},
		{"alert: {webhook: example.org}",
			"6:22: accounts.work.alert.webhook: wants an http:// or https:// URL"},
		{"id: ''",
			"6:9: accounts.work.id: is empty: give it a value, or leave the key out"},
		{"lang: [de]",
			"6:11: accounts.work.lang: wants a language tag, not a list"},
	} {
		t.Run(tc.keys, func(t *testing.T) {
			_, err := parse(account(tc.keys))
			if diff := cmp.Diff(tc.want, messages(err)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
