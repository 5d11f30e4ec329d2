package imap

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// letters are n different messages.
func letters(n int) (out [][]byte) {
	for i := range n {
		out = append(out, fmt.Appendf(nil, "Message-ID: <%d@example.org>\nSubject: %d\n\nbody %d\n", i, i, i))
	}
	return out
}

// describe is the outcome of a delivery in short.
func describe(err error) string {
	var e *deliver.Error
	var own *Error
	if !errors.As(err, &e) || !errors.As(err, &own) {
		return fmt.Sprint(err)
	}
	names := [...]string{"later", "never", "failed", "cannot create", "I/O", "unavailable", "denied"}
	return fmt.Sprintf("%s, cause %d, pause %v", names[e.Class], own.Cause, e.Pause)
}

func no(text string) func(*fakeSession, int) bool {
	return func(s *fakeSession, n int) bool { s.say("%s NO %s", s.tag, text); return true }
}

func refuse(text string) func(*fakeSession, int, []fakeMessage) bool {
	return func(s *fakeSession, n int, _ []fakeMessage) bool { s.say("%s NO %s", s.tag, text); return true }
}

// storedLate is a server whose session stores what it has received after another one
// has looked.
func storedLate() *fake {
	var late []fakeMessage
	return &fake{
		after: func(s *fakeSession, n int, msgs []fakeMessage) bool {
			if n > 1 {
				return false
			}
			late = msgs
			s.end()
			return true
		},
		on: func(s *fakeSession, line string) bool {
			if !strings.HasPrefix(line, "EXAMINE") || late == nil {
				return false
			}
			s.command(line)
			s.store(late)
			late = nil
			return true
		},
	}
}

