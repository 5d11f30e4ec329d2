package pop3

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// KPOP is POP3 behind the exchange of MIT Kerberos' krb5_sendauth: two version
// strings, a request and an answer, each with its length in front (32 bits, big
// endian). The greeting follows, and USER and PASS: who logs in is known by then, so
// the password is only a word, by convention the user name. No document describes it.
const (
	sendauthVersion = "KRB5_SENDAUTH_V1.0\x00"
	kpopVersion     = "KPOPV1.0\x00"
)

// kpop is the exchange before the greeting, if a login asks for it.
func (c *Client) kpop(ctx context.Context) error {
	i := slices.IndexFunc(c.s.Logins, func(l Login) bool { return l.Name == "KPOP" && l.New != nil })
	if i < 0 {
		return nil
	}
	login := c.s.Logins[i]
	return c.s.step("kpop", func() error {
		mech, err := login.New(ctx, sasl.Channel{Host: c.s.Host, Port: c.s.Port, TLS: c.tls})
		if err == nil {
			err = recvauth{&c.dialogue}.prove(mech)
		}
		if err != nil {
			err = c.loginFailed(login.Name, err)
		}
		return err
	})
}

// recvauth is the server's side of the exchange.
type recvauth struct{ *dialogue }

func (c recvauth) prove(mech sasl.Mechanism) error {
	_, request, err := mech.Start()
	if err != nil {
		return &noSecretError{err}
	}
	c.frame(sendauthVersion)
	c.frame(kpopVersion)
	switch verdict, err := c.octets(1); {
	case err != nil:
		return err
	case verdict[0] != 0:
		return c.notKPOP(verdict[0])
	}
	c.frame(string(request))
	refusal, err := c.readFrame()
	if err != nil {
		return err
	}
	answer := refusal
	if len(refusal) == 0 { // the request was accepted
		if answer, err = c.readFrame(); err != nil {
			return err
		}
	}
	if _, err = mech.Next(answer); err == nil && len(refusal) > 0 {
		err = errors.New("the server sent its proof where it says whether it accepts the ticket")
	}
	return err
}

// notKPOP is about a server that answers the version strings with anything but 0. The
// answers 1 and 2 say which of the two it does not know.
func (c recvauth) notKPOP(verdict byte) error {
	if verdict == 1 || verdict == 2 {
		return c.garbled("KPOP", fmt.Sprintf("server has another version of the exchange (answer %d)", verdict), nil)
	}
	more, _ := c.w.line(maxStatus) // what it says helps to see what it is
	return c.garbled("KPOP", "not a KPOP server", append([]byte{verdict}, more...))
}

// frame queues one message.
func (c recvauth) frame(message string) {
	c.w.out = binary.BigEndian.AppendUint32(c.w.out, uint32(len(message)))
	c.w.out = append(c.w.out, message...)
	c.trace(true, fmt.Sprintf("(KPOP, %d octets)", len(message)))
}

// readFrame reads one message, which may be empty.
func (c recvauth) readFrame() ([]byte, error) {
	head, err := c.octets(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxSASL {
		return nil, c.garbled("KPOP", fmt.Sprintf("message of %d octets", n), nil)
	}
	c.trace(false, fmt.Sprintf("(KPOP, %d octets)", n))
	return c.octets(int(n))
}

// octets reads just n octets.
func (c recvauth) octets(n int) ([]byte, error) {
	c.w.await(c.s.connectTimeout(), false)
	for c.w.buffered() < n {
		if err := c.w.fill(); err != nil {
			return nil, c.failed("KPOP", err)
		}
	}
	c.w.r += n
	return bytes.Clone(c.w.buf[c.w.r-n : c.w.r]), nil
}

// kpopUser is USER and PASS after the exchange.
func (a *attempt) kpopUser() error {
	if err := lineSafe("user name", a.login.User); err != nil {
		return err
	}
	if _, err := a.command("USER " + a.login.User); err != nil {
		return err
	}
	_, err := a.command("PASS " + a.login.User)
	return err
}
