package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

const (
	// defaultAhead is how long a token that is handed out must be valid.
	defaultAhead = 5 * time.Minute
	// verdictLife is how long a refusal is believed without asking again: it
	// spares the provider a request at each run, and heals if the refusal was
	// its mistake.
	verdictLife = time.Hour
	// lastGasp is how long a token must still be valid to be handed out when
	// the provider cannot be reached for a new one.
	lastGasp = time.Minute
)

// Source yields an account's access tokens. It may be used by several
// goroutines and, through its Store, by several processes at once.
type Source struct {
	// Ahead is how long a token that is handed out shall at least be valid,
	// where the provider's tokens live longer than that; zero: 5 minutes.
	// Set it before the first use, longer for long runs.
	Ahead time.Duration

	client  *Client
	store   *Store
	account string
	name    string

	mu sync.Mutex
	// unsaved is a record that could not be saved: a full disk must not cost
	// a refresh token while this process lives.
	unsaved *record
}

// NewSource joins a client with the account's entry in the store.
func NewSource(c *Client, s *Store, account string) *Source {
	return &Source{client: c, store: s, account: account, name: account}
}

// Called sets what errors call the account, where that is not its name in the store.
func (s *Source) Called(name string) *Source {
	s.name = name
	return s
}

// Client returns what NewSource was given.
func (s *Source) Client() *Client { return s.client }

// Token returns an access token that is valid for a while. It asks the provider
// only if the stored one is not. An *Error says what a person has to do. A
// token that ends soon is better than none: it is returned if the provider
// cannot be reached now.
func (s *Source) Token(ctx context.Context) (string, error) {
	good := func(r *record) bool { return r.fresh(time.Now(), s.ahead()) }
	r, err := s.store.load(ctx, s.account)
	if err == nil && s.belongs(r) == nil && good(r) {
		return r.Tokens.Access, nil
	}
	r, err = s.renew(ctx, good)
	var e *Error
	if errors.As(err, &e) && e.Temporary() && r != nil && r.fresh(time.Now(), 0) && time.Until(r.Expiry) > lastGasp {
		return r.Tokens.Access, nil
	}
	if err != nil {
		return "", s.named(err)
	}
	return r.Tokens.Access, nil
}

// Refresh returns another access token than the one that a server refused: that
// of another process, if it has got one since, else a new one.
func (s *Source) Refresh(ctx context.Context, refused string) (string, error) {
	r, err := s.renew(ctx, func(r *record) bool {
		return r.Tokens.Access != refused && r.fresh(time.Now(), s.ahead())
	})
	if err != nil {
		return "", s.named(err)
	}
	return r.Tokens.Access, nil
}

func (s *Source) ahead() time.Duration {
	if s.Ahead > 0 {
		return s.Ahead
	}
	return defaultAhead
}

// renew returns the account's record once good, under the lock. With an error,
// the record is what is there, or nil.
func (s *Source) renew(ctx context.Context, good func(*record) bool) (*record, error) {
	unlock, err := s.store.lock(ctx, s.account)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r, err := s.current(ctx)
	switch {
	case errors.Is(err, ErrNoTokens) && !attended(s.client.conf.Flow):
		r = s.newRecord()
	case errors.Is(err, ErrNoTokens):
		return nil, s.needsLogin(err)
	case err != nil:
		return nil, err
	case good(r):
		return r, nil
	}
	if err := s.tooEarly(r); err != nil {
		return r, err
	}
	if attended(s.client.conf.Flow) {
		return s.refresh(ctx, r)
	}
	g, err := s.client.unattended(ctx)
	if err != nil {
		s.postpone(ctx, r, err)
		return r, err
	}
	r.apply(g)
	return r, s.save(ctx, r)
}