// TestFaults: whatever goes wrong, each message is in the mailbox once if its outcome
// says that it was delivered, and never twice.
func TestFaults(t *testing.T) {
	t.Parallel()
	const lockstep = "IMAP4rev1 UIDPLUS"
	once := func(do func(s *fakeSession, msgs []fakeMessage)) func(*fakeSession, int, []fakeMessage) bool {
		return func(s *fakeSession, n int, msgs []fakeMessage) bool {
			if n == 1 {
				do(s, msgs)
			}
			return n == 1
		}
	}
	tests := []struct {
		name string
		f    *fake
		want string // of a message that is not delivered; empty: all are
		left int    // how many are delivered then
	}{
		{"nothing", &fake{}, "", 3},
		{"NO before +", &fake{caps: lockstep, before: no("no")}, fmt.Sprintf("failed, cause %d, pause 0s", Rejected), 0},
		{"NO before +, full", &fake{caps: lockstep, before: no("[OVERQUOTA] full")}, fmt.Sprintf("unavailable, cause %d, pause 0s", Quota), 0},
		{"too big", &fake{after: refuse("[TOOBIG] x")}, fmt.Sprintf("never, cause %d, pause 0s", TooBig), 0},
		{"no right", &fake{after: refuse("[NOPERM] x")}, fmt.Sprintf("cannot create, cause %d, pause 0s", NoRight), 0},
		{"server bug", &fake{after: refuse("[SERVERBUG] x")}, fmt.Sprintf("later, cause %d, pause 0s", Busy), 0},
		{"limit", &fake{after: refuse("[LIMIT] x")}, fmt.Sprintf("unavailable, cause %d, pause 0s", Throttled), 0},
		{"Gmail's limit of a day", &fake{after: refuse("[OVERQUOTA] Account exceeded command or bandwidth limits. k17")},
			fmt.Sprintf("unavailable, cause %d, pause 1h0m0s", Throttled), 0},
		{"Exchange without a mailbox", &fake{after: refuse("User is authenticated but not connected.")},
			fmt.Sprintf("denied, cause %d, pause 0s", LoginRefused), 0},
		{"backoff", &fake{after: refuse("Request is throttled. Suggested Backoff Time: 299961 milliseconds")},
			fmt.Sprintf("unavailable, cause %d, pause 4m59.961s", Throttled), 0},
		{"BYE", &fake{after: func(s *fakeSession, _ int, _ []fakeMessage) bool {
			s.say("* BYE Session expired")
			s.end()
			return true
		}},
			fmt.Sprintf("unavailable, cause %d, pause 0s", Busy), 0},
		{"silent", &fake{after: func(s *fakeSession, _ int, _ []fakeMessage) bool { return true }},
			fmt.Sprintf("failed, cause %d, pause 0s", Silent), 0},
		{"reply lost once, stored", &fake{after: once(func(s *fakeSession, m []fakeMessage) { s.store(m); s.end() })}, "", 3},
		{"reply lost once, not stored", &fake{after: once(func(s *fakeSession, m []fakeMessage) { s.end() })}, "", 3},
		{"reply lost, stored late", storedLate(), "", 3},
		{"stored in part, then NO", &fake{after: once(func(s *fakeSession, m []fakeMessage) {
			s.store(m[:2])
			s.say("%s NO quota", s.tag)
		})}, "", 3},
		{"stored in part, then lost", &fake{after: once(func(s *fakeSession, m []fakeMessage) { s.store(m[:1]); s.end() })}, "", 3},
		{"no APPENDUID", &fake{noUID: true}, "", 3},
		{"APPENDUID of another number", &fake{after: once(func(s *fakeSession, m []fakeMessage) {
			s.store(m)
			s.say("%s OK [APPENDUID 7 1:2] x", s.tag)
		})}, "", 3},
		{"APPENDUID of nonsense", &fake{after: once(func(s *fakeSession, m []fakeMessage) {
			s.store(m)
			s.say("%s OK [APPENDUID 7 0:4294967295] x", s.tag)
		})}, "", 3},
		{"TRYCREATE", &fake{after: func(s *fakeSession, n int, m []fakeMessage) bool {
			if n > 2 {
				return false
			}
			s.say("%s NO [TRYCREATE] x", s.tag)
			return true
		}}, "", 3},
		{"mailbox missing", &fake{noBox: true}, "", 3},
		{"connection lost in each message, lockstep", &fake{caps: lockstep,
			before: func(s *fakeSession, n int) bool { s.end(); return true }},
			fmt.Sprintf("failed, cause %d, pause 0s", Lost), 0},
		{"BAD in the middle", &fake{caps: "IMAP4rev1 LITERAL+ UIDPLUS", after: func(s *fakeSession, n int, m []fakeMessage) bool {
			if n != 2 {
				return false
			}
			s.say("%s BAD Command Argument Error 11", s.tag)
			return true
		}}, fmt.Sprintf("failed, cause %d, pause 0s", Rejected), 2},
		{"UIDVALIDITY changed, reply lost", &fake{after: once(func(s *fakeSession, m []fakeMessage) {
			s.f.next, s.f.validity = 1, 8
			s.store(m)
			s.end()
		})}, "", 3},
		{"literal of 1 GB", &fake{after: once(func(s *fakeSession, m []fakeMessage) {
			s.store(m)
			s.end()
		}), on: func(s *fakeSession, line string) bool {
			if strings.HasPrefix(line, "UID FETCH") && strings.Contains(line, "BODY.PEEK[])") {
				s.say("* 1 FETCH (UID 1 BODY[] {1073741824}")
				return true
			}
			return false
		}}, fmt.Sprintf("unavailable, cause %d, pause 0s", InDoubt), 3},
		{"endless line", &fake{after: once(func(s *fakeSession, m []fakeMessage) {
			s.store(m)
			_, _ = s.nc.Write(bytes.Repeat([]byte("x"), 2<<20))
		})}, "", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, tt.f)
			d := New(f.options())
			defer d.Close()
			msgs := letters(3)
			_, results := deliverAll(t, d, msgs...)
			delivered := 0
			for i, r := range results {
				switch {
				case r.Err == nil:
					delivered++
				case describe(r.Err) != tt.want && !(i > 0 && strings.HasPrefix(describe(r.Err), "unavailable")):
					t.Errorf("message %d: %s (%v), want %q", i, describe(r.Err), r.Err, tt.want)
				}
			}
			texts := f.texts()
			if want := 3; tt.want == "" && delivered != want {
				t.Errorf("%d are delivered, want %d", delivered, want)
			}
			if len(texts) != tt.left {
				t.Errorf("the mailbox holds %q, want %d messages", texts, tt.left)
			}
			for _, m := range msgs {
				if n := len(slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s != string(m) })); n > 1 {
					t.Errorf("%d copies of %q", n, m)
				}
			}
		})
	}
}

// TestEqualMessages: two messages with the same bytes arrive twice, whatever is lost.
func TestEqualMessages(t *testing.T) {
	t.Parallel()
	for stored := range 3 {
		f := startFake(t, &fake{})
		twin := letters(1)[0]
		f.after = func(s *fakeSession, n int, m []fakeMessage) bool {
			switch {
			case n <= stored:
				s.store(m)
				s.end() // each reply is lost
			default:
				return false
			}
			return true
		}
		d := New(f.options())
		_, results := deliverAll(t, d, twin, twin)
		for i, r := range results {
			if r.Err != nil {
				t.Errorf("lost %d: message %d: %v", stored, i, r.Err)
			}
		}
		if n := len(f.texts()); n != 2 {
			t.Errorf("lost %d: %d copies, want 2", stored, n)
		}
		_ = d.Close()
	}
}

