package pop3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// mech is a mechanism that follows a script.
type mech struct {
	name    string
	initial []byte
	answers []string // what Next returns in turn; then an error
	want    []string // the challenges it must get, if not nil
	finish  error
	explain error
}

func (m *mech) Start() (string, []byte, error) { return m.name, m.initial, nil }

func (m *mech) Next(challenge []byte) ([]byte, error) {
	if len(m.answers) == 0 {
		return nil, errors.New("mechanism gives up")
	}
	if m.want != nil {
		if m.want[0] != string(challenge) {
			return nil, errors.New("wrong challenge " + string(challenge))
		}
		m.want = m.want[1:]
	}
	a := m.answers[0]
	m.answers = m.answers[1:]
	return []byte(a), nil
}

func (m *mech) Complete() error { return m.finish }
func (m *mech) Explain() error  { return m.explain }

func saslLogin(m *mech) Login {
	return Login{Name: m.name, New: func(context.Context, sasl.Channel) (sasl.Mechanism, error) { return m, nil }}
}

func TestLogin(t *testing.T) {
	user := Login{Name: "USER", User: "alice", Password: password("hunter2"), Clear: true}
	apop := Login{Name: "APOP", User: "alice", Password: password("tanstaaf"), Named: true}
	const capa = "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: SASL X XOAUTH2 plain\nS: .\n"
	noCapa := func(greeting string) string { return "S: +OK " + greeting + "\nC: CAPA\nS: -ERR\n" }
	long := strings.Repeat("x", 300)
	for _, tt := range []struct {
		name, script string
		login        Login
		secure       bool // no Insecure
		err          string
	}{
		{name: "user", script: capa + "C: USER alice\nS: +OK\nC: PASS hunter2\nS: +OK", login: user},
		{name: "user without capa", script: noCapa("hi") + "C: USER alice\nS: +OK\nC: PASS hunter2\nS: +OK", login: user},
		{name: "wrong password", script: capa + "C: USER alice\nS: +OK\nC: PASS hunter2\nS: -ERR [AUTH] no hunter2", login: user,
			err: "login (user): pass: server refused: [AUTH] no ****"},
		{name: "user refused", script: capa + "C: USER alice\nS: -ERR who?", login: user, err: "user: server refused: who?"},
		{name: "no tls", script: capa, login: user, secure: true, err: ErrInsecure.Error()},
		{name: "no tls, and STLS is offered", script: "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: STLS\nS: .\n", login: user,
			secure: true, err: "no usable login: server offers USER, STLS; user: no TLS"},
		{name: "nothing but STLS", script: "S: +OK hi\nC: CAPA\nS: +OK\nS: STLS\nS: .\n", login: user, secure: true,
			err: "no usable login: server offers STLS; user: not announced"},
		{name: "line break in user", script: capa, login: Login{Name: "USER", User: "a\r\nDELE 1", Password: password("x")},
			err: "user name holds a line break"},
		{name: "NUL in password", script: capa, login: Login{Name: "USER", User: "a", Password: password("x\x00")},
			err: "password holds a line break or NUL"},
		{name: "apop", script: noCapa("POP3 server ready <1896.697170952@dbc.mtview.ca.us>") +
			"C: APOP alice c4c9334bac560ecc979e58001b3e22fb\nS: +OK", login: apop},
		{name: "apop not named", script: noCapa("<1@b>"), login: Login{Name: "APOP"}, err: "only when asked for by name"},
		{name: "apop without tls", script: noCapa("<1@b>"), login: apop, secure: true, err: ErrInsecure.Error()},
		{name: "apop challenge", script: noCapa("<1@b@c>"), login: apop, err: "no sound APOP challenge"},
		{name: "not announced", script: capa, login: Login{Name: "SCRAM-SHA-1"},
			err: "server offers USER, X, XOAUTH2, PLAIN; scram-sha-1: not announced"},
		{name: "initial response", script: capa + "C: AUTH X aGk=\nS: +OK", login: saslLogin(&mech{name: "X", initial: []byte("hi")})},
		{name: "empty initial response", script: capa + "C: AUTH X =\nS: +OK", login: saslLogin(&mech{name: "X", initial: []byte{}})},
		{name: "server first", script: capa + "C: AUTH X\nS: + aGk=\nC: eW8=\nS: + \nC: \nS: +OK",
			login: saslLogin(&mech{name: "X", answers: []string{"yo", ""}, want: []string{"hi", ""}})},
		{name: "xoauth2 in two steps", script: capa + "C: AUTH XOAUTH2\nS: +\nC: aGk=\nS: +OK",
			login: saslLogin(&mech{name: "XOAUTH2", initial: []byte("hi")})},
		{name: "too long for one line", script: capa + "C: AUTH X\nS: + \nC: " + strings.Repeat("eHh4", 100) + "\nS: +OK",
			login: saslLogin(&mech{name: "X", initial: []byte(long)})},
		{name: "refused", script: capa + "C: AUTH X aGk=\nS: -ERR [AUTH] you sent aGk=",
			login: saslLogin(&mech{name: "X", initial: []byte("hi")}), err: "[AUTH] you sent ****"},
		{name: "explained", script: capa + "C: AUTH X aGk=\nS: -ERR no",
			login: saslLogin(&mech{name: "X", initial: []byte("hi"), explain: errors.New("token expired")}),
			err:   "token expired (auth: server refused: no)"},
		{name: "cancel", script: capa + "C: AUTH X aGk=\nS: + aGk=\nC: *\nS: -ERR cancelled",
			login: saslLogin(&mech{name: "X", initial: []byte("hi")}), err: "mechanism gives up (auth: server refused: cancelled)"},
		{name: "accepts a cancel", script: capa + "C: AUTH X aGk=\nS: + aGk=\nC: *\nS: +OK",
			login: saslLogin(&mech{name: "X", initial: []byte("hi")}), err: "+OK to a cancelled exchange"},
		{name: "not base64", script: capa + "C: AUTH X aGk=\nS: + %%%",
			login: saslLogin(&mech{name: "X", initial: []byte("hi")}), err: "challenge is not base64"},
		{name: "initial response, not read", script: capa + "C: AUTH X aGk=\nS: + \nC: aGk=\nS: +OK",
			login: saslLogin(&mech{name: "X", initial: []byte("hi")})},
		{name: "initial response, go ahead", script: capa + "C: AUTH X aGk=\nS: + go ahead\nC: aGk=\nS: +OK",
			login: saslLogin(&mech{name: "X", initial: []byte("hi")})},
		{name: "too long, go ahead", script: capa + "C: AUTH X\nS: + go ahead\nC: " + strings.Repeat("eHh4", 100) + "\nS: +OK",
			login: saslLogin(&mech{name: "X", initial: []byte(long)})},
		{name: "PLAIN, words that are base64", script: capa + "C: AUTH PLAIN aGk=\nS: + continue\nC: aGk=\nS: +OK",
			login: saslLogin(&mech{name: "PLAIN", initial: []byte("hi")})},
		{name: "PLAIN, asked twice", script: capa + "C: AUTH PLAIN aGk=\nS: + go ahead\nC: aGk=\nS: + again",
			login: saslLogin(&mech{name: "PLAIN", initial: []byte("hi")}), err: "challenge is not base64"},
		{name: "LOGIN, prompts in words", script: capa + "C: AUTH LOGIN\nS: + Username:\nC: eW8=\nS: + Password:\nC: eW95bw==\nS: +OK",
			login: Login{Name: "LOGIN", Named: true, New: saslLogin(&mech{name: "LOGIN", answers: []string{"yo", "yoyo"}}).New}},
		{name: "words where a challenge counts", script: capa + "C: AUTH X\nS: + Username:\n",
			login: saslLogin(&mech{name: "X", answers: []string{"yo"}}), err: "challenge is not base64"},
		{name: "endless challenges", script: capa + "C: AUTH X\n" + strings.Repeat("S: + \nC: \n", 32),
			login: saslLogin(&mech{name: "X", answers: make([]string, 100)}), err: "endless challenges"},
		{name: "endless challenge", script: capa + "C: AUTH X\nS- + " + strings.Repeat("a", 140000),
			login: saslLogin(&mech{name: "X"}), err: "line too long"},
		{name: "unproved server", script: capa + "C: AUTH X aGk=\nS: +OK",
			login: saslLogin(&mech{name: "X", initial: []byte("hi"), finish: errors.New("no signature")}), err: "no signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Server{Security: Plain, Insecure: !tt.secure, Logins: []Login{tt.login}}
			wantErr(t, talk(t, s, tt.script, func(ctx context.Context, c *Client) error {
				err := c.Login(ctx)
				if err == nil && c.LoginName() != tt.login.Name {
					t.Errorf("LoginName %q", c.LoginName())
				}
				return err
			}), tt.err)
		})
	}
}

