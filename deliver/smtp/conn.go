package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/login"
)

// conn is one session with the relay. It is used by one goroutine at a time;
// only cancel may be called from another.
type conn struct {
	o   *Options
	br  *bufio.Reader
	ext map[string]string // what EHLO announced: upper-case keyword -> parameters

	tls    *tls.ConnectionState // nil without TLS
	used   *login.Login         // nil: none yet
	told   bool                 // the mechanism told why the login was refused
	open   bool                 // the relay holds an unfinished transaction: RSET first
	dead   bool                 // out of step, lost or cancelled: never to be used again
	closed bool                 // dead because the relay closed it, or said that it will (421)
	served bool                 // the relay has taken a message over it
	warned bool                 // about missing 8BITMIME
	link
}

// connect opens a session up to and including the login. An access token that the
// relay refuses, which may have ended early, is replaced once.
func connect(ctx context.Context, o *Options) (*conn, *deliver.Error) {
	c, derr := connectOnce(ctx, o)
	if c.tokenRefused(derr) {
		if none := c.used.Anew(ctx, derr); none != nil {
			return nil, o.failure(deliver.Denied, "AUTH", &login.TokenError{Name: c.used.Name, Err: none}, LoginRefused)
		}
		o.Logger.Info("the relay refused the token: trying once more with a new one")
		if c, derr = connectOnce(ctx, o); c.tokenRefused(derr) && derr.Class == deliver.Denied {
			e, _ := errors.AsType[*Error](derr)
			e.Err = &login.TokenError{Name: c.used.Name, Err: e.Err}
		}
	}
	if derr != nil {
		return nil, derr
	}
	return c, nil
}

// tokenRefused reports whether a session ended with the relay's refusal of a token. Some
// (go-smtp) answer 454 then, but the mechanism's challenge says so (RFC 7628 section 3.2.2).
func (c *conn) tokenRefused(derr *deliver.Error) bool {
	if derr == nil || c == nil || c.used == nil || c.used.Renew == nil {
		return false
	}
	e, ok := errors.AsType[*Error](derr)
	return ok && (e.Cause == LoginRefused || e.Cause == OtherLogin || c.told)
}

// connectOnce returns the connection also with an error, once there was one.
func connectOnce(ctx context.Context, o *Options) (*conn, *deliver.Error) {
	fault.Point("smtp.connect")
	nc, err := o.Dial(ctx, o.Network, o.Address)
	if err != nil {
		return nil, o.failure(deliver.Unavailable, "", plainly(err), Unreachable)
	}
	c := &conn{o: o, link: link{nc: nc}, br: bufio.NewReaderSize(nc, maxLine)}
	stop := context.AfterFunc(ctx, c.cancel)
	defer stop()
	if derr := c.begin(ctx); derr != nil {
		_ = nc.Close()
		return c, derr
	}
	return c, nil
}

