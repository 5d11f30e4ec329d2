package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

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
	if loud {
		s.Step = func(name string, err error, d time.Duration) {
			step = name
			if err == nil && name != "dns" && name != "list" && name != "tls" {
				w.ok(name, "", time.Now().Add(-d))
			}
		}
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
		w.fail("login", err, began)
		return nil, 0, false
	}
	list, err = c.List(ctx)
	if err != nil {
		w.fail(step, err, began)
		return nil, 0, false
	}
	if loud {
		w.tellList(ctx, c, list, began)
	}
	delay, _ = c.Capabilities().LoginDelay()
	if err := c.Quit(ctx); err != nil {
		w.fail("quit", err, began)
		return nil, delay, false
	}
	return list, delay, true
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

// soonExpired is how many days before its end a certificate is worth a word.
const soonExpired = 14

func (w *walk) tellTLS(c *pop3.Client, began time.Time) {
	cs := c.TLS()
	if cs == nil || len(cs.PeerCertificates) == 0 {
		w.warn("tls", "none: anyone on the way can read password and mail", "", began)
		return
	}
	cert := cs.PeerCertificates[0]
	left := int(time.Until(cert.NotAfter).Hours() / 24)
	detail := fmt.Sprintf("%s, %s, for %s, by %s, %d days left, %s", tlsVersion(cs), tlsCipher(cs),
		strings.Join(cert.DNSNames, " "), cert.Issuer, left, pop3.Pin(cert))
	if left < soonExpired {
		w.warn("tls", detail, "the certificate ends soon; its owner has to renew it", began)
		return
	}
	w.ok("tls", detail, began)
}

// tellList looks at the listing and whether a header can be read.
func (w *walk) tellList(ctx context.Context, c *pop3.Client, list []pop3.Message, began time.Time) {
	var size int64
	for i := range list {
		size += max(list[i].Size, 0)
	}
	w.ok("list", fmt.Sprintf("%s, %d bytes, by %s", plural(len(list), "message"), size, c.LoginName()), began)
	rep := c.ListReport()
	if rep.Malformed > 0 {
		w.warn("list", fmt.Sprintf("%d malformed lines, the first: %s", rep.Malformed, rep.Example), "these messages are left alone", began)
	}
	if !c.HasUIDL() {
		w.warn("uidl", "the server has none", "messages are told apart by their headers (TOP), which takes longer; with keep: none it does not matter", began)
	}
	if len(list) == 0 {
		return
	}
	began = time.Now()
	var refused error
	var n int64
	err := c.Top(ctx, list[:1], 0, func(_ pop3.Message, body io.Reader, r error) (err error) {
		if refused = r; r == nil {
			n, err = io.Copy(io.Discard, body)
		}
		return err
	})
	switch {
	case err != nil:
		w.fail("top", err, began)
	case refused != nil:
		w.warn("top", refused.Error(), "state mark-seen --before and a change of UIDs cannot be handled without TOP", began)
	default:
		w.ok("top", fmt.Sprintf("%d bytes of header", n), began)
	}
}

// compareLists tells whether UIDs stay the same from session to session: if
// not, every run would fetch everything again.
func (w *walk) compareLists(first, second []pop3.Message) {
	began := time.Now()
	have := make(map[string]bool, len(second))
	for i := range second {
		have[second[i].UID] = true
	}
	same := 0
	for i := range first {
		if have[first[i].UID] {
			same++
		}
	}
	if len(first) > 0 && same == 0 && len(second) > 0 {
		w.warn("uidl twice", "a second session shows other UIDs for all messages", "each fetch would take everything again: this server cannot be used with keep: all", began)
		return
	}
	w.ok("uidl twice", fmt.Sprintf("%d of %d UIDs the same in a second session", same, len(first)), began)
}