// TestUnknownMechanism: AUTH or a mechanism that is announced and not known is no
// refusal of the password. USER follows, unless the secret was sent.
func TestUnknownMechanism(t *testing.T) {
	user := Login{Name: "USER", User: "alice", Password: password("hunter2"), Clear: true}
	bare := func() Login { return saslLogin(&mech{name: "X"}) }
	inline := func(clear bool) Login {
		l := saslLogin(&mech{name: "X", initial: []byte("hi")})
		l.Clear = clear
		return l
	}
	named := bare()
	named.Named = true
	const capa = "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: SASL X Y\nS: .\n"
	const asUser = "C: USER alice\nS: +OK\nC: PASS hunter2\nS: +OK\n"
	for name, tt := range map[string]struct {
		script  string
		logins  []Login
		unknown bool
		err     string
	}{
		"command": {capa + "C: AUTH X\nS: -ERR unknown command\n" + asUser, []Login{bare(), user}, false, ""},
		"mechanism": {capa + "C: AUTH X\nS: -ERR Unrecognized authentication type\n" + asUser,
			[]Login{bare(), saslLogin(&mech{name: "Y"}), user}, false, ""},
		"initial, no secret": {capa + "C: AUTH X aGk=\nS: -ERR Invalid command in current state.\n" + asUser,
			[]Login{inline(false), user}, false, ""},
		"initial with secret": {capa + "C: AUTH X aGk=\nS: -ERR unsupported SASL mechanism\n", []Login{inline(true), user},
			true, "unsupported SASL mechanism"},
		"named": {capa + "C: AUTH X\nS: -ERR command not implemented\n", []Login{named}, true, "not implemented"},
		"no USER": {"S: +OK hi\nC: CAPA\nS: +OK\nS: SASL X\nS: .\nC: AUTH X\nS: -ERR unknown command\n",
			[]Login{bare(), user}, true, "unknown command"},
		"a refusal": {capa + "C: AUTH X aGk=\nS: -ERR authentication failed\n", []Login{inline(false), user},
			false, "authentication failed"},
		"a refusal, by its word": {capa + "C: AUTH X aGk=\nS: -ERR Invalid authentication\n", []Login{inline(false), user},
			false, "Invalid authentication"},
		"a refusal, later": {capa + "C: AUTH X\nS: + \nC: aGk=\nS: -ERR unknown command\n",
			[]Login{saslLogin(&mech{name: "X", answers: []string{"hi"}}), user}, false, "unknown command"},
		"USER is refused": {capa + "C: AUTH X\nS: -ERR unknown command\nC: USER alice\nS: +OK\nC: PASS hunter2\n" +
			"S: -ERR [AUTH] no\n", []Login{bare(), user}, false, "[AUTH] no"},
	} {
		t.Run(name, func(t *testing.T) {
			wantErr(t, talk(t, Server{Security: Plain, Insecure: true, Logins: tt.logins}, tt.script,
				func(ctx context.Context, c *Client) error {
					err := c.Login(ctx)
					var l *LoginError
					if errors.As(err, &l) && (l.Unknown() != tt.unknown || tt.unknown && (l.Temporary())) {
						t.Errorf("unknown %v, temporary %v", l.Unknown(), l.Temporary())
					}
					return err
				}), tt.err)
		})
	}
}

