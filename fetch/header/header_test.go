package header

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestHeaderDate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	future := now.Add(48 * time.Hour).Format(time.RFC1123Z)
	tests := []struct {
		name, head, want string // RFC 3339; empty: what the caller says
	}{
		{"received", "Received: from a by b; Mon, 1 Jun 2020 10:00:00 +0200\nReceived: by c; Mon, 1 Jun 2015 10:00:00 +0000\nDate: " +
			"Fri, 1 Jan 2010 00:00:00 +0000\n", "2020-06-01T08:00:00Z"},
		{"folded", "Received: from a\n\tby b (x; y);\n Mon,\n 1 Jun 2020 10:00:00 +0000\n", "2020-06-01T10:00:00Z"},
		{"with a comment", "Date: Mon, 1 Jun 2020 10:00:00 +0000 (UTC)\n", "2020-06-01T10:00:00Z"},
		{"date alone", "Date: 1 Jun 2020 10:00:00 -0500\n", "2020-06-01T15:00:00Z"},
		{"any case", "dAtE : Mon, 1 Jun 2020 10:00:00 +0000\n", "2020-06-01T10:00:00Z"},
		{"received without a date", "Received: from a by b\nDate: Mon, 1 Jun 2020 10:00:00 +0000\n", "2020-06-01T10:00:00Z"},
		{"received is nonsense", "Received: x; yesterday\nDate: Mon, 1 Jun 2020 10:00:00 +0000\n", "2020-06-01T10:00:00Z"},
		{"in the future", "Received: x; " + future + "\nDate: Mon, 1 Jun 2020 10:00:00 +0000\n", "2020-06-01T10:00:00Z"},
		{"before mail", "Date: Thu, 1 Jan 1970 00:00:00 +0000\n", ""},
		{"year 0", "Date: Sat, 1 Jan 0000 00:00:00 +0000\n", ""},
		{"year 9999", "Date: Fri, 31 Dec 9999 23:59:59 +0000\n", ""},
		{"empty", "Date:\n", ""},
		{"none", "Subject: x\n", ""},
		{"in the body", "Subject: x\n\nDate: Mon, 1 Jun 2020 10:00:00 +0000\n", ""},
	}
	for _, tt := range tests {
		got := Header(tt.head).Date(now).UTC()
		want := now.UTC()
		if tt.want != "" {
			want, _ = time.Parse(time.RFC3339, tt.want)
		}
		if !got.Equal(want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
}

func TestHeaderFingerprint(t *testing.T) {
	t.Parallel()
	const one = "Message-ID: <1@x>\nDate: Mon, 1 Jun 2020 10:00:00 +0000\nFrom: a@x\nTo: b@x\nSubject: a b\n"
	same := []string{
		one,
		one + "\n",
		"Received: by new.example.org; Tue, 2 Jun 2020 10:00:00 +0000\n" + one,
		"X-Spam: yes\n" + strings.ReplaceAll(one, "Message-ID", "message-id"),
		strings.Replace(one, "Subject: a b", "Subject: a\n b", 1),
		"Subject: a b\nTo: b@x\nFrom: a@x\nDate: Mon, 1 Jun 2020 10:00:00 +0000\nMessage-ID: <1@x>\n",
	}
	for _, s := range same {
		if Header(s).Fingerprint() != Header(one).Fingerprint() {
			t.Errorf("%q differs", s)
		}
	}
	differ := []string{
		strings.Replace(one, "<1@x>", "<2@x>", 1),
		strings.Replace(one, "a@x", "c@x", 1),
		strings.Replace(one, "a b", "a c", 1),
		strings.Replace(one, "To: b@x\nSubject: a b", "To: b@x a b\nSubject:", 1),
		"", "\n", "X: y\n", "X: z\n",
	}
	for i, s := range differ {
		if Header(s).Fingerprint() == Header(one).Fingerprint() {
			t.Errorf("%q is the same", s)
		}
		for _, o := range differ[:i] {
			if Header(s).Fingerprint() == Header(o).Fingerprint() && strings.TrimSpace(s) != strings.TrimSpace(o) {
				t.Errorf("%q and %q are the same", s, o)
			}
		}
	}
}

func TestHeaderSender(t *testing.T) {
	t.Parallel()
	tests := []struct {
		head, want string
		ok         bool
	}{
		{"Return-Path: <a@x>\nReturn-Path: <b@x>\n", "a@x", true},
		{"Return-path: a@x\n", "a@x", true},
		{"Return-Path: <>\n", "", true},
		{"Return-Path:\n <a@x>\n", "a@x", true},
		{"Return-Path: <a@x> (comment)\n", "a@x", true},
		{"Return-Path: <a@x\n", "a@x", true},
		{"Return-Path: <a@x>\r\nX: y\n", "a@x", true},
		{"Return-Path: <a b@x>\n", "", true},
		{"Return-Path: <a\x00@x>\n", "", true},
		{"Return-Path: <a\x7f@x>\n", "", true},
		{"X: y\n", "", false},
		{"\nReturn-Path: <a@x>\n", "", false},
	}
	for _, tt := range tests {
		if got, ok := Header(tt.head).Sender(); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q %t, want %q %t", tt.head, got, ok, tt.want, tt.ok)
		}
	}
}

// TestReadHeaderLosesNothing: whatever comes, header and rest are the message.
func TestReadHeaderLosesNothing(t *testing.T) {
	t.Parallel()
	long := "X: " + strings.Repeat("y", 2*MaxSize) + "\n\nbody\n"
	many := strings.Repeat("X: y\n", MaxSize) + "\nbody\n"
	for _, msg := range []string{"", "\n", "\nbody\n", "A: b\n\nbody\n", "A: b", "no header at all\n", "A: b\n c\n\n\n", long, many} {
		in := bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(msg)), MaxSize)
		h, err := Read(in)
		if err != nil {
			t.Fatal(err)
		}
		if len(h) > MaxSize || !strings.HasPrefix(msg, string(h)) {
			t.Errorf("%.20q: header of %d bytes", msg, len(h))
		}
		rest, err := io.ReadAll(in)
		if err != nil || string(rest) != msg {
			t.Errorf("%.20q: %d bytes left, want %d (%v)", msg, len(rest), len(msg), err)
		}
	}
}

func TestReadHeaderReportsBrokenConnection(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	in := bufio.NewReaderSize(io.MultiReader(strings.NewReader("A: b\nC:"), iotest.ErrReader(broken)), MaxSize)
	if _, err := Read(in); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	for _, s := range []string{"", "\n", ":\n", " :\n", "A\n b: c\n", "Date: x\n\t\n", "Received: ;\n", "Return-Path: <<>>\n",
		"Date: Mon, 1 Jun 2020 10:00:00 +0000\n"} {
		f.Add([]byte(s))
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, b []byte) {
		h := Header(b)
		size := 0
		for name, val := range h.Fields() {
			size += len(name) + len(val) + 1
		}
		if size > len(b) {
			t.Errorf("fields of %d bytes in a header of %d", size, len(b))
		}
		if d := h.Date(now); d.Year() < 1980 || d.After(now.Add(25*time.Hour)) {
			t.Errorf("date %v", d)
		}
		if s, _ := h.Sender(); strings.ContainsAny(s, " \r\n\x00<>") && !strings.ContainsAny(s, "<>") {
			t.Errorf("sender %q", s)
		}
		if h.Fingerprint() != Header(bytes.Clone(b)).Fingerprint() {
			t.Error("the fingerprint is not a function of the header")
		}
	})
}
