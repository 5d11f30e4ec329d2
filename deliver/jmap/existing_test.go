package jmap

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
)

// TestAlreadyExists: it is no delivery until the content is in the mailbox.
func TestAlreadyExists(t *testing.T) {
	t.Parallel()
	msg := letters(1)[0]
	crlf := bytes.ReplaceAll(msg, []byte("\n"), []byte("\r\n"))
	other := bytes.ReplaceAll(crlf, []byte("body"), []byte("another body"))
	tests := []struct {
		name, box string
		there     []byte
		want      string
		boxes     []string // where the Email is in the end
	}{
		{"in the mailbox", "b1", crlf, "", []string{"b1"}},
		{"in the trash", "b2", crlf, "", []string{"b1"}},
		{"in another mailbox", "b3", crlf, "", []string{"b1", "b3"}},
		{"another message with its Message-ID", "b1", other, "never: exists", []string{"b1"}},
		{"another message with its Message-ID in the trash", "b2", other, "never: exists", []string{"b2"}},
		{"in the trash, with other line ends", "b2", append(crlf[:len(crlf):len(crlf)], "\r\n"...), "", []string{"b1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := jmaptest.New()
			s.OneCopy, s.OneID = true, true
			e := s.Add(tt.there, tt.box)
			e.Keywords["$seen"] = true
			s.Start()
			defer s.Close()
			d := New(alice(s.URL, "inbox"))
			defer d.Close()
			_, results := deliverAll(t, d, msg)
			got := ""
			if results[0].Err != nil {
				got = describe(results[0].Err)
			}
			if got != tt.want {
				t.Errorf("got %q (%v), want %q", got, results[0].Err, tt.want)
			}
			var boxes []string
			for id := range e.Boxes {
				boxes = append(boxes, id)
			}
			if slices.Sort(boxes); !slices.Equal(boxes, tt.boxes) {
				t.Errorf("it is in %v, want %v", boxes, tt.boxes)
			}
			if read := e.Keywords["$seen"]; read != (tt.box != "b2" || tt.want != "") {
				t.Errorf("read: %v", read)
			}
		})
	}
}

// TestEqualMessages: equal messages of a batch arrive each once, also if the reply is
// lost between them.
func TestEqualMessages(t *testing.T) {
	t.Parallel()
	for _, lose := range []bool{false, true} {
		s := jmaptest.New()
		m := letters(1)[0]
		s.Add(bytes.ReplaceAll(m, []byte("\n"), []byte("\r\n")), "b1") // an older one is not ours
		if lose {
			s.After = at("api", 3, jmaptest.Hangup)
		}
		s.Start()
		d := New(alice(s.URL, "inbox"))
		_, results := deliverAll(t, d, m, m, m)
		for i, r := range results {
			if r.Err != nil {
				t.Errorf("message %d: %v", i, r.Err)
			}
		}
		if kept := s.Mail("Inbox"); len(kept) != 4 {
			t.Errorf("lost reply: %v: %d are there, want 4", lose, len(kept))
		}
		_ = d.Close()
		s.Close()
	}
}

// TestClaims: two accounts deliver the same bytes. A copy stands for one message only,
// whoever is asked first.
func TestClaims(t *testing.T) {
	s := jmaptest.New()
	s.Start()
	defer s.Close()
	o := alice(s.URL, "inbox")
	o.Claims = filepath.Join(t.TempDir(), "claims")
	msg := letters(1)
	recovered := func(in deliver.Intent, want deliver.Fate) {
		t.Helper()
		d := New(o)
		defer d.Close()
		if fate, err := d.Recover(t.Context(), in); err != nil || fate != want {
			t.Errorf("%v, %v, want %v", fate, err, want)
		}
	}
	_, ours := prepared(t, New(o), msg...)
	theirs, _ := deliverAll(t, New(o), msg...)
	for range 2 {
		recovered(ours[0], deliver.Absent)
		recovered(theirs[0], deliver.Visible)
	}
	o.Claims = filepath.Join(t.TempDir(), "others") // nothing was written down
	for range 2 {
		recovered(ours[0], deliver.Visible)
		recovered(theirs[0], deliver.Absent)
	}
}