// TestEqualMessagesRecovered: a found message settles one intent only.
func TestEqualMessagesRecovered(t *testing.T) {
	t.Parallel()
	twin := letters(1)[0]
	for visible := range 3 {
		f := startFake(t, &fake{})
		d := New(f.options())
		b, err := d.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			e := deliver.Envelope{MessageID: "<0@example.org>", Date: time.Unix(1e9, 0)}
			if err := b.Add(t.Context(), e, bytes.NewReader(twin)); err != nil {
				t.Fatal(err)
			}
		}
		intents, err := b.Prepare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := &fakeSession{f: f}
		for range visible {
			s.store([]fakeMessage{{text: bytes.ReplaceAll(twin, []byte("\n"), []byte("\r\n")), date: `" 9-Sep-2001 01:46:40 +0000"`}})
		}
		found := 0
		for range 2 {
			found = 0
			for _, in := range intents {
				fate, err := d.Recover(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				if fate == deliver.Visible {
					found++
				}
			}
		}
		if found != visible {
			t.Errorf("%d are there, %d are found", visible, found)
		}
		_ = d.Close()
	}
}

// TestRecover: the fate of one message, by what is in the mailbox.
func TestRecover(t *testing.T) {
	t.Parallel()
	text := "Message-ID: <0@example.org>\r\nSubject: caf\xe9\r\n\r\nbody 0\r\n"
	const date, other = `" 9-Sep-2001 01:46:40 +0000"`, `"10-Sep-2001 01:46:40 +0000"`
	tests := []struct {
		name string
		mail []fakeMessage
		prep func(f *fake)
		want deliver.Fate
	}{
		{"empty", nil, nil, deliver.Absent},
		{"there", []fakeMessage{{text: []byte(text), date: date}}, nil, deliver.Visible},
		{"another date, as Gmail keeps that of an earlier copy", []fakeMessage{{text: []byte(text), date: other}}, nil, deliver.Visible},
		{"only an older copy", []fakeMessage{{text: []byte(text), date: date}}, func(f *fake) { f.mail[0].uid = 3 }, deliver.Absent},
		{"UIDNEXT rose", nil, func(f *fake) { f.next = 90 }, deliver.Absent},
		{"UIDVALIDITY changed", []fakeMessage{{text: []byte(text), date: date}},
			func(f *fake) { f.validity, f.mail[0].uid = 99, 1 }, deliver.Visible},
		{"Cyrus' X", []fakeMessage{{text: []byte(strings.Replace(text, "\xe9", "X", 1)), date: other}}, nil, deliver.Visible},
		{"made anew", []fakeMessage{{text: []byte(text + "footer\r\n"), date: date}}, nil, deliver.StandIn},
		{"same Message-ID, another date", []fakeMessage{{text: []byte(text + "footer\r\n"), date: other}}, nil, deliver.Absent},
		{"another Message-ID", []fakeMessage{{text: []byte(strings.Replace(text, "<0", "<1", 1)), date: date}}, nil, deliver.Absent},
		{"cut off", []fakeMessage{{text: []byte(text[:len(text)-4]), date: other}}, nil, deliver.Absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFake(t, &fake{})
			f.next = 10
			d := New(f.options())
			defer d.Close()
			b, err := d.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			e := deliver.Envelope{MessageID: "<0@example.org>", Date: time.Unix(1e9, 0)}
			if err := b.Add(t.Context(), e, strings.NewReader(strings.ReplaceAll(text, "\r\n", "\n"))); err != nil {
				t.Fatal(err)
			}
			intents, err := b.Prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			(&fakeSession{f: f}).store(tt.mail)
			if tt.prep != nil {
				tt.prep(f)
			}
			for range 2 {
				if fate, err := d.Recover(t.Context(), intents[0]); err != nil || fate != tt.want {
					t.Errorf("got %d %v, want %d", fate, err, tt.want)
				}
			}
		})
	}
}

