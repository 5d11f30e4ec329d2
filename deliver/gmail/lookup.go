package gmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

const (
	// window is how far the date of a message may be from the one that Gmail sees.
	window = 24 * time.Hour
	// oldIntent is the age from which no run can still be at a message.
	oldIntent = 10 * time.Minute
	// maxPages bounds the pages of a listing.
	maxPages = 100
	// maxAdded is how many messages are read to find an old one: they cost a minute.
	maxAdded = 300
	// maxFields is how much text Gmail may add at the top of a message.
	maxFields = 16 << 10
)

// change is what Gmail has changed of a message.
type change uint8

const (
	other  change = iota // it is another message
	same                 // nothing
	loose                // what content.Sums.Loose leaves out
	fields               // fields were added at the top
)

func (c change) String() string {
	return [...]string{"the text was changed", "", "8-bit bytes in header fields, or line ends, were changed",
		"fields were added at the top"}[c]
}

// found is where a message is.
type found struct {
	id  string // empty: nowhere
	how change
}

// index is what was read of the mailbox to find messages in it. Not for several
// goroutines.
type index struct {
	api    *api
	begin  time.Time          // nothing was sent since
	copies map[string]*stored // by Gmail's id; nil: it is gone
	// added are the messages since a point of the history, and when it was read.
	added map[string][]string
	read  map[string]time.Time
	// mute: the history cannot be read. later: what is looked for was sent by an earlier run.
	mute, later bool
}

// stored is a message of the mailbox.
type stored struct {
	size int64
	sums content.Sums
}

func newIndex(a *api) *index {
	return &index{api: a, begin: time.Now(),
		copies: make(map[string]*stored), added: make(map[string][]string), read: make(map[string]time.Time)}
}

// await looks for a message until it is known whether it is in the mailbox, but no
// longer than Patience.
func (x *index) await(ctx context.Context, in *intent) (found, error) {
	end := time.Now().Add(x.api.o.Patience)
	for grown := time.Second; ; grown *= 2 {
		at, certain, err := x.find(ctx, in)
		if err != nil || at.id != "" {
			return at, err
		}
		left := x.api.o.Settle - time.Since(x.begin)
		if !certain {
			old, err := x.age(in)
			if err != nil {
				return found{}, x.api.failure(verdict{Class: deliver.IOError}, "search", err)
			}
			left = max(left, x.api.o.Lag-old)
		}
		if left <= 0 || fault.Mutated("gmail-no-lag") {
			return found{}, nil
		}
		left = min(left, grown)
		if time.Now().Add(left).After(end) {
			return found{}, x.api.failure(verdict{Class: deliver.Unavailable, Cause: InDoubt}, "search",
				errors.New("it is not known yet whether a message has arrived: the search does not find it, and may lag behind"))
		}
		if err := remote.Pause(ctx, left); err != nil {
			return found{}, x.api.failed("search", err)
		}
	}
}

// age is how long ago a message was sent, at least: since it was first looked for if a
// process was killed, which may have sent it long after its intent.
func (x *index) age(in *intent) (time.Duration, error) {
	claims := x.api.o.claims
	if !x.later || claims.Path == "" {
		return since(in.At), nil
	}
	const looked = "looked"
	key := fmt.Sprintf("%s-%x-%d", in.Batch, in.Exact, in.Nth)
	at, known := claims.Owner(looked, key)
	if !known {
		return 0, claims.Add(looked, key, strconv.FormatInt(time.Now().Unix(), 10))
	}
	n, err := strconv.ParseInt(at, 10, 64)
	return since(time.Unix(n, 0)), err
}

// since is the time since then. What is in the future is old: the clock was wrong.
func since(at time.Time) time.Duration {
	if d := time.Since(at); d > -oldIntent {
		return d
	}
	return oldIntent
}

// find looks for a message once. Certain: if it is not found, it is not there. A copy that
// was there before the intent is another program's, or another account's.
func (x *index) find(ctx context.Context, in *intent) (at found, certain bool, err error) {
	fault.Point("gmail.look")
	added, certain, err := x.since(ctx, in)
	if err != nil {
		return at, false, err
	}
	ours := func(id string) (bool, error) { return slices.Contains(added, id), nil }
	if !certain {
		ours = func(id string) (bool, error) { return x.younger(ctx, id, in) }
	}
	if err := x.api.o.claims.Refresh(); err != nil {
		return at, false, err
	}
	m := matcher{x: x, in: in, ours: ours, tried: make(map[string]bool), left: in.Nth}
	for _, q := range queries(in, time.Now()) {
		ids, err := x.search(ctx, q)
		if err == nil {
			at, err = m.match(ctx, ids)
		}
		if err != nil || at.id != "" {
			return at, false, err
		}
	}
	if time.Since(in.At) > x.api.o.Lag+oldIntent && len(added) > maxAdded { // the search knows all of its time
		return at, certain, nil
	}
	at, err = m.match(ctx, added)
	return at, certain, err
}

// matcher finds the message of an intent among others.
type matcher struct {
	x     *index
	in    *intent
	ours  func(id string) (bool, error) // it may be
	tried map[string]bool
	left  int // equal ones before it
}

