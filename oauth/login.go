package oauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// UI is how a login talks to the person. What it is given is fit for a
// terminal: no control characters. The authorisation URL holds no secret.
type UI interface {
	// ShowURL is called once in the browser flow. Opened means that a
	// browser was started with it. ReadPasted follows if paste was asked for.
	ShowURL(url string, opened bool)
	// ShowDeviceCode is called once in the device flow.
	ShowDeviceCode(d DeviceCode)
	// ReadPasted returns what the person pasted: the address that the browser
	// ended at, or the code in it: up to 64 KiB, longer than a line that a
	// terminal hands over.
	ReadPasted(ctx context.Context) (string, error)
}

// DeviceCode is what a person needs on another device.
type DeviceCode struct {
	// URL is where to enter Code; Complete, if not empty, holds both.
	URL, Complete, Code string
	// Expires is when it is too late.
	Expires time.Time
}

// Way is how a person is asked, where the configured flow has a choice.
type Way uint8

const (
	// WayConfigured is the flow of the configuration.
	WayConfigured Way = iota
	// WayBrowser waits for the browser on a loopback port.
	WayBrowser
	// WayPaste lets the person paste what a browser elsewhere ended at.
	WayPaste
	// WayDevice uses a device code.
	WayDevice
)

// LoginOptions shape one login.
type LoginOptions struct {
	Way Way
	// Open starts a browser; nil for OpenBrowser.
	Open func(ctx context.Context, url string) error
	// Timeout bounds the wait for the person; zero: 10 minutes.
	Timeout time.Duration
}

// Login authorises again and stores the tokens; what was stored before stays
// until then. It returns once the new tokens are durable. A flow without a
// person gets a token to prove that it can. While it waits for the person no
// lock is held: fetches go on with the old tokens.
func (s *Source) Login(ctx context.Context, ui UI, o LoginOptions) error {
	return s.named(s.login(ctx, ui, o))
}

func (s *Source) login(ctx context.Context, ui UI, o LoginOptions) error {
	unlock, err := s.store.lock(ctx, s.account)
	if err != nil {
		return err // before a person is bothered
	}
	unlock()
	g, odd := s.client.login(ctx, ui, o)
	if odd != nil && (g == nil || g.refresh == "" || !attended(s.client.conf.Flow)) {
		return odd
	}
	// An answer is here: no interrupt may cost it.
	unlock, err = s.store.lock(context.WithoutCancel(ctx), s.account)
	if err != nil {
		return err
	}
	defer unlock()
	r := s.newRecord()
	if old, err := s.store.peek(s.account); err == nil {
		r.Seq, r.Chunks = old.Seq, old.Chunks
	}
	r.apply(g)
	if odd != nil { // what was granted is not known yet
		r.Scopes = s.client.conf.Scopes
	} else if err := s.belongs(r); err != nil { // the person has refused a part
		return &Error{Kind: KindDenied, Op: OpLogin, Provider: s.client.preset.Name, Err: err}
	}
	if err := s.save(ctx, r); err != nil || odd == nil {
		return errors.Join(odd, err)
	}
	if _, err := s.refresh(ctx, r); err != nil { // an access token that is good may come of it
		return odd
	}
	return nil
}

// login asks the person. With an error the grant, if there is one, may hold a
// refresh token, as that of grant.
func (c *Client) login(ctx context.Context, ui UI, o LoginOptions) (*grant, error) {
	if !attended(c.conf.Flow) {
		return c.unattended(ctx)
	}
	o.Timeout = cmp.Or(o.Timeout, 10*time.Minute)
	if o.Open == nil {
		o.Open = OpenBrowser
	}
	g, err := (&login{Client: c, ui: ui, options: o}).ask(ctx)
	if err == nil {
		err = c.durable(g)
	}
	return g, err
}

// login is one login of a person.
type login struct {
	*Client
	ui      UI
	options LoginOptions
}

// failed is the error of a login.
func (l *login) failed(kind Kind, err error) *Error {
	return &Error{Kind: kind, Op: OpLogin, Provider: l.preset.Name, Err: err}
}

// errLate is the error of a person who did not answer in time.
var errLate = errors.New("nobody answered in time")

func (l *login) ask(ctx context.Context) (*grant, error) {
	switch {
	case l.options.Way == WayDevice, l.options.Way == WayConfigured && l.conf.Flow == provider.Device:
		return l.device(ctx)
	case l.conf.AuthURL == "":
		return nil, configError(l.preset.Name, errors.New("a login by browser needs the provider's authorisation endpoint, which is not configured"))
	case l.options.Way == WayPaste:
		return l.paste(ctx)
	}
	return l.browser(ctx)
}

// request is one authorisation request that awaits its code.
type request struct {
	secret          string
	redirect        string
	state, verifier string
	url             string
}

// authorise makes the request (RFC 6749 section 4.1.1, RFC 7636).
func (l *login) authorise(ctx context.Context, redirect string) (*request, error) {
	secret, err := l.secret(ctx)
	if err != nil {
		return nil, err
	}
	r := &request{secret: secret, redirect: redirect, state: rand.Text(), verifier: oauth2.GenerateVerifier()}
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(r.verifier)}
	for name, value := range l.preset.AuthParams {
		opts = append(opts, oauth2.SetAuthURLParam(name, value))
	}
	if l.conf.LoginHint != "" {
		opts = append(opts, oauth2.SetAuthURLParam("login_hint", l.conf.LoginHint))
	}
	r.url = l.library(secret, redirect, provider.InBody).AuthCodeURL(r.state, opts...)
	return r, nil
}

// redeem exchanges the code for tokens (RFC 6749 section 4.1.3). It is not
// cancelled: a code is good once.
func (l *login) redeem(ctx context.Context, r *request, code string) (*grant, error) {
	params := map[string][]string{}
	if err := l.addAssertion(params); err != nil {
		return nil, err
	}
	opts := []oauth2.AuthCodeOption{oauth2.VerifierOption(r.verifier)}
	hide := secrets{code, r.verifier, r.state, r.secret}
	for name, value := range params {
		opts = append(opts, oauth2.SetAuthURLParam(name, value[0]))
		hide = append(hide, value[0])
	}
	return l.grant(context.WithoutCancel(ctx), OpLogin, r.secret, hide, func(ctx context.Context, style provider.AuthStyle) (*oauth2.Token, error) {
		return l.library(r.secret, r.redirect, style).Exchange(ctx, code, opts...)
	})
}