// TestUnbound tells a refusal of the channel binding from one of the password.
func TestUnbound(t *testing.T) {
	for name, tt := range map[string]struct {
		login string
		err   error
		want  bool
	}{
		"server-error": {"SCRAM-SHA-256-PLUS", fmt.Errorf("%w (x)", &sasl.BindingError{Code: "channel-bindings-dont-match"}), true},
		"words": {"SCRAM-SHA-256-PLUS",
			&Error{Command: "AUTH", Code: Auth, Text: "authenticating: channel binding failure"}, true},
		"Cyrus": {"SCRAM-SHA-1-PLUS", &Error{Command: "AUTH", Code: Auth, Text: "authenticating: bad protocol / cancel"}, true},
		"Cyrus, wrong password": {"SCRAM-SHA-256-PLUS",
			&Error{Command: "AUTH", Code: Auth, Text: "authenticating: authentication failure"}, false},
		"wrong proof":            {"SCRAM-SHA-256-PLUS", &Error{Command: "AUTH", Code: Auth, Text: "invalid-proof"}, false},
		"words without binding":  {"SCRAM-SHA-256", &Error{Command: "AUTH", Text: "channel binding failure"}, false},
		"protocol, without PLUS": {"PLAIN", &Error{Command: "AUTH", Text: "bad protocol / cancel"}, false},
	} {
		if got := (&LoginError{Login: tt.login, Err: tt.err}).Unbound(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPickLogin(t *testing.T) {
	logins := []Login{{Name: "SCRAM-SHA-256"}, {Name: "PLAIN", Clear: true}, {Name: "USER", Clear: true}}
	for _, tt := range []struct {
		name string
		caps Capabilities
		tls  bool
		want int
	}{
		{"strongest", Capabilities{"SASL": {"PLAIN", "SCRAM-SHA-256"}, "USER": nil}, true, 0},
		{"next", Capabilities{"SASL": {"PLAIN"}, "USER": nil}, true, 1},
		{"user", Capabilities{"USER": nil}, true, 2},
		{"no capa", nil, true, 2},
		{"no capa, no tls", nil, false, -1},
		{"scram needs no tls", Capabilities{"SASL": {"PLAIN", "SCRAM-SHA-256"}}, false, 0},
		{"clear needs tls", Capabilities{"SASL": {"PLAIN"}, "USER": nil}, false, -1},
		{"nothing", Capabilities{}, true, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, skipped := pickLogin(logins, tt.caps, "", tt.tls, false); got != tt.want {
				t.Errorf("got %d (%v), want %d", got, skipped, tt.want)
			}
		})
	}
}

func TestAPOPChallenge(t *testing.T) {
	for greeting, want := range map[string]string{
		"ready <1.2@a.b>":      "<1.2@a.b>",
		"<x@[127.0.0.1]> hi":   "<x@[127.0.0.1]>",
		"none":                 "",
		"<>":                   "",
		"<@>":                  "",
		"<a>":                  "",
		"<a@b@c>":              "",
		"<a@b><c@d>":           "",
		"<a b@c>":              "",
		"<a@b\x80>":            "",
		"<a\x00@b>":            "",
		"> <":                  "",
		"<a@b> and <c@d> here": "",
	} {
		if got, _ := apopChallenge(greeting); got != want {
			t.Errorf("%q: got %q, want %q", greeting, got, want)
		}
	}
}

func TestTraceIsRedacted(t *testing.T) {
	var got []string
	s := Server{
		Insecure: true,
		Trace: func(sent bool, line string) {
			mark := "S: "
			if sent {
				mark = "C: "
			}
			got = append(got, mark+line)
		},
		Logins: []Login{{Name: "USER", User: "al\x1bice", Password: password("hunter2"), Named: true}},
	}
	const script = "S: +OK \x1b[2J\nC: CAPA\nS: +OK\nS: SASL X\nS: .\nC: USER al\x1bice\nS: +OK\nC: PASS hunter2\nS: -ERR PASS hunter2?\n"
	// Also after the login, in a session that goes on.
	got = nil
	_ = talk(t, s, "S: +OK\nC: CAPA\nS: +OK\nS: SASL X\nS: .\nC: USER al\x1bice\nS: +OK\nC: PASS hunter2\nS: +OK\nC: NOOP\n"+
		"S: -ERR hunter2 may not\n",
		func(ctx context.Context, c *Client) error {
			if err := c.Login(ctx); err != nil {
				return err
			}
			err := c.Noop(ctx)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("after the login: %v", err)
			}
			return err
		})
	if text := strings.Join(got, "\n"); strings.Contains(text, "hunter2") || !strings.Contains(text, "S: -ERR **** may not") {
		t.Error(text)
	}
	got = nil
	_ = talk(t, s, script, func(ctx context.Context, c *Client) error { return c.Login(ctx) })
	want := []string{`S: +OK \x1b[2J`, "C: CAPA", "S: +OK", "S: SASL X", "S: (1 lines, 8 octets)",
		`C: USER al\x1bice`, "S: +OK", "C: PASS ****", "S: -ERR PASS ****?"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = nil
	s.Logins = []Login{saslLogin(&mech{name: "X", answers: []string{"secret"}})}
	_ = talk(t, s, capaAuth, func(ctx context.Context, c *Client) error { return c.Login(ctx) })
	want = []string{"C: AUTH X", "S: + ****", "C: ****", "S: -ERR you said ****"}
	if d := cmp.Diff(want, got[len(got)-4:]); d != "" {
		t.Error(d)
	}
}

const capaAuth = "S: +OK\nC: CAPA\nS: +OK\nS: SASL X\nS: .\nC: AUTH X\nS: + aGk=\nC: c2VjcmV0\nS: -ERR you said c2VjcmV0\n"
