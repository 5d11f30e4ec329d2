package gmail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/gmail/gmailtest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// options are for a mailbox at a URL, without long waits.
func options(base string) Options {
	return Options{Base: base, Units: 1 << 20, Settle: 200 * time.Millisecond, Lag: 600 * time.Millisecond, Patience: 2 * time.Second,
		Web: web.Options{Name: "test", Dial: new(net.Dialer).DialContext}}
}

// letter is one with LF line ends that Gmail takes.
func letter(n int, extra ...string) []byte {
	return fmt.Appendf(nil, "From: a@example.org\nTo: b@example.org\nDate: Mon, 05 Oct 2015 %02d:%02d:11 +0000\nMessage-ID: "+
		"<%d@example.org>\n%sSubject: %d\n\nText %d.\n",
		n/60%24, n%60, n, strings.Join(extra, ""), n, n)
}

// prepared is a batch of messages with its intents.
func prepared(t testing.TB, d deliver.Deliverer, msgs ...[]byte) (deliver.Batch, []deliver.Intent) {
	t.Helper()
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		if err := b.Add(t.Context(), envelopeOf(m), bytes.NewReader(m)); err != nil {
			t.Fatal(err)
		}
	}
	intents, err := b.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b, intents
}

func envelopeOf(m []byte) deliver.Envelope {
	e := deliver.Envelope{Date: time.Date(2015, 10, 5, 22, 33, 11, 0, time.UTC)}
	if _, rest, ok := strings.Cut(string(m), "Message-ID: "); ok {
		e.MessageID, _, _ = strings.Cut(rest, "\n")
	}
	return e
}

// kept are the messages in a mailbox with LF line ends.
func kept(s *gmailtest.Server) (out [][]byte) {
	for _, m := range s.Messages() {
		out = append(out, bytes.ReplaceAll(m.Raw, []byte("\r\n"), []byte("\n")))
	}
	return out
}

// once checks that each message is in the mailbox once, and no other.
func once(t *testing.T, s *gmailtest.Server, want ...[]byte) {
	t.Helper()
	count := make(map[string]int)
	for _, m := range kept(s) {
		count[string(m)]++
	}
	for i, m := range want {
		if count[string(m)] != 1 {
			t.Errorf("message %d is there %d times", i, count[string(m)])
		}
		delete(count, string(m))
	}
	if len(count) > 0 {
		t.Errorf("%d messages that were not sent", len(count))
	}
}

func errorOf(t *testing.T, err error) *deliver.Error {
	t.Helper()
	e, ok := errors.AsType[*deliver.Error](err)
	if !ok {
		t.Fatalf("%#v is no *deliver.Error", err)
	}
	return e
}

// TestLostAnswers: whatever became of an upload whose answer was lost, and however it is
// recovered, the message is there once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	faults := map[string]gmailtest.Fault{
		"stored, connection closed": {Stored: true},
		"not stored, closed":        {},
		"cut in the upload":         {Cut: 100},
		"stored, 502":               {Stored: true, Status: 502, Plain: true},
		"stored, 503":               {Stored: true, Status: 503, Reason: "backendError"},
		"stored, 500":               {Stored: true, Status: 500, Reason: "backendError"},
		"not stored, 503":           {Status: 503, Reason: "backendError"},
		"not stored, 504":           {Status: 504, Plain: true},
		"throttled":                 {Status: 429, Reason: "rateLimitExceeded"},
	}
	for name, f := range faults {
		for _, kind := range []string{"plain", "dedupe", "lag", "no history", "no history, lag", "no Message-ID", "fields added", "large"} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, o := bubble(t)
					s.Fault = func(call string, n int) *gmailtest.Fault {
						if call == "import" && n == 2 || call == "upload" && n == 1 {
							return &f
						}
						return nil
					}
					msgs := [][]byte{letter(1), letter(2), letter(3)}
					switch kind {
					case "dedupe":
						s.Dedupe = true
					case "no Message-ID":
						for i := range msgs {
							msgs[i] = bytes.Replace(msgs[i], []byte("Message-ID:"), []byte("X-Other:"), 1)
						}
					case "fields added":
						s.Change = func(raw []byte) []byte { return append([]byte("Received: by gmail\r\n"), raw...) }
					case "large":
						msgs[1] = append(msgs[1], bytes.Repeat([]byte("A line of a large message.\n"), 200_000)...)
					}
					s.NoHistory = strings.HasPrefix(kind, "no history")
					if strings.HasSuffix(kind, "lag") {
						s.Lag = 90 * time.Second
					}
					o.Uploads = 1
					settle(t, o, msgs)
					if kind == "fields added" {
						for i, m := range msgs {
							msgs[i] = append([]byte("Received: by gmail\n"), m...)
						}
					}
					once(t, s, msgs...)
				})
			})
		}
	}
}

