package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/oauth"
	presets "github.com/mailhaul/mailhaul/oauth/provider"
)

// noBrowser leaves the browsing to the person.
func noBrowser(context.Context, string) error { return oauth.ErrNoBrowser }

// TestMailIsFetchedWithTokens gets a token by each flow and fetches a mailbox
// with it, then with a refreshed one.
func TestMailIsFetchedWithTokens(t *testing.T) {
	p := startProvider(t)
	dovecot := pop3test.StartDovecot(t, pop3test.DovecotOptions{
		Users:      map[string]string{user: "unused"},
		Mechanisms: []string{"xoauth2", "oauthbearer"},
		TokenKeys:  p.keys(t),
	})
	mail := [][]byte{[]byte("Subject: one\r\n\r\n1\r\n"), []byte("Subject: two\r\n\r\n.2\r\n")}
	dovecot.AddMessages(user, mail)
	for _, c := range []struct {
		name   string
		change func(*oauth.Config)
		way    oauth.Way
	}{
		{"browser", func(*oauth.Config) {}, oauth.WayBrowser},
		{"paste", func(*oauth.Config) {}, oauth.WayPaste},
		{"device", func(c *oauth.Config) { c.Flow = presets.Device }, oauth.WayConfigured},
		{"client credentials", func(c *oauth.Config) {
			c.Flow, c.ClientID, c.AuthStyle = presets.ClientCredentials, machine, presets.InHeader
			c.Scopes = []string{"openid"}
			c.Secret = func(context.Context) (string, error) { return machineSecret, nil }
		}, oauth.WayConfigured},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := login(t, p, c.change, c.way)
			first, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fetchBoth(t, dovecot, src.Token, mail)
			refused := func(ctx context.Context) (string, error) { return src.Refresh(ctx, first) }
			fetchBoth(t, dovecot, refused, mail)
			if second, err := src.Token(t.Context()); err != nil || second == first {
				t.Errorf("after the refresh: same token %v, %v", second == first, err)
			}
		})
	}
}

func login(t *testing.T, p *provider, change func(*oauth.Config), way oauth.Way) *oauth.Source {
	t.Helper()
	conf := p.config()
	change(&conf)
	c, err := oauth.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	src := oauth.NewSource(c, oauth.NewStore(t.TempDir()), user)
	if err := src.Login(t.Context(), &person{t: t, p: p}, oauth.LoginOptions{Way: way, Open: noBrowser}); err != nil {
		t.Fatalf("%+v", err)
	}
	return src
}

// fetchBoth fetches the mailbox with XOAUTH2 and with OAUTHBEARER.
func fetchBoth(t *testing.T, d *pop3test.Dovecot, token func(context.Context) (string, error), want [][]byte) {
	t.Helper()
	for _, name := range []string{"XOAUTH2", "OAUTHBEARER"} {
		got, err := fetch(t.Context(), d, name, token)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d messages, want %d", name, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("%s: message %d: %q", name, i+1, got[i])
			}
		}
	}
}

func fetch(ctx context.Context, d *pop3test.Dovecot, name string, token func(context.Context) (string, error)) ([][]byte, error) {
	mechanism := func(ctx context.Context, ch sasl.Channel) (sasl.Mechanism, error) {
		t, err := token(ctx)
		if err != nil {
			return nil, err
		}
		if name == "XOAUTH2" {
			return sasl.NewXOAUTH2(user, t), nil
		}
		return sasl.NewOAuthBearer(user, t, ch), nil
	}
	c, err := pop3.Dial(ctx, &pop3.Server{
		Host: "localhost", Port: d.TLSPort, TLS: d.CA.ClientTLS(),
		Logins: []pop3.Login{{Name: name, New: mechanism, Clear: true}},
	})
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	defer c.Close()
	if err := c.Login(ctx); err != nil {
		return nil, err
	}
	list, err := c.List(ctx)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	err = c.Retrieve(ctx, list, func(_ pop3.Message, body io.Reader, err error) error {
		if err != nil {
			return err
		}
		b, err := io.ReadAll(body)
		out = append(out, b)
		return err
	})
	return out, errors.Join(err, c.Quit(ctx))
}

// TestRotationWithTheRealProvider: it deletes a refresh token at its first use.
func TestRotationWithTheRealProvider(t *testing.T) {
	p := startProvider(t)
	conf := p.config()
	c, err := oauth.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	store := oauth.NewStore(t.TempDir())
	src := oauth.NewSource(c, store, user)
	if err := src.Login(t.Context(), &person{t: t, p: p}, oauth.LoginOptions{Open: noBrowser}); err != nil {
		t.Fatal(err)
	}
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		next, err := oauth.NewSource(c, store, user).Refresh(t.Context(), token)
		if err != nil || next == token {
			t.Fatalf("same token %v, %v", next == token, err)
		}
		token = next
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	if p.store.refreshes != 3 {
		t.Errorf("%d refreshes, want 3", p.store.refreshes)
	}
	if told, err := src.Revoke(t.Context()); err != nil || !told {
		t.Errorf("revoke: %v, %v", told, err)
	}
	if _, err := src.Token(t.Context()); !errors.Is(err, oauth.ErrNoTokens) {
		t.Errorf("after logout: %v", err)
	}
}

// TestRevokedAtTheProvider is what a person sees who ended the login there.
func TestRevokedAtTheProvider(t *testing.T) {
	p := startProvider(t)
	src := login(t, p, func(*oauth.Config) {}, oauth.WayBrowser)
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.store.TerminateSession(t.Context(), user, native); err != nil {
		t.Fatal(err)
	}
	_, err = src.Refresh(t.Context(), token)
	var e *oauth.Error
	if !errors.As(err, &e) || !e.NeedsLogin() {
		t.Fatalf("got %v", err)
	}
	if st, err := src.Status(); err != nil || !st.NeedsLogin {
		t.Errorf("status %+v, %v", st, err)
	}
}