// plainly leaves out of an error of net what stands before it anyway.
func plainly(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func (c *conn) begin(ctx context.Context) *deliver.Error {
	if c.o.Security == ImplicitTLS {
		if err := c.handshake(ctx); err != nil {
			return err
		}
	}
	c.arm(c.o.Timeout)
	r, err := c.read(phaseGreeting)
	if err != nil {
		return err
	}
	if r.code != 220 {
		return c.refused(phaseGreeting, r)
	}
	if err := c.hello(); err != nil {
		return err
	}
	if c.o.Security == StartTLS {
		if err := c.startTLS(ctx); err != nil {
			return err
		}
		if err := c.hello(); err != nil { // RFC 3207 section 4.2: forget all
			return err
		}
	}
	if len(c.o.Logins) > 0 {
		return c.login(ctx)
	}
	return nil
}

// hello greets the relay and reads its extensions.
func (c *conn) hello() *deliver.Error {
	verb := "EHLO "
	if c.o.LMTP {
		verb = "LHLO "
	}
	c.ext = map[string]string{}
	r, err := c.command(phaseHello, verb+c.name())
	if err != nil {
		return err
	}
	if !c.o.LMTP && (r.code == 500 || r.code == 502) { // RFC 5321 section 3.2
		r, err = c.command(phaseHello, "HELO "+c.name())
		if err != nil {
			return err
		}
		r.lines = r.lines[:1]
	}
	if r.code != 250 {
		return c.refused(phaseHello, r)
	}
	for _, line := range r.lines[1:] {
		word, args, _ := strings.Cut(line, " ")
		c.ext[strings.ToUpper(word)] = strings.TrimSpace(args)
	}
	return nil
}

// name is what we call ourselves: the configured name, else this machine's if
// the DNS can know it, else the address that the relay sees us come from (RFC
// 5321 section 4.1.3).
func (c *conn) name() string {
	if c.o.Helo != "" {
		return c.o.Helo
	}
	a, ok := c.nc.LocalAddr().(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case a.IP.To4() != nil:
		return "[" + a.IP.String() + "]"
	}
	return "[IPv6:" + a.IP.String() + "]"
}

func (c *conn) offers(ext string) bool {
	_, ok := c.ext[ext]
	return ok
}

// startTLS upgrades the connection. Whatever the relay sent before the
// handshake is not protected by it; text that is already there was put there
// by somebody else, so the session ends (CVE-2011-0411, turned around).
func (c *conn) startTLS(ctx context.Context) *deliver.Error {
	if !c.offers("STARTTLS") {
		return c.o.failure(deliver.Unavailable, "STARTTLS", errors.New("not offered by the relay"), TLSNotOffered)
	}
	r, err := c.command(phaseTLS, "STARTTLS")
	if err != nil {
		return err
	}
	if r.code != 220 {
		return c.refused(phaseTLS, r)
	}
	if c.br.Buffered() > 0 {
		return c.o.failure(deliver.Unavailable, "STARTTLS",
			fmt.Errorf("%w: text before the TLS handshake", errProtocol), Tampered)
	}
	return c.handshake(ctx)
}

func (c *conn) handshake(ctx context.Context) *deliver.Error {
	c.arm(min(c.o.Timeout, connectTimeout))
	tc := tls.Client(c.nc, c.o.tlsConfig())
	if err := tc.HandshakeContext(ctx); err != nil {
		cause := TLSFailed
		if errors.As(err, new(*tls.CertificateVerificationError)) {
			cause = Untrusted
		}
		return c.o.failure(deliver.Unavailable, "TLS", errors.New(clean(err.Error())), cause)
	}
	c.replace(tc)
	c.br.Reset(tc)
	state := tc.ConnectionState()
	c.tls = &state
	return nil
}

// command sends one line and reads its reply.
func (c *conn) command(p phase, line string) (reply, *deliver.Error) {
	if err := c.write(p, line+"\r\n"); err != nil {
		return reply{}, err
	}
	return c.read(p)
}

// write sends s and starts the clock for the replies to it.
func (c *conn) write(p phase, s string) *deliver.Error {
	c.arm(c.o.Timeout)
	if _, err := io.WriteString(c.nc, s); err != nil {
		return c.lost(p, err)
	}
	return nil
}

// read reads one reply within the deadline that arm has set.
func (c *conn) read(p phase) (reply, *deliver.Error) {
	r, err := readReply(c.br)
	if p == phaseAuth && errors.Is(err, errProtocol) {
		err = errProtocol // its words may repeat a secret
	}
	if err != nil {
		return r, c.lost(p, err)
	}
	if r.code == 421 { // RFC 5321 section 3.8: the relay closes after it
		c.dead, c.closed = true, true
	}
	if p != phaseAuth { // a challenge is nobody's business
		c.log(p, r)
	}
	return r, nil
}

func (c *conn) log(p phase, r reply) {
	if c.o.Logger.Enabled(context.Background(), slog.LevelDebug) {
		c.o.Logger.Debug("relay replied", "stage", p.String(), "reply", r.String())
	}
}

// quit says goodbye, if the session is in step, and closes the connection.
func (c *conn) quit() {
	if !c.dead && !c.interrupted() {
		c.arm(quitTimeout)
		if _, err := io.WriteString(c.nc, "QUIT\r\n"); err == nil {
			_, _ = readReply(c.br)
		}
	}
	c.dead = true
	_ = c.nc.Close()
}

// resyncTimeout is how long a relay has to answer a QUIT that tells its replies
// apart.
const resyncTimeout = 10 * time.Second

// resync ends the session and returns what the relay had still to say before
// its answer to QUIT: the reply to a message, if it gave another one early. Some
// say 250 or 421 to QUIT, or nothing at all: unless sure, the last one may be
// either.
func (c *conn) resync() (late []reply, sure bool) {
	c.arm(resyncTimeout)
	_, err := io.WriteString(c.nc, "QUIT\r\n")
	for err == nil && len(late) < maxLines {
		var r reply
		if r, err = readReply(c.br); err == nil {
			c.log(phaseDot, r)
			late = append(late, r)
		}
		if r.code == 221 {
			late, sure = late[:len(late)-1], true
			break
		}
	}
	c.dead = true
	_ = c.nc.Close()
	return late, sure
}