// settle delivers messages as runs do: what a run leaves open, the next one recovers.
func settle(t *testing.T, o Options, msgs [][]byte) {
	t.Helper()
	for range 20 {
		d := New(o)
		b, intents := prepared(t, d, msgs...)
		var left [][]byte
		for i, r := range b.Publish(t.Context()) {
			e, _ := errors.AsType[*deliver.Error](r.Err)
			switch {
			case r.Err == nil:
			case !e.Stops(): // the intent is dropped
				left = append(left, msgs[i])
			case recoverLater(t, o, intents[i]) == deliver.Absent:
				left = append(left, msgs[i])
			}
		}
		_ = d.Close()
		if msgs = left; len(msgs) == 0 {
			return
		}
	}
	t.Fatal("no end")
}

// recoverLater asks until it is known what became of an intent.
func recoverLater(t *testing.T, o Options, i deliver.Intent) deliver.Fate {
	t.Helper()
	for range 50 {
		d := New(o)
		fate, err := d.Recover(t.Context(), i)
		_ = d.Close()
		if err == nil {
			return fate
		}
		if e := errorOf(t, err); causeOf(e) != InDoubt || e.Class != deliver.Unavailable {
			t.Fatalf("%v", err)
		}
	}
	t.Fatal("it is never known")
	return 0
}

// TestSearchLagIsWaitedFor: a search that does not find a message proves nothing while
// it may lag: the account waits.
func TestSearchLagIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	s.NoHistory, s.Lag = true, time.Hour
	o := options(s.Start(t))
	o.Lag, o.Patience = 1500*time.Millisecond, 300*time.Millisecond
	b, intents := prepared(t, New(o), letter(1))
	if r := b.Publish(t.Context()); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	_, err := New(o).Recover(t.Context(), intents[0])
	if e := errorOf(t, err); causeOf(err) != InDoubt || e.Class != deliver.Unavailable {
		t.Fatalf("%v", err)
	}
	s.Lag = 0
	if fate, err := New(o).Recover(t.Context(), intents[0]); err != nil || fate != deliver.Visible {
		t.Fatalf("%v, %v", fate, err)
	}
}

// TestHistoryKnowsMore: the history shows at once what the search does not, and that
// there is nothing.
func TestHistoryKnowsMore(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	s.Lag = time.Hour
	o := options(s.Start(t))
	o.Lag, o.Patience = time.Hour, 5*time.Second
	b, intents := prepared(t, New(o), letter(1), letter(2))
	b.(*batch).Msgs = b.(*batch).Msgs[:1]
	if r := b.Publish(t.Context()); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	d := New(o)
	for i, want := range []deliver.Fate{deliver.Visible, deliver.Absent} {
		if fate, err := d.Recover(t.Context(), intents[i]); err != nil || fate != want {
			t.Errorf("message %d: %v, %v", i, fate, err)
		}
	}
}

// TestForeignCopies: a message with our Message-ID and another text is not ours.
func TestForeignCopies(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	o := options(s.Start(t))
	settle(t, o, [][]byte{letter(1, "Received: by another way\n")})
	_, intents := prepared(t, New(o), letter(1))
	if fate, err := New(o).Recover(t.Context(), intents[0]); err != nil || fate != deliver.Absent {
		t.Errorf("%v, %v", fate, err)
	}
}

