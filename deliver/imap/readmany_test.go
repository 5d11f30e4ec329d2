package imap

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestReadMany: many messages are read with few commands, whatever their order, also
// those that have another UID by now. What comes after a message that the server cannot
// hand out is left to Copy.
func TestReadMany(t *testing.T) {
	t.Parallel()
	for damage, want := range map[uint32]string{
		0: "1 true INBOX uid 1|2 false INBOX uid 2 (the text was changed)|3 true INBOX uid 3|4 true INBOX uid 4|5 true INBOX uid 5",
		3: "1 true INBOX uid 1|2 false INBOX uid 2 (the text was changed)",
	} {
		var fetches atomic.Int32
		broken := damaged(true, damage)
		f := startFake(t, &fake{on: func(s *fakeSession, line string) bool {
			if strings.HasPrefix(line, "UID FETCH") {
				fetches.Add(1)
			}
			return broken.on(s, line)
		}})
		msgs := letters(6)
		d := New(f.options())
		_, results := deliverAll(t, d, msgs...)
		_ = d.Close()
		receipts, sums := make([]string, 6), make([][sha256.Size]byte, 6)
		for i, m := range msgs {
			receipts[5-i], sums[5-i] = results[i].Receipt, sumOf(m)
		}
		receipts[0] = "7 6 1"                                         // no receipt
		receipts[1] = strings.Replace(receipts[1], "7 5 ", "8 5 ", 1) // of a mailbox that was made anew
		receipts[2] = strings.Replace(receipts[2], " 4 ", " 60 ", 1)  // moved
		f.mu.Lock()
		f.mail[1].text = append(f.mail[1].text, "changed\r\n"...)
		f.mu.Unlock()
		r, err := Open(t.Context(), f.options())
		if err != nil {
			t.Fatal(err)
		}
		read := func(how string, do func(found func(i int, same bool, where string))) {
			var got []string
			fetches.Store(0)
			do(func(i int, same bool, where string) { got = append(got, fmt.Sprint(6-i, " ", same, " ", where)) })
			slices.Sort(got)
			if all := strings.Join(got, "|"); all != want || fetches.Load() > 3 {
				t.Errorf("%s with damage %d: %d commands, %s, want %s", how, damage, fetches.Load(), all, want)
			}
		}
		read("sums", func(found func(int, bool, string)) {
			r.Sums(t.Context(), receipts, sums, func(i int, sum [sha256.Size]byte, where string) { found(i, sum == sums[i], where) })
		})
		want = strings.Replace(want, "false INBOX uid 2 (the text was changed)", "true INBOX uid 2", 1)
		if damage == 0 { // else the session has ended
			read("heads", func(found func(int, bool, string)) {
				r.Heads(t.Context(), receipts, sums, func(i int, head []byte, where string) {
					found(i, len(head) > 0 && bytes.HasPrefix(msgs[5-i], head), where)
				})
			})
		}
		_ = r.Close()
	}
}

// TestNoText: a message whose text the server gives as NIL is not an empty one.
func TestNoText(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{on: func(s *fakeSession, line string) bool {
		if !strings.Contains(line, "(UID BODY.PEEK[])") {
			return false
		}
		s.say("* 1 FETCH (UID 1 BODY[] NIL)")
		s.say("%s OK done", s.tag)
		return true
	}})
	d := New(f.options())
	intents, results := deliverAll(t, d, letters(1)...)
	if fate, err := d.Recover(t.Context(), intents[0]); fate != deliver.StandIn || err != nil {
		t.Error(fate, err)
	}
	_ = d.Close()
	r, err := Open(t.Context(), f.options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum := sumOf(letters(1)[0])
	found := func(_ int, _ [sha256.Size]byte, where string) { t.Error(where) }
	r.Sums(t.Context(), []string{results[0].Receipt}, [][sha256.Size]byte{sum}, found)
	if where, err := r.Copy(t.Context(), io.Discard, results[0].Receipt, sum); !isUnserved(err) {
		t.Error(where, err)
	}
}
