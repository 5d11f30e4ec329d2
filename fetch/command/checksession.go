package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// checkSession logs in twice and looks at what the server shows.
func (w *walk) checkSession(ctx context.Context) {
	server, err := w.server(w.a)
	if err != nil {
		w.fail("config", configError{err}, time.Now())
		return
	}
	first, delay, ok := w.session(ctx, server, true)
	if !ok || delay > 0 {
		if delay > 0 {
			w.warn("uidl twice", fmt.Sprintf("not tried: the server allows one login every %s", delay), "", time.Now())
		}
		return
	}
	if len(first) > 0 && first[0].UID == "" {
		return // no UIDs to compare
	}
	quiet := *server
	quiet.Step = nil
	second, _, ok := w.session(ctx, &quiet, false)
	if ok {
		w.compareLists(first, second)
	}
}

// session is one walk from DNS to QUIT.
func (w *walk) session(ctx context.Context, server *pop3.Server, loud bool) (list []pop3.Message, delay time.Duration, ok bool) {
	began := time.Now()
	step := "connect"
	s := *server
	var heard overheard
	if loud {
		heard.listen(&s)
		s.Step = w.onStep(&step, &heard)
	}
	c, err := pop3.Dial(ctx, &s)
	if err != nil {
		w.fail(step, err, began)
		return nil, 0, false
	}
	defer c.Close()
	if loud {
		w.tellTLS(c, began)
		w.ok("offered", strings.Join(c.Capabilities().Mechanisms(), " ")+capabilities(c), began)
	}
	began = time.Now()
	if err := c.Login(ctx); err != nil {
		if rest := withoutBinding(server.Logins, err); rest != nil {
			_ = c.Close() // one session at a time
			w.warn("login", err.Error(), "The server cannot verify the channel binding that it announces: this logs in once more, by SCRAM without it, as fetch does.", began)
			server.Logins = rest // for the second session as well
			return w.session(ctx, server, loud)
		}
		w.fail("login", err, began)
		return nil, 0, false
	}
	list, err = c.List(ctx)
	if err != nil {
		w.fail(step, err, began)
		return nil, 0, false
	}
	if loud {
		w.tellList(c, list, &heard, began)
		if !w.tellTop(ctx, c, list) {
			return nil, 0, false // QUIT would fail for the same cause
		}
	}
	delay, _ = c.Capabilities().LoginDelay()
	began = time.Now()
	if err := c.Quit(ctx); err != nil {
		w.fail("quit", err, began)
		return nil, delay, false
	}
	if loud {
		w.ok("quit", "", began)
	}
	return list, delay, true
}

// withoutBinding are the logins that are left if err is a refusal of the channel
// binding; nil if it is not, or if none is left.
func withoutBinding(logins []pop3.Login, err error) []pop3.Login {
	var refused *pop3.LoginError
	if !errors.As(err, &refused) || !refused.Unbound() {
		return nil
	}
	return fetch.Unbound(logins, true)
}

// onStep reports the steps of a session as they are done. Of some there is more
// to say later.
func (w *walk) onStep(step *string, heard *overheard) func(name string, err error, d time.Duration) {
	return func(name string, err error, d time.Duration) {
		*step = name
		if err != nil || name == "dns" || name == "list" || name == "tls" {
			return
		}
		detail := ""
		if name == "capa" {
			detail = heard.capa()
		}
		w.ok(name, detail, time.Now().Add(-d))
	}
}

// capabilities names those that matter.
func capabilities(c *pop3.Client) string {
	var have []string
	for _, name := range []string{"UIDL", "TOP", "PIPELINING", "STLS", "UTF8"} {
		if c.Capabilities().Has(name) {
			have = append(have, name)
		}
	}
	if d, _ := c.Capabilities().LoginDelay(); d > 0 {
		have = append(have, fmt.Sprintf("LOGIN-DELAY %s", d))
	}
	if days, ok := c.Capabilities().Expire(); ok {
		have = append(have, fmt.Sprintf("EXPIRE %d", days))
	}
	return " | " + strings.Join(have, " ")
}
