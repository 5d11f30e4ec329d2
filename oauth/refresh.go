package oauth

import (
	"context"
	"errors"
	"time"
)

// refresh renews r. A refusal is tried once more if the store has changed
// meanwhile, which a lock on a network file system may have failed to prevent.
func (s *Source) refresh(ctx context.Context, r *record) (*record, error) {
	for range 2 {
		next, err := s.refreshOnce(ctx, r)
		var e *Error
		if !errors.As(err, &e) || !e.NeedsLogin() {
			return next, err
		}
		newer, lerr := s.store.load(ctx, s.account)
		if lerr != nil || newer.Tokens.Refresh == r.Tokens.Refresh || s.belongs(newer) != nil {
			s.condemn(ctx, r, e)
			return r, e
		}
		if newer.fresh(time.Now(), s.ahead()) {
			return newer, nil
		}
		r = newer
	}
	return r, s.needsLogin(errors.New("the store changes faster than it can be used"))
}

func (s *Source) refreshOnce(ctx context.Context, r *record) (*record, error) {
	if v := r.Refused; v != nil && time.Since(v.At).Abs() < verdictLife {
		return r, v.error(s.client, r.Refreshing)
	}
	if r.Tokens.Refresh == "" {
		return r, s.needsLogin(errors.New("the access token has expired, and there is no refresh token"))
	}
	send, err := s.client.refresh(ctx, r.Tokens.Refresh)
	if err != nil {
		return r, err
	}
	next := *r
	interrupted := r.Refreshing
	next.Refreshing = time.Now()
	if err := s.store.save(ctx, s.account, &next); err != nil {
		return r, err // better now than with an answer that cannot be kept
	}
	s.store.at("request")
	g, err := send()
	s.store.at("answered")
	if err != nil {
		if g != nil && g.refresh != "" && g.refresh != r.Tokens.Refresh { // the old one may be good no more
			next.Tokens, next.Refreshing = &tokens{Access: r.Tokens.Access, Refresh: g.refresh}, time.Time{}
			if serr := s.save(ctx, &next); serr != nil {
				return &next, errors.Join(err, serr)
			}
			return &next, err
		}
		next.Refreshing = s.unsettled(ctx, &next, interrupted, err)
		s.postpone(ctx, &next, err)
		return &next, err
	}
	next.apply(g)
	return &next, s.save(ctx, &next)
}

// unsettled returns what is to be kept as the beginning of a refresh whose
// outcome is not known, after one that failed.
func (s *Source) unsettled(ctx context.Context, r *record, before time.Time, err error) time.Time {
	var e *Error
	if !errors.As(err, &e) || e.Code == "" || e.Temporary() {
		return r.Refreshing // it may have been used up all the same
	}
	if e.NeedsLogin() {
		e.Interrupted = before
		return before // condemn saves it
	}
	settled := *r
	settled.Refreshing = before
	_ = s.store.save(ctx, s.account, &settled) // it only serves a later hint
	return before
}

// condemn notes that the provider refused the refresh token.
func (s *Source) condemn(ctx context.Context, r *record, e *Error) {
	if r.Refused != nil && time.Since(r.Refused.At).Abs() < verdictLife {
		return // known already
	}
	next, err := s.store.load(ctx, s.account)
	if err != nil {
		return
	}
	next.Refreshing = e.Interrupted
	next.Refused = &verdict{At: time.Now(), Code: e.Code, Text: e.Text}
	_ = s.store.save(ctx, s.account, next) // it only spares the provider a request
}
