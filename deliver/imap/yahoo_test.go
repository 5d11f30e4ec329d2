package imap

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// yahoo is Yahoo's server as far as it differs from others: it answers for the newest of
// too many messages (MESSAGELIMIT, RFC 9738), or for none, and takes no message without a
// line end at its end.
func yahoo(limit int, none bool) *fake {
	f := &fake{caps: fmt.Sprintf("IMAP4rev1 LITERAL+ UIDPLUS APPENDLIMIT=41697280 MESSAGELIMIT=%d OBJECTID ID NAMESPACE", limit)}
	f.after = func(s *fakeSession, _ int, msgs []fakeMessage) bool {
		if bytes.HasSuffix(msgs[0].text, []byte("\r\n")) {
			return false
		}
		s.say("%s BAD [CLIENTBUG] APPEND Message does not end with CRLF", s.tag)
		return true
	}
	f.on = func(s *fakeSession, line string) bool {
		words := strings.SplitN(line, " ", 4)
		if words[0] != "UID" {
			return false
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		var in []uint32
		for i, m := range f.mail {
			if inSet(words[2], m.uid, i == len(f.mail)-1) {
				in = append(in, m.uid)
			}
		}
		switch {
		case len(in) <= limit:
			return false
		case none:
			s.say("%s NO [MESSAGELIMIT %d] too many messages", s.tag, limit)
		default:
			in = in[len(in)-limit:]
			s.fetch(fmt.Sprintf("FETCH %d:%d %s", in[0], in[limit-1], words[3]))
			s.say("%s OK [MESSAGELIMIT %d %d] FETCH completed with %d partial results", s.tag, limit, in[0], limit)
		}
		return true
	}
	return f
}

// TestYahoo: what Yahoo's server does not answer for at once is asked for, and never counts
// as absent.
func TestYahoo(t *testing.T) {
	for _, none := range []bool{false, true} {
		f := startFake(t, yahoo(150, none))
		d := New(f.options())
		t.Cleanup(func() { _ = d.Close() })
		intents, results := deliverAll(t, d, letters(5)...)
		for i, r := range results {
			if r.Err != nil {
				t.Fatalf("message %d: %v", i, r.Err)
			}
		}
		s := &fakeSession{f: f}
		other := fakeMessage{text: fmt.Appendf(nil, "Subject: other\r\n\r\n%0100d\r\n", 0), date: `"01-Jan-2020 00:00:00 +0000"`}
		s.store(slices.Repeat([]fakeMessage{other}, 400)) // what came since
		for i, in := range intents {
			fate, err := d.Recover(t.Context(), in)
			if want := deliver.Visible; !none && (fate != want || err != nil) || none && err == nil {
				t.Errorf("none %v, message %d: %v %v", none, i, fate, err)
			}
		}
	}
}
