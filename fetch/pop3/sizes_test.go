package pop3

import "testing"

// TestMeasure: what a size says about a message. Each has 1,000 octets in 20 lines.
func TestMeasure(t *testing.T) {
	none, crlf, lf := SizeRecord{}, SizeRecord{CRLF: 5}, SizeRecord{LF: 5}
	both, guesses := SizeRecord{CRLF: 3, LF: 3}, SizeRecord{CRLF: 1, Off: 5}
	terminator := SizeRecord{CRLF: 5, Usual: 2}
	for _, tt := range []struct {
		name              string
		listed, announced int64
		dots, bare        int64
		record            SizeRecord
		fits, doubt       bool
	}{
		{name: "CRLF", listed: 1000, record: none, fits: true},
		{name: "LF", listed: 980, record: none, fits: true},
		{name: "LF where CRLF is counted", listed: 980, record: crlf},
		{name: "CRLF where LF is counted", listed: 1000, record: lf},
		{name: "LF where both are", listed: 980, record: both, fits: true},
		{name: "no last line end", listed: 998, record: crlf, fits: true},
		{name: "with the terminator", listed: 1003, record: none, fits: true},
		{name: "with the terminator, for once", listed: 1003, record: crlf},
		{name: "LF, no last line end", listed: 979, record: lf, fits: true},
		{name: "cut before the shortest reply", listed: 1008, record: none},
		{name: "cut before the shortest reply, LF", listed: 986, record: lf},
		{name: "a foreign line in it", listed: 985, record: crlf},
		{name: "header lines that the server adds", listed: 870, record: crlf},
		{name: "header lines that it leaves out", listed: 1150, record: crlf},
		{name: "cut", listed: 1300, record: crlf, doubt: true},
		{name: "cut, at an unknown server", listed: 1300, record: none},
		{name: "cut in two, at an unknown server", listed: 2000, record: none, doubt: true},
		{name: "two in one", listed: 500, record: none, doubt: true},
		{name: "estimated", listed: 2000, record: guesses},
		{name: "RETR knows better, at an unknown server", listed: 2000, announced: 1000, record: none},
		{name: "RETR knows better, where LIST is a guess", listed: 9000, announced: 1000, record: guesses},
		{name: "a notice that RETR announces", listed: 2000, announced: 1000, record: crlf, doubt: true},
		{name: "a notice, at an unknown server", listed: 9000, announced: 1000, record: none, doubt: true},
		{name: "a notice, and a small message", listed: 4040, announced: 1000, record: none, doubt: true},
		{name: "RETR says it too", listed: 2000, announced: 2000, record: crlf, doubt: true},
		{name: "only RETR says it", announced: 2000, record: none, doubt: true},
		{name: "nobody says it", record: crlf},
		{name: "no size", listed: 1, record: crlf},
		{name: "an absurd one", listed: 1 << 50, record: crlf},
		{name: "stuffed", listed: 1000, dots: 3, record: crlf, fits: true},
		{name: "not stuffed", listed: 1003, dots: 3, record: crlf, doubt: true},
		{name: "not stuffed, LF", listed: 983, dots: 3, record: lf, doubt: true},
		{name: "not stuffed, at an unknown server", listed: 1002, dots: 2, record: none, doubt: true},
		{name: "stuffed, and always 2 more", listed: 1002, dots: 2, record: terminator, fits: true},
		{name: "a single dot", listed: 1000, bare: 1, record: crlf, doubt: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Measure{Listed: plausible(tt.listed), Announced: plausible(tt.announced), Octets: 1000, Lines: 20, Dots: tt.dots,
				Bare: tt.bare}
			if got := m.fits(&tt.record); got != tt.fits {
				t.Errorf("fits: %v", got)
			}
			if got := m.doubt(&tt.record); (got != nil) != tt.doubt {
				t.Errorf("doubt: %v", got)
			}
		})
	}
}

// TestSizeRecord: a server that only estimates is recognised by its own record,
// and so is one that has stopped to.
func TestSizeRecord(t *testing.T) {
	var s SizeRecord
	whole := Measure{Listed: 1000, Announced: -1, Octets: 1000, Lines: 20}
	off := Measure{Listed: 3000, Announced: -1, Octets: 1000, Lines: 20}
	for range 2 {
		s.note(off)
	}
	if s.estimates() {
		t.Errorf("too early: %+v", s)
	}
	if s.note(off); !s.estimates() {
		t.Errorf("not yet: %+v", s)
	}
	for range 3 {
		s.note(whole)
	}
	if s.estimates() {
		t.Errorf("still: %+v", s)
	}
	for range 1000 {
		s.note(whole)
	}
	if n := s.CRLF + s.LF + s.Off; n > sizesKept {
		t.Errorf("%d are counted", n)
	}
}
