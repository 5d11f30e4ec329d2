package imap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// damaged is a server that ends the session over each message with one of these UIDs,
// as Dovecot does over a file that is not as long as its name says; listing: also when
// it reads the header.
func damaged(listing bool, uids ...uint32) *fake {
	return &fake{on: func(s *fakeSession, line string) bool {
		args, ok := strings.CutPrefix(line, "UID FETCH ")
		header := strings.Contains(args, "BODY.PEEK[HEADER")
		if !ok || !strings.Contains(args, "BODY.PEEK[") || header && !listing {
			return false
		}
		set, items, _ := strings.Cut(args, " ")
		for _, part := range strings.Split(set, ",") {
			from, to, _ := strings.Cut(part+":"+part, ":")
			first, _ := strconv.Atoi(from)
			last, err := strconv.Atoi(strings.Split(to, ":")[0])
			if err != nil {
				last = int(s.f.next) - 1
			}
			for uid := uint32(first); uid <= uint32(last); uid++ {
				if slices.Contains(uids, uid) {
					if !header {
						s.say("* 1 FETCH (UID %d BODY[] {1000}\r\nhalf", uid)
					}
					s.end()
					return true
				}
				s.f.mu.Lock()
				s.fetch("FETCH " + strconv.Itoa(int(uid)) + " " + items)
				s.f.mu.Unlock()
			}
		}
		s.say("%s OK", s.tag)
		return true
	}}
}

// TestUnserved: a message that the server cannot hand out ends the session, and not the
// reading of the others. Also one that was moved is found behind it.
func TestUnserved(t *testing.T) {
	t.Parallel()
	msgs := letters(6)
	for _, listing := range []bool{false, true} {
		f := startFake(t, damaged(listing, 2, 3, 5))
		d := New(f.options())
		_, results := deliverAll(t, d, msgs...)
		_ = d.Close()
		r, err := Open(t.Context(), f.options())
		if err != nil {
			t.Fatal(err)
		}
		results[5].Receipt = strings.Replace(results[5].Receipt, " 6 ", " 60 ", 1) // another UID now
		for i, m := range msgs {
			var b bytes.Buffer
			where, err := r.Copy(t.Context(), &b, results[i].Receipt, sumOf(m))
			var e *deliver.Error
			switch broken := i == 1 || i == 2 || i == 4; {
			case broken && (!errors.As(err, &e) || e.Class != deliver.Failed || causeOf(err) != Unserved):
				t.Errorf("message %d, listing %v: %q %v", i, listing, where, err)
			case !broken && (err != nil || !bytes.Equal(b.Bytes(), m)):
				t.Errorf("message %d, listing %v: %q %v", i, listing, where, err)
			}
		}
		_ = r.Close()
	}
}

// TestUnservedCut: of a message whose session breaks off once in the middle, the rest
// is read in the next one.
func TestUnservedCut(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	msgs := letters(1)
	d := New(f.options())
	_, results := deliverAll(t, d, msgs...)
	_ = d.Close()
	cuts := 0
	f.on = func(s *fakeSession, line string) bool {
		if !strings.Contains(line, "BODY.PEEK[])") || cuts > 0 {
			return false
		}
		cuts++
		text := f.mail[0].text
		_, _ = fmt.Fprintf(s.nc, "* 1 FETCH (UID 1 BODY[] {%d}\r\n%s", len(text), text[:len(text)/2])
		s.end()
		return true
	}
	r, err := Open(t.Context(), f.options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if where, err := r.Copy(t.Context(), &b, results[0].Receipt, sumOf(msgs[0])); err != nil || !bytes.Equal(b.Bytes(), msgs[0]) ||
		cuts != 1 {
		t.Errorf("%d cuts: %q %q %v", cuts, where, b.Bytes(), err)
	}
}

// TestServesNothing: a server that answers no FETCH is away, and is not waited for once
// for each message.
func TestServesNothing(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	msgs := letters(8)
	d := New(f.options())
	_, results := deliverAll(t, d, msgs...)
	_ = d.Close()
	f.on = func(s *fakeSession, line string) bool { return strings.Contains(line, "BODY.PEEK[])") }
	o := f.options()
	o.Timeout = 250 * time.Millisecond
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range msgs {
		_, err := r.Copy(t.Context(), io.Discard, results[i].Receipt, sumOf(msgs[i]))
		if want := map[bool]Cause{true: Silent, false: Unserved}[i >= maxSilent-1]; causeOf(err) != want {
			t.Errorf("message %d: %v, want cause %d", i, err, want)
		}
	}
}

// TestRecoverPastDamage: a damaged message in the mailbox does not keep the others of a
// recovery from being found, or not found; one with the Message-ID and date of ours is
// no proof of the content.
func TestRecoverPastDamage(t *testing.T) {
	t.Parallel()
	for _, listing := range []bool{false, true} {
		f := startFake(t, damaged(listing, 2))
		d := New(f.options())
		_, intents := prepared(t, d, letters(3)...)
		_ = d.Close()
		s := &fakeSession{f: f}
		for i, text := range letters(2) {
			date := time.Date(2015, 10, 5, 22+i, 33, 11, 0, time.UTC).Format(dateFormat)
			s.store([]fakeMessage{{text: bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), date: date}})
		}
		want := []deliver.Fate{deliver.Visible, deliver.StandIn, deliver.Absent}
		if listing { // nothing is known of it
			want[1] = deliver.Absent
		}
		d = New(f.options())
		for i, in := range intents {
			if fate, err := d.Recover(t.Context(), in); fate != want[i] || err != nil {
				t.Errorf("message %d, listing %v: fate %d %v, want %d", i, listing, fate, err, want[i])
			}
		}
		_ = d.Close()
	}
}

// TestIdle: a session that the server has ended because it had nothing to do for too long
// is opened again.
func TestIdle(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{noUID: true})
	d := NewDedupe(New(f.options()), SameContent, false)
	defer d.Close()
	msgs := letters(4)
	for i, m := range [][]byte{msgs[0], msgs[1], msgs[0], msgs[2]} {
		_, results := deliverAll(t, d, m)
		if results[0].Err != nil {
			t.Errorf("delivery %d: %v", i, results[0].Err)
		}
		f.endAll()
	}
	if n := len(f.texts()); n != 3 {
		t.Errorf("%d messages in the mailbox, want 3", n)
	}
}