// tooEarly is the provider's "not before", as it was heard last. One that is
// more than a day ahead was written under another clock.
func (s *Source) tooEarly(r *record) error {
	if wait := time.Until(r.NotBefore); wait <= 0 || wait > day {
		return nil
	}
	return &Error{Kind: KindTemporary, Op: "token", Provider: s.client.preset.Name, Until: r.NotBefore,
		Err: errors.New("the provider wants no request yet")}
}

// postpone keeps for the next run when the provider may be asked again.
func (s *Source) postpone(ctx context.Context, r *record, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Until.IsZero() {
		return
	}
	next := *r
	next.NotBefore = e.Until
	next.Tokens = cmp.Or(next.Tokens, new(tokens))
	_ = s.store.save(ctx, s.account, &next) // it only spares the provider a request
}

// current loads the record that this client may use.
func (s *Source) current(ctx context.Context) (*record, error) {
	if err := s.saveUnsaved(ctx); err != nil {
		return nil, err
	}
	r, err := s.store.load(ctx, s.account)
	if err != nil {
		return nil, err
	}
	if err := s.belongs(r); err != nil {
		if !attended(s.client.conf.Flow) {
			return nil, ErrNoTokens // nothing is lost by getting a new one
		}
		return nil, s.needsLogin(err)
	}
	if r.AuthStyle != provider.AnyStyle {
		s.client.lastStyle.Store(uint32(r.AuthStyle))
	}
	return r, nil
}

// belongs reports whether the tokens are those of this registration, as they must
// not be sent to anyone else, and good for all that they are used for.
func (s *Source) belongs(r *record) error {
	c := &s.client.conf
	if r.ClientID != c.ClientID || r.TokenURL != c.TokenURL || r.Subject != c.subject() {
		return errors.New("the tokens were issued to another client, or by another provider, than the configuration has now")
	}
	if lacking := r.lacks(&s.client.preset, c.Scopes, c.Uses == nil); len(lacking) > 0 {
		return &ScopeError{lacking}
	}
	return nil
}

func (s *Source) newRecord() *record {
	c := &s.client.conf
	return &record{Provider: s.client.preset.Name, ClientID: c.ClientID, TokenURL: c.TokenURL, Subject: c.subject(), LoggedIn: time.Now(),
		Asked: slices.Clone(c.Scopes)}
}

// saveGrace is how long what a provider has issued may still take to be stored in
// the keyring when ctx is done: it may be the only good refresh token.
const saveGrace = 3 * time.Second

// lasting is a context that ends saveGrace after its parent.
func lasting(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(saveGrace, cancel) })
	return ctx, func() { stop(); cancel() }
}

// save stores the record that a provider's answer led to, or keeps it for the next
// call.
func (s *Source) save(ctx context.Context, r *record) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	err := s.store.save(ctx, s.account, r)
	if err != nil {
		kept := *r
		s.keep(&kept)
		return err
	}
	s.keep(nil)
	return nil
}

func (s *Source) keep(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved = r
}

func (s *Source) saveUnsaved(ctx context.Context) error {
	s.mu.Lock()
	r := s.unsaved
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	if there, err := s.store.peek(s.account); err == nil && there.Seq > r.Seq {
		s.keep(nil) // another process has logged in or refreshed since
		return nil
	}
	return s.save(ctx, r)
}

// error is the refusal as the provider gave it.
func (v *verdict) error(c *Client, interrupted time.Time) *Error {
	return &Error{
		Kind: KindNeedsLogin, Op: "refresh", Provider: c.preset.Name,
		Code: v.Code, Text: v.Text, Number: entraCode(v.Text), Flow: c.conf.Flow, Interrupted: interrupted,
	}
}

func (s *Source) needsLogin(err error) *Error {
	return &Error{Kind: KindNeedsLogin, Op: "token", Provider: s.client.preset.Name, Err: err}
}

// named adds the account to an error of this package.
func (s *Source) named(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.Account = s.name
		return err
	}
	if errors.Is(err, ErrNoTokens) {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return err
}
