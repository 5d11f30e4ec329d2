package config

import "github.com/mailhaul/mailhaul/oauth/provider"

// Redacted and Unprintable are for the tests outside of the package.
const Redacted = redacted

var Unprintable = unprintable

// Of completes the login for an account.
func (o OAuth) Of(a *Account) *OAuth {
	return new(walker).join(a, o.as(a.Name), &a.Remote, provider.POP, a.Helper)
}
