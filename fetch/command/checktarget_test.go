package command

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestCheckRelay: check --connect offers the relay the recipients, and nothing more.
func TestCheckRelay(t *testing.T) {
	t.Parallel()
	const advised = "The relay does not take mail for this recipient"
	for _, c := range []struct {
		name    string
		lmtp    bool
		answers map[string]error // by recipient
		marks   string           // of the target's steps
		says    string
		code    int
	}{
		{"taken", false, nil, "ok", "", 0},
		{"LMTP taken", true, nil, "ok", "", 0},
		{"unknown", false, map[string]error{"bob@x": smtptest.Reply(550, "no such user")}, "fail", advised, 73},
		{"LMTP unknown", true, map[string]error{"bob@x": smtptest.Reply(550, "no such user")}, "fail", advised, 73},
		{"both unknown", false, map[string]error{"bob@x": smtptest.Reply(550, "no bob"), "eve@x": smtptest.Reply(550, "no eve")},
			"fail fail", advised, 73},
		{"mailbox full", false, map[string]error{"eve@x": smtptest.Reply(552, "over quota")}, "fail",
			"The recipient's mailbox is full", 75},
		{"greylisted", false, map[string]error{"bob@x": smtptest.Reply(450, "come back later")}, "warn", "check again later", 0},
		{"sender", false, map[string]error{"bob@x": smtptest.Reply(550, "sender verify failed")}, "warn", "set `from` of the target", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := smtptest.StartRelay(t, c.lmtp)
			r.Answer(func(to string) error { return c.answers[to] }, nil)
			kind := map[bool]string{false: "smtp", true: "lmtp"}[c.lmtp]
			w := warning{server: long(pop3test.NewCA()),
				config: fmt.Sprintf("    deliver: [{%s: {server: '%s', to: [bob@x, eve@x]}}]\n", kind, r.Addr)}
			steps, code := w.check(t)
			steps = slices.DeleteFunc(steps, func(s jsonline.Step) bool { return s.Step != "target" })
			var marks []string
			for _, s := range steps {
				marks = append(marks, string(s.Mark))
				if !strings.Contains(s.Advice, c.says) || c.says != "" && !strings.Contains(s.Detail, " RCPT <") {
					t.Errorf("%+v; want %q", s, c.says)
				}
			}
			if got := strings.Join(marks, " "); got != c.marks || code != c.code {
				t.Errorf("%s, exit %d; want %s, %d", got, code, c.marks, c.code)
			}
			if got := r.Copies(); len(got) > 0 {
				t.Errorf("delivered: %v", got)
			}
		})
	}
}

// TestCheckMakesNothingUnread: while the state cannot be read, a target that is
// missing may have received mail. It is not made.
func TestCheckMakesNothingUnread(t *testing.T) {
	t.Parallel()
	w := warning{server: long(pop3test.NewCA()), ground: keepOpen}
	steps, code := w.check(t)
	if s := steps[1]; code != 0 || s.Step != "target" || s.Mark != jsonline.Warn ||
		!strings.Contains(s.Detail, "is missing, and not made") {
		t.Errorf("exit %d, %+v", code, s)
	}
}
