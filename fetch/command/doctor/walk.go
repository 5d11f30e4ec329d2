// Package doctor checks the way to an account's mail, step by step, and reports
// what is wrong: check --connect.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/command/account"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/state"
)

// Options are where a check prints, and what it works with.
type Options struct {
	Out     *term.Output
	Builder *account.Builder
	Bare    bool          // the account comes from --from
	Wait    time.Duration // for the server's LOGIN-DELAY
	Brief   bool          // print only steps that went wrong
}

// walk is the check of one account.
type walk struct {
	Options
	a      *config.Account
	facts  state.Facts             // of the server, as far as is on record
	past   map[string]deliver.Past // of the targets, by ID
	unread bool                    // the state exists and cannot be read
	err    error                   // of the first step that failed
	titled bool                    // the account's line was printed
	waited bool                    // after a login that was refused as too early
}

// Check checks the way to the mail of an account and prints each step. It returns
// the error of the first step that failed.
func Check(ctx context.Context, o Options, a *config.Account) error {
	w := &walk{Options: o, a: a, titled: o.Brief}
	w.run(ctx)
	return w.err
}

// run takes the steps in their order. What does not depend on the connection
// is looked at even if that fails.
func (w *walk) run(ctx context.Context) {
	w.checkState()
	w.checkTargets(ctx)
	w.checkToken(ctx)
	if len(w.a.Route.Tunnel) == 0 && w.a.Route.Proxy == nil {
		w.checkAddresses(ctx)
	}
	w.checkSession(ctx)
	if w.err == nil && !w.Out.JSON && !w.Out.Quiet && !w.Brief {
		fmt.Fprintf(w.Out.Out, "%s: everything works\n", term.Printable(w.a.Name))
	}
}

// add reports a step.
func (w *walk) add(s jsonline.Step, began time.Time) {
	s.Account, s.Millis = w.a.Name, time.Since(began).Milliseconds()
	if w.Out.JSON {
		_ = jsonline.Write(w.Out.Out, s)
		return
	}
	if w.Out.Quiet && s.Mark != jsonline.Fail || w.Brief && s.Mark == jsonline.OK {
		return
	}
	w.title()
	const indent = "        "
	width := w.Out.Width()
	detail := term.Printable(s.Detail)
	if text := fmt.Sprintf("  ok    %-10s %s  (%d ms)", s.Step, detail, s.Millis); width > 0 && utf8.RuneCountInString(text) > width {
		fmt.Fprintf(w.Out.Out, "  %s  %s  (%d ms)\n", w.mark(s.Mark), s.Step, s.Millis)
		w.below(indent, detail, width)
	} else {
		fmt.Fprintf(w.Out.Out, "  %s  %-10s %s  (%d ms)\n", w.mark(s.Mark), s.Step, detail, s.Millis)
	}
	if s.Advice != "" {
		for _, line := range strings.Split(s.Advice, "\n") {
			w.below(indent, term.Printable(line), width)
		}
	}
}

// title prints the account's line before its first step.
func (w *walk) title() {
	if !w.titled {
		fmt.Fprintf(w.Out.Out, "%s: %s at %s, %s\n", term.Printable(w.a.Name), term.Printable(w.a.User), w.a.Server.Address(), w.a.Server.Security)
	}
	w.titled = true
}

// below prints text under a step, folded to the terminal.
func (w *walk) below(indent, text string, width int) {
	for _, line := range term.Fold(text, width-len(indent)) {
		fmt.Fprintln(w.Out.Out, indent+line)
	}
}

// mark is a mark as a person sees it.
func (w *walk) mark(m jsonline.Mark) string {
	text := map[jsonline.Mark]string{jsonline.OK: "ok  ", jsonline.Warn: "warn", jsonline.Fail: "FAIL"}[m]
	if !w.Out.Color {
		return text
	}
	colour := map[jsonline.Mark]string{jsonline.OK: "32", jsonline.Warn: "33", jsonline.Fail: "1;31"}[m]
	return "\x1b[" + colour + "m" + text + "\x1b[m"
}

