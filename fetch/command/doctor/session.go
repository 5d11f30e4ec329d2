package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/session"
)

// checkSession logs in twice and compares what the server lists.
func (w *walk) checkSession(ctx context.Context) {
	server, err := w.Builder.Server(w.a)
	if err != nil {
		w.fail("config", exit.Config(err), time.Now())
		return
	}
	first, ok := w.session(ctx, server, true)
	if !ok {
		return
	}
	if len(first) > 0 && first[0].UID == "" {
		return // no UIDs to compare
	}
	if pause := session.LoginPause(&w.facts, time.Now()); pause > w.Wait {
		early := &session.LoginDelayError{Delay: w.facts.LoginDelay, Wait: pause}
		w.warn("uidl twice", "not tried: "+early.Error(), advice.Text(early, advice.SituationOf(w.a, w.Bare)), time.Now())
		return
	}
	quiet := *server
	quiet.Step = nil
	if second, ok := w.session(ctx, &quiet, false); ok {
		w.compareLists(first, second)
	}
}

// session is one walk from DNS to QUIT, once the server allows a login.
func (w *walk) session(ctx context.Context, server *pop3.Server, loud bool) (list []pop3.Message, ok bool) {
	began := time.Now()
	if err := session.AwaitLogin(ctx, &w.facts, began, w.Wait); err != nil {
		w.fail("login", err, began)
		return nil, false
	}
	began = time.Now()
	step := "connect"
	s := *server
	var said announced
	var secured *tls.ConnectionState
	if loud {
		s.Announced = func(lines []string) { said = append(said, lines) }
		s.TLS = watched(s.TLS, &secured)
		s.Step = w.onStep(&step, &said, &secured)
	}
	c, err := pop3.Dial(ctx, &s)
	if e, ok := errors.AsType[*pop3.TLSError](err); ok && e.Unanswered && !server.SmallHello {
		w.warn(step, err.Error(), "The server, or something on the way, may not take a large TLS greeting: "+
			"this tries again without post-quantum key exchange, as fetch does.", began)
		server.SmallHello = true
		return w.session(ctx, server, loud)
	}
	if err != nil {
		w.fail(step, err, began)
		return nil, false
	}
	defer c.Close()
	if loud {
		if secured == nil {
			w.warn("tls", "none: anyone on the way can read password and mail", "", began)
		}
		w.ok("offered", strings.Join(c.Capabilities().Mechanisms(), " ")+capabilities(c), began)
	}
	began = time.Now()
	if err := c.Login(ctx); err != nil {
		return w.refused(ctx, server, c, err, loud, began)
	}
	w.facts.LastLogin, w.facts.NextLogin = time.Now(), time.Time{}
	list, err = c.List(ctx)
	if err != nil {
		w.fail(step, err, began)
		return nil, false
	}
	w.facts.LoginDelay, _ = c.Capabilities().LoginDelay()
	if loud {
		w.tellList(c, list, said, began)
		if !w.tellTop(ctx, c, list) {
			return nil, false // QUIT would fail for the same cause
		}
	}
	began = time.Now()
	if err := c.Quit(ctx); err != nil {
		w.fail("quit", err, began)
		return nil, false
	}
	if loud {
		w.ok("quit", "", began)
	}
	return list, true
}

// refused is the end of a session whose login was refused. If it is the channel
// binding, or it only came too early and there is time to wait, another session
// follows.
func (w *walk) refused(ctx context.Context, server *pop3.Server, c *pop3.Client, err error, loud bool, began time.Time) ([]pop3.Message, bool) {
	if rest := withoutBinding(server.Logins, err); rest != nil {
		_ = c.Close() // one session at a time
		w.warn("login", err.Error(), "The server cannot verify the channel binding that it announces: this logs in once more, by SCRAM without it, as fetch does.", began)
		server.Logins = rest // for the second session as well
		return w.session(ctx, server, loud)
	}
	err = session.RefusedEarly(c, &w.facts, time.Now(), err)
	var early *session.LoginDelayError
	if !errors.As(err, &early) || w.waited || early.Wait > w.Wait {
		w.fail("login", err, began)
		return nil, false
	}
	_ = c.Close() // the server may count it as a session
	w.warn("login", early.Error(), "waiting for it, and trying again", began)
	w.waited = true
	return w.session(ctx, server, loud)
}

// withoutBinding are the logins that are left if err is a refusal of the channel
// binding; nil if it is not, or if none is left.
func withoutBinding(logins []pop3.Login, err error) []pop3.Login {
	var refused *pop3.LoginError
	if !errors.As(err, &refused) || !refused.Unbound() {
		return nil
	}
	return session.Unbound(logins, true)
}

// onStep reports the steps of a session as they are done. Some are reported later,
// with more details.
func (w *walk) onStep(step *string, said *announced, secured **tls.ConnectionState) func(name string, err error, d time.Duration) {
	return func(name string, err error, d time.Duration) {
		*step = name
		if err != nil || name == "dns" || name == "list" {
			return
		}
		began, detail := time.Now().Add(-d), ""
		switch name {
		case "tls":
			w.tellTLS("", *secured, began)
			return
		case "capa":
			detail = said.last()
		}
		w.ok(name, detail, began)
		if name == "stls" {
			w.tellTLS("", *secured, began)
		}
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
