package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/login"
)

// maxRounds bounds the challenges of one exchange.
const maxRounds = 32

// login logs in with the first usable login. The capabilities may change with it.
func (c *conn) login(ctx context.Context) error {
	l, err := c.choose()
	if err != nil {
		return err
	}
	caps := c.caps
	c.caps, c.used = nil, l
	if l.New != nil && (caps["AUTH="+l.Mechanism] || l.Named && l.Mechanism != "LOGIN") {
		err = c.authenticate(ctx, l, caps)
	} else {
		err = c.plainLogin(ctx, l)
	}
	if err != nil {
		return c.o.failed(err)
	}
	return nil
}

// choose returns the first login that the server has and that is safe.
func (c *conn) choose() (*login.Login, error) {
	insecure := false
	for i := range c.o.Logins {
		l := &c.o.Logins[i]
		switch {
		case !c.has(l):
		case l.Clear && c.state == nil && !c.o.Secure:
			insecure = true
		default:
			return l, nil
		}
	}
	if insecure {
		return nil, c.o.failure(deliver.Denied, Insecure, stageLogin, errors.New("refusing to send the password without TLS"))
	}
	return nil, c.o.failure(deliver.Unavailable, NoLogin, stageLogin, errors.New("the server offers none of the configured ways to log in"))
}

// has reports whether the server announces a login. LOGIN is forbidden under
// LOGINDISABLED (RFC 9051 section 6.2.3).
func (c *conn) has(l *login.Login) bool {
	if l.New != nil && (c.caps["AUTH="+l.Mechanism] || l.Named && l.Mechanism != "LOGIN") {
		return true
	}
	return l.Password != nil && !c.caps["LOGINDISABLED"]
}

// plainLogin is the command LOGIN.
func (c *conn) plainLogin(ctx context.Context, l *login.Login) error {
	password, err := l.Password(ctx)
	if err != nil {
		return c.o.failure(deliver.Denied, CauseOther, stageLogin, err)
	}
	if strings.ContainsAny(l.User+password, "\r\n\x00") {
		return c.o.failure(deliver.Denied, CauseOther, stageLogin, errors.New("user or password holds a control character"))
	}
	tag := c.sendAs(stageLogin, "LOGIN "+quote(l.User)+" "+quote(password), "LOGIN ****")
	r, err := c.finish(stageLogin, tag, nil, nil)
	if r != nil && password != "" {
		r.text = strings.ReplaceAll(r.text, password, "****")
	}
	return err
}

// authenticate runs a SASL exchange (RFC 9051 section 6.2.2, RFC 4959).
func (c *conn) authenticate(ctx context.Context, l *login.Login, caps map[string]bool) error {
	var offered []string
	for name := range caps {
		if mech, ok := strings.CutPrefix(name, "AUTH="); ok {
			offered = append(offered, mech)
		}
	}
	mech, err := l.New(ctx, offered, c.state)
	if err != nil {
		return c.o.failure(deliver.Denied, CauseOther, stageLogin, err)
	}
	name, initial, err := mech.Start()
	if err != nil {
		return c.o.failure(deliver.Denied, CauseOther, stageLogin, err)
	}
	line := "AUTHENTICATE " + name
	inline := initial != nil && caps["SASL-IR"]
	if inline {
		line += " " + encode(initial)
	}
	tag := c.sendAs(stageLogin, line, "AUTHENTICATE "+name+" ****")
	return c.exchange(tag, mech, initial, inline)
}

// encode is base64, and "=" for nothing (RFC 4959 section 3).
func encode(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// exchange answers challenges until the server decides.
func (c *conn) exchange(tag string, mech login.Mechanism, initial []byte, inline bool) error {
	var failed error  // of ours, or of a proof that the server owes
	var sent []string // which some servers repeat
	if inline {
		sent = append(sent, encode(initial))
	}
	for rounds := 0; rounds < maxRounds; {
		r, lost := c.read(c.o.Timeout, nil)
		switch {
		case lost != nil:
			return lost
		case r.tag == "*":
			continue
		case r.tag == tag:
			for _, s := range sent {
				r.text = strings.ReplaceAll(r.text, s, "****")
			}
			return c.decide(r, mech, failed)
		case r.tag != "+":
			return c.lost(errProtocol)
		}
		rounds++
		response := initial
		if inline || rounds > 1 || initial == nil {
			response, failed = answer(mech, r.text)
		}
		line := base64.StdEncoding.EncodeToString(response)
		if failed != nil {
			line = "*" // RFC 9051 section 6.2.2: cancels the exchange
		}
		if line != "" {
			sent = append(sent, line)
		}
		c.trace(true, "****")
		_, _ = c.bw.WriteString(line + "\r\n")
	}
	return c.lost(errProtocol)
}

// answer answers a challenge.
func answer(mech login.Mechanism, text string) ([]byte, error) {
	challenge, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: challenge is not base64", errProtocol)
	}
	return mech.Next(challenge)
}

// decide is the outcome of an exchange, given its last reply.
func (c *conn) decide(r *reply, mech login.Mechanism, failed error) error {
	if r.name == "OK" {
		if failed == nil {
			failed = login.Complete(mech)
		}
		if failed == nil {
			return nil
		}
	}
	if failed != nil {
		return c.o.failure(deliver.Denied, LoginRefused, stageLogin, failed)
	}
	err := c.o.failed(&refusal{stageLogin, r})
	own, _ := errors.AsType[*Error](err)
	own.Err = login.Explained(mech, own.Err)
	return err
}