// TestEarlierCopies: an equal copy that was there before is not ours, wherever it lies.
func TestEarlierCopies(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]func(*gmailtest.Server){
		"history": func(*gmailtest.Server) {}, "search only": func(s *gmailtest.Server) { s.NoHistory = true }} {
		t.Run(name, func(t *testing.T) {
			s := gmailtest.New()
			row(s)
			o := options(s.Start(t))
			settle(t, o, [][]byte{letter(1)})
			b, intents := prepared(t, New(o), letter(1))
			if fate, err := New(o).Recover(t.Context(), intents[0]); err != nil || fate != deliver.Absent {
				t.Errorf("before: %v, %v", fate, err)
			}
			if r := b.Publish(t.Context()); r[0].Err != nil {
				t.Fatal(r[0].Err)
			}
			if fate, err := New(o).Recover(t.Context(), intents[0]); err != nil || fate != deliver.Visible {
				t.Errorf("after: %v, %v", fate, err)
			}
		})
	}
}

// TestEqualMessages: equal ones of a batch are stored as often as they were sent.
func TestEqualMessages(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	o := options(s.Start(t))
	b, intents := prepared(t, New(o), letter(1), letter(2), letter(1), letter(1))
	for i, r := range b.Publish(t.Context()) {
		if r.Err != nil {
			t.Errorf("%d: %v", i, r.Err)
		}
	}
	if n := len(s.Messages()); n != 4 {
		t.Errorf("%d messages", n)
	}
	for i, in := range intents {
		if fate, err := New(o).Recover(t.Context(), in); err != nil || fate != deliver.Visible {
			t.Errorf("%d: %v, %v", i, fate, err)
		}
	}
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	o := options(s.Start(t))
	big := append(letter(3), bytes.Repeat([]byte("A line of a large message.\n"), 300_000)...)
	msgs := [][]byte{letter(1), letter(2, "X-Latin: caf\xe9\n"), big}
	b, _ := prepared(t, New(o), msgs...)
	results := b.Publish(t.Context())
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, m := range msgs {
		for _, receipt := range []string{results[i].Receipt, "- " + strings.SplitN(results[i].Receipt, " ", 2)[1]} {
			var got bytes.Buffer
			where, err := r.Copy(t.Context(), &got, receipt, sha256.Sum256(m))
			if err != nil || !bytes.Equal(got.Bytes(), m) || !strings.HasPrefix(where, "message 0") || strings.Contains(where, "changed") {
				t.Errorf("%q: %s, %v, %d octets", receipt, where, err, got.Len())
			}
		}
	}
	s.Change = func(raw []byte) []byte { return append(raw, "more\r\n"...) }
	b, _ = prepared(t, New(o), letter(4))
	where, err := r.Copy(t.Context(), new(bytes.Buffer), b.Publish(t.Context())[0].Receipt, sha256.Sum256(letter(4)))
	if err != nil || !strings.HasSuffix(where, "(the text was changed)") {
		t.Errorf("%s, %v", where, err)
	}
	if _, err := r.Copy(context.Background(), new(bytes.Buffer), "deadbeef 10 0011223344556677 <none@example.org>",
		[32]byte{}); err == nil {
		t.Error("a message that is not there was read")
	}
}

// TestSlowUpload: an upload may end long after the intent was made; the history shows it
// all the same if the search does not.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, o := bubble(t)
		b, intents := prepared(t, New(o), letter(1))
		time.Sleep(20 * time.Minute)
		s.Lag = time.Minute
		if r := b.Publish(t.Context()); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		if fate, err := New(o).Recover(t.Context(), intents[0]); err != nil || fate != deliver.Visible {
			t.Errorf("%v, %v", fate, err)
		}
	})
}

