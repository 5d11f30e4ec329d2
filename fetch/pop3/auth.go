package pop3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

const (
	maxAuthLine = 255 // RFC 5034 section 4, CRLF included
	maxRounds   = 32  // challenges of one exchange
)

// sasl is AUTH (RFC 5034).
func (c *Client) sasl(ctx context.Context, l Login) error {
	if l.New == nil {
		return errors.New("no such mechanism")
	}
	mech, err := l.New(ctx, c.channel())
	if err != nil {
		return err
	}
	name, initial, err := mech.Start()
	if err != nil {
		return err
	}
	if err := lineSafe("mechanism name", name); err != nil {
		return err
	}
	line, inline := authLine(name, initial)
	if inline {
		c.send(line, "AUTH "+name+" ****")
		c.hideResponse(l.User, initial)
		return c.exchange(l.User, name, mech, nil)
	}
	c.send(line, line)
	return c.exchange(l.User, name, mech, initial)
}

// authLine is the AUTH command, and whether it holds the initial response. It
// does so only if the whole line is short enough, and never for XOAUTH2:
// Exchange Online ends the connection at that.
func authLine(name string, initial []byte) (line string, inline bool) {
	line = "AUTH " + name
	if initial == nil || name == "XOAUTH2" {
		return line, false
	}
	full := line + " " + base64.StdEncoding.EncodeToString(initial)
	if len(initial) == 0 {
		full = line + " ="
	}
	if len(full)+len("\r\n") > maxAuthLine {
		return line, false
	}
	return full, true
}

// exchange answers challenges until the server decides. Pending is an initial
// response that the AUTH line did not hold: the first challenge, empty by RFC
// 4422, is answered with it.
func (c *Client) exchange(user, name string, mech sasl.Mechanism, pending []byte) error {
	for range maxRounds {
		line, err := c.reply("AUTH", 0, maxSASL, c.w.idle)
		if err != nil {
			return err
		}
		if _, ok := cutPrefixFold(line, "+OK"); ok {
			return c.complete(name, mech)
		}
		if text, ok := cutPrefixFold(line, "-ERR"); ok {
			return explained(mech, newError("AUTH", c.scrub(text)))
		}
		challenge, err := decodeChallenge(line)
		if err != nil {
			return c.garbled("AUTH", err.Error(), nil)
		}
		response := pending
		if pending == nil {
			if response, err = mech.Next(challenge); err != nil {
				return c.cancelAuth(err)
			}
		}
		pending = nil
		c.hideResponse(user, response)
		c.send(base64.StdEncoding.EncodeToString(response), "****")
	}
	return c.garbled("AUTH", "endless challenges", nil)
}

// hideResponse keeps a response out of what is shown of the server's texts: as
// it is sent, and each secret in it, for a server that repeats the decoded one.
func (c *Client) hideResponse(user string, response []byte) {
	c.hide = append(c.hide, base64.StdEncoding.EncodeToString(response))
	parts := strings.FieldsFunc(string(response), func(r rune) bool { return r <= ' ' || r == ',' })
	for _, p := range parts {
		p = strings.TrimPrefix(p, "user=")
		if p != user && p != "auth=Bearer" {
			c.hide = append(c.hide, p)
		}
	}
}

// explained adds what the mechanism learnt from a challenge to a refusal.
func explained(mech sasl.Mechanism, refused error) error {
	e, ok := mech.(sasl.Explainer)
	if !ok {
		return refused
	}
	if why := e.Explain(); why != nil {
		return fmt.Errorf("%w (%w)", why, refused)
	}
	return refused
}

func (c *Client) complete(name string, mech sasl.Mechanism) error {
	m, ok := mech.(sasl.Completer)
	if !ok {
		return nil
	}
	if err := m.Complete(); err != nil {
		// The server let us in without proving itself: it may be anyone.
		return c.broken(&LoginError{Login: name, Err: err})
	}
	return nil
}

// decodeChallenge decodes "+ " and base64; "+" alone is an empty challenge.
func decodeChallenge(line []byte) ([]byte, error) {
	if len(line) == 0 || line[0] != '+' || len(line) > 1 && line[1] != ' ' {
		return nil, errors.New("neither +OK, -ERR nor a challenge")
	}
	text := line[1:]
	for len(text) > 0 && text[0] == ' ' {
		text = text[1:]
	}
	challenge, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return nil, errors.New("challenge is not base64")
	}
	return challenge, nil
}

// cancelAuth ends the exchange that the mechanism gave up. The server must
// answer with -ERR (RFC 5034 section 4).
func (c *Client) cancelAuth(cause error) error {
	c.send("*", "*")
	_, err := c.status("AUTH", 0)
	if err == nil {
		return c.garbled("AUTH", "+OK to a cancelled exchange", nil)
	}
	if c.err != nil {
		return err
	}
	return fmt.Errorf("%w (%w)", cause, err)
}