// TestRecoverUnreachable: an intent stays while the server cannot be asked.
// TestRecoverWaitsForEach: that the first message of a recovery is there says nothing
// of the second: the session that was killed may still store it.
func TestRecoverWaitsForEach(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	o := f.options()
	o.Settle = 10 * time.Second
	d := New(o)
	texts := letters(2)
	_, intents := prepared(t, d, texts...)
	_ = d.Close()
	store := func(text []byte) {
		s := &fakeSession{f: f}
		s.store([]fakeMessage{{text: bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), date: `" 9-Sep-2001 01:46:40 +0000"`}})
	}
	store(texts[0])
	late := time.AfterFunc(200*time.Millisecond, func() { store(texts[1]) })
	defer late.Stop()
	d = New(o)
	defer d.Close()
	for i, in := range intents {
		if fate, err := d.Recover(t.Context(), in); fate != deliver.Visible || err != nil {
			t.Errorf("message %d: fate %d, err %v", i, fate, err)
		}
	}
}

func TestRecoverUnreachable(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	d := New(f.options())
	intents, _ := deliverAll(t, d, letters(1)...)
	_ = d.Close()
	f.ln.Close()
	_, err := New(f.options()).Recover(t.Context(), intents[0])
	var e *deliver.Error
	if !errors.As(err, &e) || !e.Temporary() {
		t.Errorf("got %v", err)
	}
}

// TestRefusedBeforeUpload: what the server would refuse for good is not sent.
func TestRefusedBeforeUpload(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{caps: fakeCaps + " APPENDLIMIT=100"})
	d := New(f.options())
	defer d.Close()
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		want Cause
	}{{"a\x00b\n", Binary}, {"", Rejected}, {strings.Repeat("x", 100) + "\n", TooBig}} {
		err := b.Add(t.Context(), deliver.Envelope{}, strings.NewReader(tt.text))
		if got, want := describe(err), fmt.Sprintf("never, cause %d, pause 0s", tt.want); got != want {
			t.Errorf("%.10q: got %s, want %s", tt.text, got, want)
		}
	}
	if err := b.Abort(); err != nil {
		t.Error(err)
	}
}

// TestFlags: only keywords that the mailbox keeps are sent.
func TestFlags(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	o := f.options()
	o.Seen, o.Keywords = true, []string{"$kept", "$Lost"}
	d := New(o)
	defer d.Close()
	deliverAll(t, d, letters(1)...)
	if got := f.mail[0].flags; got != `(\Seen $kept)` {
		t.Errorf("flags %s", got)
	}
}

// TestRefusedKeyword: a message whose keyword the server refuses arrives without it. The
// log says so once.
func TestRefusedKeyword(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{after: func(s *fakeSession, _ int, m []fakeMessage) bool {
		if !strings.Contains(m[0].flags, "$Kept") {
			return false
		}
		s.say("%s NO [CANNOT] Keyword too long", s.tag)
		return true
	}})
	var log bytes.Buffer
	o := f.options()
	o.Keywords, o.Logger = []string{"$Kept", "$Lost"}, slog.New(slog.NewTextHandler(&log, nil))
	d := New(o)
	defer d.Close()
	for range 2 {
		_, results := deliverAll(t, d, letters(2)...)
		for i, r := range results {
			if r.Err != nil {
				t.Errorf("message %d: %v", i, r.Err)
			}
		}
	}
	if n := len(f.texts()); n != 4 {
		t.Errorf("%d messages in the mailbox", n)
	}
	if text := log.String(); strings.Count(text, "does not keep these keywords") != 1 ||
		strings.Count(text, "refuses a message with keywords") != 1 {
		t.Error(text)
	}
}

// TestRecoverAnew: of a mailbox that was deleted and made anew, again between two
// recoveries, only what is in it now counts.
func TestRecoverAnew(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fake{})
	d := New(f.options())
	texts := letters(2)
	_, intents := prepared(t, d, texts...)
	for _, want := range [][]deliver.Fate{{deliver.Visible, deliver.Absent}, {deliver.Absent, deliver.Absent},
		{deliver.Absent, deliver.Visible}} {
		_ = d.Close()
		f.validity, f.next, f.mail = f.validity+1, 1, nil
		for i, fate := range want {
			if fate == deliver.Visible {
				text := bytes.ReplaceAll(texts[i], []byte("\n"), []byte("\r\n"))
				(&fakeSession{f: f}).store([]fakeMessage{{text: text, date: `" 9-Sep-2001 01:46:40 +0000"`}})
			}
		}
		d = New(f.options())
		for range 2 {
			if got := fates(t, d, intents); !slices.Equal(got, want) {
				t.Errorf("UIDVALIDITY %d: %v, want %v", f.validity, got, want)
			}
		}
	}
	_ = d.Close()
}