// TestSlowUploadKilled: the search may lag behind what was sent long after its intent, so
// the account waits from the first look on, over several runs.
func TestSlowUploadKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := bubble(t)
		s.NoHistory, o.Claims = true, filepath.Join(t.TempDir(), "claims")
		o.Lag, o.Patience = 2*time.Minute, 20*time.Second
		_, intents := prepared(t, New(o), letter(1))
		time.Sleep(20 * time.Minute)
		for range 2 {
			if _, err := New(o).Recover(t.Context(), intents[0]); causeOf(err) != InDoubt {
				t.Errorf("%v, want doubt", err)
			}
			time.Sleep(time.Minute)
		}
		if fate, err := New(o).Recover(t.Context(), intents[0]); err != nil || fate != deliver.Absent {
			t.Errorf("%v, %v", fate, err)
		}
	})
}

// TestClaims: two accounts deliver the same bytes. A copy stands for one message only.
func TestClaims(t *testing.T) {
	s := gmailtest.New()
	o := options(s.Start(t))
	o.Claims = filepath.Join(t.TempDir(), "claims")
	_, ours := prepared(t, New(o), letter(1))
	b, theirs := prepared(t, New(o), letter(1))
	if r := b.Publish(t.Context()); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	for range 2 {
		if fate, err := New(o).Recover(t.Context(), ours[0]); err != nil || fate != deliver.Absent {
			t.Errorf("ours: %v, %v", fate, err)
		}
		if fate, err := New(o).Recover(t.Context(), theirs[0]); err != nil || fate != deliver.Visible {
			t.Errorf("theirs: %v, %v", fate, err)
		}
	}
}

// TestWrongClock: an intent of the future does not block its account.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, o := bubble(t)
		s.NoHistory = true
		_, intents := prepared(t, New(o), letter(1))
		in := new(intent)
		err := in.Decode(Kind, intents[0].Data, in)
		if err != nil {
			t.Fatal(err)
		}
		in.At = in.At.AddDate(1, 0, 0)
		if fate, err := New(o).Recover(t.Context(), in.Intent()); err != nil || fate != deliver.Absent {
			t.Errorf("%v, %v", fate, err)
		}
	})
}

// TestInTrash: what Gmail had already, and has in the trash only, permits no deletion.
func TestInTrash(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	s.Dedupe = true
	o := options(s.Start(t))
	o.Labels = []string{"TRASH"}
	b, _ := prepared(t, New(o), letter(1))
	if r := b.Publish(t.Context()); r[0].Err != nil || r[0].StandIn {
		t.Fatalf("%+v", r[0])
	}
	o.Labels = nil
	b, _ = prepared(t, New(o), letter(1), letter(2))
	if r := b.Publish(t.Context()); r[0].Err != nil || !r[0].StandIn || r[1].Err != nil || r[1].StandIn {
		t.Errorf("%+v", r)
	}
}

// TestMovedToTrash: a copy in the trash does not stay, so it is not there; another one is.
func TestMovedToTrash(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	o := options(s.Start(t))
	b, _ := prepared(t, New(o), letter(1), letter(2))
	results := b.Publish(t.Context())
	for _, r := range results {
		s.Relabel(strings.Fields(r.Receipt)[0], "TRASH")
	}
	again, _ := prepared(t, New(o), letter(2))
	again.Publish(t.Context())
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	where, err := r.Copy(t.Context(), io.Discard, results[0].Receipt, sha256.Sum256(letter(1)))
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(where, "in the trash") {
		t.Errorf("%q, %v", where, err)
	}
	if where, err := r.Copy(t.Context(), io.Discard, results[1].Receipt, sha256.Sum256(letter(2))); err != nil {
		t.Errorf("%q, %v", where, err)
	}
}

// TestSessionGetsTheToken: the place to upload to is the API itself, and only that gets
// the token.
func TestSessionGetsTheToken(t *testing.T) {
	t.Parallel()
	d := New(Options{Base: "https://gmail.googleapis.com"})
	for at, bare := range map[string]bool{
		"https://gmail.googleapis.com/upload/x?upload_id=1": false, "/upload/x?upload_id=1": false,
		"https://gmail.googleapis.com:443/upload/x?upload_id=1": false,
		"https://other.example.org/upload/x?upload_id=1":        true,
	} {
		if _, got, err := d.session(at); err != nil || got != bare {
			t.Errorf("%s: %v, %v", at, got, err)
		}
	}
}