func (m *matcher) match(ctx context.Context, ids []string) (found, error) {
	for _, id := range ids {
		if m.tried[id] {
			continue
		}
		m.tried[id] = true
		how, err := m.x.compare(ctx, id, m.in)
		ok := err == nil && how != other
		if ok = ok && m.x.api.o.claims.Free(space, id, m.in.Batch); ok {
			ok, err = m.ours(id)
		}
		if err != nil {
			return found{}, err
		}
		if ok {
			if m.left--; m.left < 0 {
				return found{id, how}, nil
			}
		}
	}
	return found{}, nil
}

// younger reports whether a message has changed since an intent was made: when it was
// added, at the latest. If that is not known it may be.
func (x *index) younger(ctx context.Context, id string, in *intent) (bool, error) {
	var m struct {
		History json.Number `json:"historyId"`
	}
	err := x.api.get(ctx, "message "+remote.Clean(id), costGet, "messages/"+url.PathEscape(id), url.Values{"format": {"minimal"}}, &m)
	before, berr := json.Number(in.History).Int64()
	now, nerr := m.History.Int64()
	return berr != nil || nerr != nil || now > before, err
}

// queries find the message of an intent: by its Message-ID, else by the days that it may
// be of and about its size.
func queries(in *intent, now time.Time) []string {
	if in.ID != "" {
		return []string{"rfc822msgid:" + in.ID}
	}
	days := func(from, to time.Time) string {
		return fmt.Sprintf("after:%d before:%d larger:%d smaller:%d",
			from.Add(-window).Unix(), to.Add(window).Unix(), in.Size*9/10, in.Size*11/10+maxFields)
	}
	out := []string{days(in.At, now)} // without a date that it can read, Gmail takes its own
	if in.Date != 0 {
		at := time.Unix(in.Date, 0)
		out = append([]string{days(at, at)}, out...)
	}
	return out
}

// searchable returns a Message-ID as a query has it; empty: none can.
func searchable(id string) string {
	id = strings.TrimSpace(id)
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(){}\`, r) }) {
		return ""
	}
	return id
}

// listed is a page of messages.list, or of history.list.
type listed struct {
	Messages []struct {
		ID string `json:"id"`
	} `json:"messages"`
	History []struct {
		Added []struct {
			Message struct {
				ID string `json:"id"`
			} `json:"message"`
		} `json:"messagesAdded"`
	} `json:"history"`
	Next string `json:"nextPageToken"`
}

// list reads all pages of a listing.
func (x *index) list(ctx context.Context, stage string, units int, path string, query url.Values) (ids []string, err error) {
	for range maxPages {
		var page listed
		if err := x.api.get(ctx, stage, units, path, query, &page); err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			ids = append(ids, m.ID)
		}
		for _, h := range page.History {
			for _, m := range h.Added {
				ids = append(ids, m.Message.ID)
			}
		}
		if page.Next == "" {
			return ids, nil
		}
		query.Set("pageToken", page.Next)
	}
	return nil, x.api.failure(verdict{Class: deliver.Unavailable, Cause: NotGmail}, stage, errors.New("the listing has no end"))
}

func (x *index) search(ctx context.Context, q string) ([]string, error) {
	return x.list(ctx, "search", costList, "messages", url.Values{"q": {q}, "includeSpamTrash": {"true"}, "maxResults": {"500"}})
}

// since returns what was added to the mailbox since an intent was made; not ok: the
// history does not reach back so far, or cannot be read.
func (x *index) since(ctx context.Context, in *intent) (ids []string, ok bool, err error) {
	from := in.History
	if from == "" || x.mute {
		return nil, false, nil
	}
	if x.read[from].After(x.begin.Add(x.api.o.Settle)) { // nothing can have come since
		return x.added[from], true, nil
	}
	now := time.Now()
	ids, err = x.list(ctx, "history", costHistory, "history",
		url.Values{"startHistoryId": {from}, "historyTypes": {"messageAdded"}, "maxResults": {"500"}})
	if own, is := errors.AsType[*Error](err); is && own.Status/100 == 4 && !passing(err) && own.Cause != LoginRefused {
		x.mute = true
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	x.added[from], x.read[from] = ids, now
	return ids, true, nil
}

// compare reads a message, unless that was done, and compares it.
func (x *index) compare(ctx context.Context, id string, in *intent) (change, error) {
	have, known := x.copies[id]
	if !known {
		var err error
		if have, err = x.api.sum(ctx, id, 0); err != nil {
			return other, err
		}
		x.copies[id] = have
	}
	want := in.Sums()
	switch {
	case have == nil:
		return other, nil
	case have.sums.Exact == want.Exact:
		return same, nil
	case have.sums.Loose == want.Loose:
		return loose, nil
	}
	more := have.size - in.Size
	if more <= 0 || more > maxFields {
		return other, nil
	}
	tail, err := x.api.sum(ctx, id, more)
	if err == nil && tail != nil && tail.sums.Loose == want.Loose {
		return fields, nil
	}
	return other, err
}
