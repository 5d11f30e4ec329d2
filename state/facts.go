package state

import "time"

// Facts is what is known of a server and should outlive a run. It is
// stored as one JSON object; fields are only ever added.
type Facts struct {
	// The server announced it, or should have it, and misbehaved.
	NoPipelining bool `json:"no_pipelining,omitempty"`
	NoCapa       bool `json:"no_capa,omitempty"`
	NoTop        bool `json:"no_top,omitempty"`
	// NoBinding: it cannot verify the channel binding of SCRAM-...-PLUS.
	NoBinding bool `json:"no_binding,omitempty"`
	// SmallHello: a large TLS greeting was not answered, a small one was.
	SmallHello   bool      `json:"small_hello,omitempty"`
	SmallHelloAt time.Time `json:"small_hello_at,omitzero"`
	// When the first two were detected, from a connection that broke.
	NoPipeliningAt time.Time `json:"no_pipelining_at,omitzero"`
	NoCapaAt       time.Time `json:"no_capa_at,omitzero"`
	NoBindingAt    time.Time `json:"no_binding_at,omitzero"`
	// UTF8: the last session was in the UTF8 mode of RFC 6856. NoUTF8: the
	// server announced it, and refused it or broke the session, at NoUTF8At.
	UTF8     bool      `json:"utf8,omitempty"`
	NoUTF8   bool      `json:"no_utf8,omitempty"`
	NoUTF8At time.Time `json:"no_utf8_at,omitzero"`
	// Window is how many messages the server lists at most; 0: all, as far as
	// we know.
	Window int `json:"window,omitempty"`
	// LoginDelay is the server's LOGIN-DELAY (RFC 2449 section 6.5).
	LoginDelay time.Duration `json:"login_delay_ns,omitempty"`
	LastLogin  time.Time     `json:"last_login,omitzero"`
	// NextLogin is when the next login is due after one that the server refused
	// as too early.
	NextLogin time.Time `json:"next_login,omitzero"`
	// Pause is what a target has asked for.
	Pause Pause `json:"pause,omitzero"`
	// LastPoll is the time of the last complete listing.
	LastPoll time.Time `json:"last_poll,omitzero"`
	// ClockSeen is what the clock showed at the end of the last run. ClockJumped
	// is when a run last found the clock far from that, which was ClockFrom
	// then: no age is counted from before it.
	ClockSeen   time.Time `json:"clock_seen,omitzero"`
	ClockJumped time.Time `json:"clock_jumped,omitzero"`
	ClockFrom   time.Time `json:"clock_from,omitzero"`
	// AuthName is the mechanism that last logged in.
	AuthName string `json:"auth_name,omitempty"`
	// AuthStrength ranks it, higher is stronger.
	AuthStrength uint8      `json:"auth_strength,omitempty"`
	List         ListDigest `json:"list,omitzero"`
	// Sizes is what the sizes in the server's listing are worth.
	Sizes SizeRecord `json:"sizes,omitzero"`
	// Extra is the engine's own, by name.
	Extra map[string]string `json:"extra,omitempty"`
}

// Pause is how long a target wants to be left alone.
type Pause struct {
	Target string    `json:"target"`
	Until  time.Time `json:"until"`
}

// SizeRecord counts messages whose size was what LIST said, with CRLF or with LF
// as the line end, and messages for which it was near or far off though they were
// whole.
type SizeRecord struct {
	CRLF  int `json:"crlf,omitempty"`
	LF    int `json:"lf,omitempty"`
	Near  int `json:"near,omitempty"`
	Off   int `json:"off,omitempty"`
	Usual int `json:"usual,omitempty"` // octets that LIST mostly has more
}

// ListDigest lets a poll without news skip the comparison. It says: the first
// Count UIDs of the listing hash to Sum, and each of them is Done and needs no
// action under keep: all. Sum's recipe is the engine's, and so is comparing
// the account's targets (put them into the hash).
//
// Apply resets it, also when the same Change sets it, whenever it could have
// become untrue: when a key is forgotten or its deletion confirmed or asked for (if
// it is listed again it may be another message), and when Put stores an entry that is
// not Done. A message that leaves the listing changes the sum by itself.
type ListDigest struct {
	Count int `json:"count"`
	Sum   Sum `json:"sum"`
}

// Run is the record of one run over the maildrop.
type Run struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Listed  int       `json:"listed"`
	Fetched int       `json:"fetched"`
	Skipped int       `json:"skipped"`
	Deleted int       `json:"deleted"`
	Failed  int       `json:"failed"`
	Bytes   int64     `json:"bytes"`
	// Earlier are messages that runs before it delivered, which ended before they
	// could record themselves: no Run counts them as Fetched.
	Earlier int    `json:"earlier,omitempty"`
	Error   string `json:"error,omitempty"`
	// Exit is the account's exit code.
	Exit int `json:"exit"`
}

// Unrecorded is what was settled since the last Run was recorded.
type Unrecorded struct {
	Fetched     int   `json:"fetched"`
	Quarantined int   `json:"quarantined,omitempty"`
	Bytes       int64 `json:"bytes"` // of Fetched
	// After is when the last recorded run started; zero: there is none.
	After time.Time `json:"-"`
}

// OK reports whether the run did all it should.
func (r Run) OK() bool { return r.Exit == 0 && r.Error == "" }

// SetExtra sets one of Extra.
func (f *Facts) SetExtra(name, value string) {
	if f.Extra == nil {
		f.Extra = make(map[string]string)
	}
	f.Extra[name] = value
}
