package oauth

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// Bounds for what a provider may ask of us while a person is busy.
const (
	maxDeviceLife     = time.Hour
	defaultDeviceLife = 15 * time.Minute
	maxInterval       = 60 // seconds
	minInterval       = 1
	defaultInterval   = 5 // RFC 8628 section 3.2
	slowDown          = 5 // RFC 8628 section 3.5
)

// device lets the person enter a code on another device (RFC 8628).
func (l *login) device(ctx context.Context) (*grant, error) {
	if l.conf.DeviceURL == "" || !l.preset.Allows(provider.Device) {
		return nil, l.failed(KindConfig, ErrNoDevice)
	}
	secret, err := l.secret(ctx)
	if err != nil {
		return nil, err
	}
	da, err := l.deviceCode(ctx, secret)
	if err != nil {
		return nil, err
	}
	if err := tameDevice(da, time.Now(), l.options.Timeout); err != nil {
		return nil, l.failed(KindProtocol, err)
	}
	l.ui.ShowDeviceCode(DeviceCode{URL: da.VerificationURI, Complete: da.VerificationURIComplete, Code: da.UserCode, Expires: da.Expiry})
	return l.poll(ctx, secret, da)
}

// deviceCode asks for a code. A client with a secret authenticates here too
// (RFC 8628 section 3.1), unless the provider refuses that.
func (l *login) deviceCode(ctx context.Context, secret string) (da *oauth2.DeviceAuthResponse, err error) {
	type way struct {
		secret string
		style  provider.AuthStyle
	}
	ways := []way{}
	for _, style := range l.styles(secret) {
		ways = append(ways, way{secret, style})
	}
	if secret != "" {
		ways = append(ways, way{})
	}
	return authenticated(ways, func(w way) (da *oauth2.DeviceAuthResponse, err error) {
		var opts []oauth2.AuthCodeOption
		ctx := ctx
		if w.secret != "" && w.style == provider.InHeader {
			ctx = withBasic(ctx, l.conf.ClientID, w.secret)
		} else if w.secret != "" {
			opts = append(opts, oauth2.SetAuthURLParam("client_secret", w.secret))
		}
		_, err = l.exchange(ctx, OpLogin, secrets{secret}, func(ctx context.Context) (err error) {
			da, err = l.library(w.secret, "", w.style).DeviceAuth(ctx, opts...)
			return err
		})
		return da, err
	})
}

// poll asks until the person has answered. A failure of the network does not
// end it: it asks less often (RFC 8628 section 3.5).
func (l *login) poll(ctx context.Context, secret string, da *oauth2.DeviceAuthResponse) (*grant, error) {
	hide := secrets{da.DeviceCode, da.UserCode, secret}
	for {
		g, err := l.grant(ctx, OpLogin, secret, hide, func(ctx context.Context, style provider.AuthStyle) (*oauth2.Token, error) {
			return l.library(secret, "", style).DeviceAccessToken(ctx, da)
		})
		var e *Error
		switch {
		case err == nil:
			return g, nil
		case ctx.Err() != nil:
			return nil, err
		case !time.Now().Before(da.Expiry):
			return nil, l.failed(KindExpired, errLate)
		case !errors.As(err, &e) || !e.Temporary():
			return g, err
		}
		da.Interval = min(da.Interval+slowDown, maxInterval)
	}
}

// tameDevice bounds what the provider asks for, and refuses what cannot be
// shown to a person.
func tameDevice(da *oauth2.DeviceAuthResponse, now time.Time, timeout time.Duration) error {
	if da.DeviceCode == "" || da.UserCode == "" || len(da.UserCode) > 64 || !printable(da.UserCode) {
		return errors.New("the answer has no usable code")
	}
	if !webAddress(da.VerificationURI) {
		return errors.New("the answer has no usable address")
	}
	if !webAddress(da.VerificationURIComplete) {
		da.VerificationURIComplete = ""
	}
	da.Interval = max(minInterval, min(cmp.Or(da.Interval, defaultInterval), maxInterval))
	switch {
	case da.Expiry.IsZero():
		da.Expiry = now.Add(defaultDeviceLife)
	case da.Expiry.After(now.Add(maxDeviceLife)) || da.Expiry.Before(now):
		da.Expiry = now.Add(maxDeviceLife)
	}
	if last := now.Add(timeout); da.Expiry.After(last) {
		da.Expiry = last
	}
	return nil
}

func webAddress(s string) bool {
	return len(s) <= 2048 && printable(s) && checkURL(s) == nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) })
}