func (w *walk) ok(step, detail string, began time.Time) {
	w.add(jsonline.Step{Step: step, Mark: jsonline.OK, Detail: detail}, began)
}

func (w *walk) warn(step, detail, advice string, began time.Time) {
	w.add(jsonline.Step{Step: step, Mark: jsonline.Warn, Detail: detail, Advice: advice}, began)
}

// fail reports a step that failed; only the first decides the exit code.
func (w *walk) fail(step string, err error, began time.Time) {
	if w.err == nil {
		w.err = err
	}
	if errors.Is(err, context.Canceled) {
		return // a signal: Main reports it
	}
	w.add(jsonline.Step{Step: step, Mark: jsonline.Fail, Detail: err.Error(), Advice: advice.Text(err, advice.SituationOf(w.a, w.Bare))}, began)
}

func (w *walk) checkState() {
	began := time.Now()
	db, err := state.Open(state.Path(w.Builder.StateDir, w.a.ID), state.Options{ReadOnly: true})
	w.unread = err != nil && !errors.Is(err, fs.ErrNotExist)
	detail := "none yet: the first fetch takes everything that is on the server"
	if err == nil {
		defer db.Close()
		_ = db.View(func(v *state.View) error {
			w.past = make(map[string]deliver.Past)
			for _, t := range w.a.Deliver {
				w.past[t.ID()] = commit.PastOf(v, t.ID())
			}
			w.facts = v.Facts()
			detail = fmt.Sprintf("%d messages known", v.Len())
			return nil
		})
	}
	room := deliver.Room(w.Builder.StateDir)
	switch {
	case errors.Is(err, state.ErrLocked):
		w.warn("state", "a run is working on this maildrop now", "the server is looked at all the same, and may refuse a second login until that run ends", began)
	case w.unread:
		w.fail("state", err, began)
	case room != nil:
		w.fail("state", room, began)
	default:
		w.ok("state", detail, began)
	}
}

// checkToken warns before a login expires.
func (w *walk) checkToken(ctx context.Context) {
	if w.a.OAuth == nil {
		return
	}
	began := time.Now()
	t, err := w.Builder.Tokens(w.a.OAuth)
	if err != nil {
		w.fail("token", exit.Token(err), began)
		return
	}
	st, err := t.Source.Status()
	if err == nil && !st.NeedsLogin && !time.Now().Before(st.ValidUntil) {
		if _, err = t.Token(ctx); err == nil { // it has ended: a run would renew it
			st, err = t.Source.Status()
		}
	}
	switch {
	case err != nil:
		w.fail("token", exit.Token(err), began)
	case st.NeedsLogin:
		w.fail("token", advice.Give(exit.NoLogin(errors.New(st.Reason)), advice.Login(t.Login)), began)
	case st.Warning != "":
		w.warn("token", st.Warning, "", began)
	default:
		w.ok("token", "valid until "+term.Stamp(st.ValidUntil), began)
	}
}

// addressTimeout is how long each single address may take to connect.
const addressTimeout = 5 * time.Second

// checkAddresses resolves the server's name and connects to each address: a
// client that picks the best one hides that another is broken.
func (w *walk) checkAddresses(ctx context.Context) {
	began := time.Now()
	addrs, err := net.DefaultResolver.LookupHost(ctx, w.a.Server.Host)
	if err != nil {
		return // the session reports it, with a hint
	}
	w.ok("dns", strings.Join(addrs, ", "), began)
	if len(addrs) < 2 {
		return
	}
	reached := 0
	for _, addr := range addrs {
		began := time.Now()
		dialer := net.Dialer{Timeout: addressTimeout}
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(w.a.Server.Port)))
		if err != nil {
			w.warn("address", err.Error(), brokenAddress(addr), began)
			continue
		}
		_ = conn.Close()
		reached++
		w.ok("address", addr, began)
	}
}

func brokenAddress(addr string) string {
	if strings.Contains(addr, ":") {
		return "this IPv6 address does not answer; mailhaul uses another one, but each connection may take longer: is IPv6 set up right on this network?"
	}
	return "this address does not answer; mailhaul uses another one"
}
