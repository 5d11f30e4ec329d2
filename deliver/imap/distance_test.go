package imap

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestConnections: the sessions beside the usual one are opened at the same time, and a
// server that refuses some of them is not asked again.
func TestConnections(t *testing.T) {
	t.Parallel()
	for refused, want := range map[int]int32{0: 4, 2: 4} {
		var logins atomic.Int32
		all := make(chan struct{})
		f := startFake(t, &fake{caps: "IMAP4rev1 UIDPLUS", on: func(s *fakeSession, line string) bool {
			if !strings.HasPrefix(line, "LOGIN") {
				return false
			}
			n := int(logins.Add(1))
			if n == 4 {
				close(all)
			}
			if n > 1 {
				select {
				case <-all:
				case <-time.After(time.Second):
					t.Error("one login waits for another")
				}
			}
			if n > 4-refused {
				s.say("* BYE too many connections")
				s.end()
				return true
			}
			return false
		}})
		o := f.options()
		o.Connections = 4
		d := New(o)
		msgs := letters(24)
		for _, some := range [][][]byte{msgs[:12], msgs[12:]} {
			_, results := deliverAll(t, d, some...)
			for i, r := range results {
				if r.Err != nil {
					t.Errorf("%d refused: message %d: %v", refused, i, r.Err)
				}
			}
		}
		_ = d.Close()
		if logins.Load() != want || len(f.texts()) != len(msgs) {
			t.Errorf("%d refused: %d logins, want %d; %d of %d messages there", refused, logins.Load(), want, len(f.texts()), len(msgs))
		}
	}
}

// different are messages of different sizes: none is a candidate of another.
func different(n int) [][]byte {
	msgs := letters(n)
	for i := range msgs {
		msgs[i] = append(msgs[i], strings.Repeat("x", i)+"\n"...)
	}
	return msgs
}

// TestDedupeDistant: a mailbox that holds nearly all messages is not read one message a
// round trip to find that out.
func TestDedupeDistant(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	d := New(f.options())
	msgs := different(60)
	deliverAll(t, d, msgs[:50]...)
	_ = d.Close()
	dd := NewDedupe(New(f.options()), SameContent, false)
	intents, _ := deliverAll(t, dd, msgs...)
	_ = dd.Close()
	for i, in := range intents {
		if in.Skipped != (i < 50) {
			t.Errorf("message %d: skipped %v", i, in.Skipped)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, line := range f.log {
		if strings.HasPrefix(line, "UID FETCH") {
			n++
		}
	}
	if n > 5 || len(f.mail) != len(msgs) {
		t.Errorf("%d commands, and %d of %d messages there", n, len(f.mail), len(msgs))
	}
}

// TestRecoverDistant: the recovery of a batch does not read one message a round trip.
func TestRecoverDistant(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	d := New(f.options())
	msgs := different(60)
	_, intents := prepared(t, d, msgs...)
	_ = d.Close()
	d = New(f.options())
	deliverAll(t, d, msgs...)
	_ = d.Close()
	f.mu.Lock()
	before := len(f.log)
	f.mu.Unlock()
	d = New(f.options())
	defer d.Close()
	for i, in := range intents {
		if fate, err := d.Recover(t.Context(), in); fate != deliver.Visible || err != nil {
			t.Fatalf("message %d: fate %d %v", i, fate, err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.log) - before; n > 10 {
		t.Errorf("%d commands for %d messages: %q", n, len(msgs), f.log[before:])
	}
}
