package config

// Redacted and Unprintable are for the tests outside of the package.
const Redacted = redacted

var Unprintable = unprintable

// Of is of.
func (o OAuth) Of(a *Account) *OAuth { return o.of(a) }
