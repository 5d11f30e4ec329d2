package pop3

import (
	"context"
	"testing"
)

// TestUTF8Flight: in a pipelined session UTF8 leaves together with the login,
// else alone; after STLS and never before it (RFC 6856 section 2.1).
func TestUTF8Flight(t *testing.T) {
	login := "C: PASS secret\nS: +OK\n"
	for name, tt := range map[string]struct {
		capa, script string
		utf8, broke  bool
		pipelining   bool // the error suggests a session without it
	}{
		"pipelined":            {capa: "PIPELINING", script: "C: UTF8\nC: USER alice\nS: +OK\nS: +OK\n" + login, utf8: true},
		"lock step":            {capa: "TOP", script: "C: UTF8\nS: +OK\nC: USER alice\nS: +OK\n" + login, utf8: true},
		"refused, pipelined":   {capa: "PIPELINING", script: "C: UTF8\nC: USER alice\nS: -ERR no\nS: +OK\n" + login},
		"refused, lock step":   {capa: "TOP", script: "C: UTF8\nS: -ERR no\nC: USER alice\nS: +OK\n" + login},
		"hung up, pipelined":   {capa: "PIPELINING", script: "C: UTF8\nC: USER alice\nX", broke: true, pipelining: true},
		"hung up, lock step":   {capa: "TOP", script: "C: UTF8\nX", broke: true},
		"hung up on the login": {capa: "PIPELINING", script: "C: UTF8\nC: USER alice\nS: +OK\nX", utf8: true, pipelining: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := Server{Security: Plain, Insecure: true, UTF8: true,
				Logins: []Login{{Name: "USER", User: "alice", Password: password("secret"), Clear: true}}}
			var c *Client
			err := talk(t, s, "S: +OK hi\nC: CAPA\nS: +OK\nS: USER\nS: UTF8 USER\nS: "+tt.capa+"\nS: .\n"+tt.script,
				func(ctx context.Context, client *Client) error {
					c = client
					return c.Login(ctx)
				})
			if (err != nil) != (tt.broke || tt.pipelining) || UTF8Broke(err) != tt.broke || PipelineRejected(err) != tt.pipelining {
				t.Errorf("err %v, UTF8 broke %v, pipelining rejected %v", err, UTF8Broke(err), PipelineRejected(err))
			}
			if c != nil && (c.UTF8() != tt.utf8 || c.UTF8Refused() == tt.utf8) {
				t.Errorf("UTF8 %v, refused %v", c.UTF8(), c.UTF8Refused())
			}
		})
	}
}
