package pop3_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// ticket is the Kerberos side of KPOP without Kerberos: it sends "request" and takes
// "proof".
type ticket struct{}

func (ticket) Start() (string, []byte, error) { return "KPOP", []byte("request"), nil }

func (ticket) Next(b []byte) ([]byte, error) {
	if string(b) != "proof" {
		return nil, errors.New("no proof: " + string(b))
	}
	return nil, nil
}

// kpop plays a dialogue of KPOP and logs in.
func kpop(t *testing.T, script string) error {
	t.Helper()
	login := pop3.LoginBy(sasl.KPOP, "alice", nil)
	login.New = func(context.Context, sasl.Channel) (sasl.Mechanism, error) { return ticket{}, nil }
	login.Named = true
	c, err := pop3.NewClient(t.Context(), pop3test.ScriptConn(t, script),
		&pop3.Server{Host: "localhost", Security: pop3.Plain, Logins: []pop3.Login{login}})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Login(t.Context())
}

const kpopVersions = `C" \x00\x00\x00\x13KRB5_SENDAUTH_V1.0\x00\x00\x00\x00\x09KPOPV1.0\x00"` + "\n"

func TestKPOPDialogue(t *testing.T) {
	const request = `C" \x00\x00\x00\x07request"` + "\n"
	for name, tt := range map[string]struct{ script, want string }{
		"login": {kpopVersions + `S" \x00"
			` + request + `S" \x00\x00\x00\x00\x00\x00\x00\x05proof+OK ready\r\n"
			C: CAPA
			S: -ERR what
			C: USER alice
			S: +OK
			C: PASS alice
			S: +OK
			C! close`, ""},
		"refused mailbox": {kpopVersions + `S" \x00"
			` + request + `S" \x00\x00\x00\x00\x00\x00\x00\x05proof+OK ready\r\n"
			C: CAPA
			S: -ERR what
			C: USER alice
			S: -ERR not yours
			C! close`, "login (kpop): user: server refused: not yours"},
		"other version of sendauth": {kpopVersions + "S\" \\x01\"\nC! close", "another version of the exchange (answer 1)"},
		"other application":         {kpopVersions + "S\" \\x02\"\nC! close", "another version of the exchange (answer 2)"},
		"a POP3 server":             {kpopVersions + "S: +OK ready\nC! close", `not a KPOP server: "+OK ready"`},
		"refused ticket": {kpopVersions + `S" \x00"
			` + request + `S" \x00\x00\x00\x06failed"
			C! close`, "login (kpop): no proof: failed"},
		"proof instead of the verdict": {kpopVersions + `S" \x00"
			` + request + `S" \x00\x00\x00\x05proof"
			C! close`, "where it says whether it accepts"},
		"empty proof": {kpopVersions + `S" \x00"
			` + request + `S" \x00\x00\x00\x00\x00\x00\x00\x00+OK ready\r\n"
			C! close`, "login (kpop): no proof"},
		"greeting instead of the proof": {kpopVersions + `S" \x00"
			` + request + `S" \x00\x00\x00\x00+OK ready\r\n"
			C! close`, "message of 726616864 octets"},
		"cut": {kpopVersions + `S" \x00"
			` + request + `S" \x00\x00\x00\x00\x00\x00\x00\x05pr"
			S! close`, "kpop: server closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := kpop(t, tt.script); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
