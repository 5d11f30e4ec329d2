package pop3

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

const (
	maxAuthLine = 255 // RFC 5034 section 4, CRLF included
	maxRounds   = 32  // challenges of one exchange
)

// sasl is AUTH (RFC 5034).
func (a *attempt) sasl(ctx context.Context) error {
	l := a.login
	if l.New == nil {
		return errors.New("no such mechanism")
	}
	mech, err := l.New(ctx, sasl.Channel{Host: a.s.Host, Port: a.s.Port, TLS: a.tls, Offered: a.caps.Mechanisms()})
	if err != nil {
		return &noSecretError{err}
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
		a.send(line, "AUTH "+name+" ****")
		a.hideResponse(initial)
		err := a.exchange(name, mech, initial, true)
		if unknown, ok := errors.AsType[*unknownMechError](err); ok {
			unknown.secretSent = l.Clear
		}
		return err
	}
	a.send(line, line)
	return a.exchange(name, mech, initial, false)
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

// exchange answers challenges until the server decides. The answer to the first
// challenge, which RFC 4422 leaves empty, is the initial response, unless AUTH held
// it already (inline) and the server read it there: RFC 1734 had none.
func (a *attempt) exchange(name string, mech sasl.Mechanism, initial []byte, inline bool) error {
	for round := range maxRounds {
		line, err := a.reply("AUTH", 0, maxSASL, a.w.idle)
		if err != nil {
			return err
		}
		if _, ok := cutPrefixFold(line, "+OK"); ok {
			return a.complete(name, mech)
		}
		if text, ok := cutPrefixFold(line, "-ERR"); ok {
			refused := newError("AUTH", a.scrub(text))
			if round == 0 && refused.ofMechanism() {
				return &unknownMechError{refused: refused}
			}
			return explained(mech, refused)
		}
		response := initial
		challenge, err := decodeChallenge(line)
		words := errors.Is(err, errNotBase64) && bytes.ContainsFunc(line, unicode.IsLetter) // "+ go ahead"
		switch {
		case err != nil && !words:
			return a.garbled("AUTH", err.Error(), nil)
		case round == 0 && initial != nil && (!inline || words || len(challenge) == 0 || name == "PLAIN"):
		case words && name != "LOGIN": // whose prompts mean nothing
			return a.garbled("AUTH", err.Error(), nil)
		default:
			if response, err = mech.Next(challenge); err != nil {
				return a.cancelAuth(err)
			}
		}
		a.hideResponse(response)
		a.send(base64.StdEncoding.EncodeToString(response), "****")
	}
	return a.garbled("AUTH", "endless challenges", nil)
}

// hideResponse adds a response to the secrets that are never shown: as it is sent,
// and each secret in it, since some servers repeat the decoded one.
func (a *attempt) hideResponse(response []byte) {
	a.hide = append(a.hide, base64.StdEncoding.EncodeToString(response))
	for p := range strings.FieldsFuncSeq(string(response), func(r rune) bool { return r <= ' ' || r == ',' }) {
		p = strings.TrimPrefix(p, "user=")
		if p != a.login.User && p != "auth=Bearer" {
			a.hide = append(a.hide, p)
		}
	}
}

// explained adds to a refusal what the mechanism read in a challenge.
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

func (a *attempt) complete(name string, mech sasl.Mechanism) error {
	m, ok := mech.(sasl.Completer)
	if !ok {
		return nil
	}
	if err := m.Complete(); err != nil {
		// The server accepted the login and did not prove itself: it may be anyone.
		return a.broken(&LoginError{Login: name, Err: err})
	}
	return nil
}

var errNotBase64 = errors.New("challenge is not base64")

// decodeChallenge decodes "+ " and base64; "+" alone is an empty challenge.
func decodeChallenge(line []byte) ([]byte, error) {
	if len(line) == 0 || line[0] != '+' || len(line) > 1 && line[1] != ' ' {
		return nil, errors.New("neither +OK, -ERR nor a challenge")
	}
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimLeft(string(line[1:]), " "))
	if err != nil {
		return nil, errNotBase64
	}
	return challenge, nil
}

// cancelAuth ends an exchange in which the mechanism failed. The server must answer
// with -ERR (RFC 5034 section 4).
func (a *attempt) cancelAuth(cause error) error {
	a.send("*", "*")
	_, err := a.status("AUTH", 0)
	if err == nil {
		return a.garbled("AUTH", "+OK to a cancelled exchange", nil)
	}
	if a.err != nil {
		return err
	}
	return fmt.Errorf("%w (%w)", cause, err)
}
