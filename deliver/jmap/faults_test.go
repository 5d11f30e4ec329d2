package jmap

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
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
	causes := [...]string{"other", "not JMAP", "no mail", "other host", "login refused", "mailbox refused", "no right", "quota",
		"throttled",
		"busy", "too big", "rejected", "exists", "in doubt"}
	text := names[e.Class] + ": " + causes[own.Cause]
	if e.Pause != 0 {
		text += fmt.Sprint(", pause ", e.Pause)
	}
	return text
}

type hook = func(w http.ResponseWriter, r *http.Request, kind string, n int) bool

// at answers the n-th request of a kind, or each if n is 0.
func at(kind string, n int, answer func(w http.ResponseWriter) bool) hook {
	return func(w http.ResponseWriter, _ *http.Request, k string, i int) bool {
		return k == kind && (n == 0 || n == i) && answer(w)
	}
}

func status(code int, header ...string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		for i := 1; i < len(header); i += 2 {
			w.Header().Set(header[i-1], header[i])
		}
		w.WriteHeader(code)
		return true
	}
}

func problem(code int, kind, limit string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool { return jmaptest.Problem(w, code, kind, limit) }
}

func body(text string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool { _, _ = w.Write([]byte(text)); return true }
}

// refusing answers every Email/import of a message with this text so.
func refusing(text string, e map[string]any) func(m []byte) map[string]any {
	return func(m []byte) map[string]any {
		if bytes.Contains(m, []byte(text)) {
			return e
		}
		return nil
	}
}

func kind(name string) map[string]any { return map[string]any{"type": name} }

// firstMethod answers the first call of a method with an error.
func firstMethod(name, e string) func(string) map[string]any {
	var n atomic.Int32
	return func(method string) map[string]any {
		if method == name && n.Add(1) == 1 {
			return kind(e)
		}
		return nil
	}
}

// TestFaults: whatever goes wrong, each message is in the mailbox once if its outcome
// says that it was delivered, and else not at all, or once and in doubt.
func TestFaults(t *testing.T) {
	t.Parallel()
	const apiImport = 3 // requests before it: the mailboxes, the state
	tests := []struct {
		name string
		set  func(s *jmaptest.Server)
		want string // of the second of four messages
		rest string // of the last one; empty: delivered
		all  bool   // every one has the outcome want
	}{
		{name: "nothing", set: func(s *jmaptest.Server) {}},
		{name: "reply lost after the import", set: func(s *jmaptest.Server) { s.After = at("api", apiImport, jmaptest.Hangup) }},
		{name: "connection lost before the import", set: func(s *jmaptest.Server) { s.Before = at("api", apiImport, jmaptest.Hangup) }},
		{name: "reply lost, and no history", set: func(s *jmaptest.Server) {
			s.NoChanges, s.After = true, at("api", apiImport, jmaptest.Hangup)
		}},
		{name: "reply lost, and changes that do not go on", set: func(s *jmaptest.Server) {
			s.After = at("api", apiImport, jmaptest.Hangup)
			s.Method = func(name string) map[string]any {
				if name != "Email/changes" {
					return nil
				}
				return map[string]any{"newState": "1", "hasMoreChanges": true, "created": []string{}}
			}
		}},
		{name: "reply lost, one copy", set: func(s *jmaptest.Server) {
			s.OneCopy, s.After = true, at("api", apiImport, jmaptest.Hangup)
		}},
		{name: "reply lost, altered copies", set: func(s *jmaptest.Server) {
			s.Change = func(m []byte) []byte { return bytes.ReplaceAll(m, []byte("body"), []byte("text, made anew")) }
			s.After = at("api", apiImport, jmaptest.Hangup)
		}},
		{name: "502 after the import", set: func(s *jmaptest.Server) { s.After = at("api", apiImport, status(502)) }, want: "", all: true},
		{name: "502 in place of the import", set: func(s *jmaptest.Server) { s.Before = at("api", apiImport, status(502)) },
			want: "unavailable: busy", all: true},
		{name: "half a reply", set: func(s *jmaptest.Server) { s.After = at("api", apiImport, body(`{"methodResponses":[["Email/im`)) }},
		{name: "a reply about nothing", set: func(s *jmaptest.Server) { s.After = at("api", apiImport, body(`{"methodResponses":[]}`)) }},
		{name: "every api call is lost", set: func(s *jmaptest.Server) {
			s.After = func(w http.ResponseWriter, _ *http.Request, k string, n int) bool {
				return k == "api" && n >= apiImport && jmaptest.Hangup(w)
			}
		}, want: "unavailable: in doubt", all: true},
		{name: "upload lost", set: func(s *jmaptest.Server) { s.Before = at("upload", 2, jmaptest.Hangup) }},
		{name: "upload 413", set: func(s *jmaptest.Server) { s.Before = onText("body 1", status(413)) }, want: "never: too big"},
		{name: "upload maxSizeUpload", set: func(s *jmaptest.Server) {
			s.Before = onText("body 1",
				problem(400, "limit", "maxSizeUpload"))
		},
			want: "never: too big"},
		{name: "upload 500", set: func(s *jmaptest.Server) { s.Before = onText("body 1", status(500)) }, want: "failed: rejected"},
		{name: "upload 400", set: func(s *jmaptest.Server) { s.Before = onText("body 1", status(400)) }, want: "later: rejected"},
		{name: "upload 400 always", set: func(s *jmaptest.Server) { s.Before = at("upload", 0, status(400)) }, want: "later: rejected",
			rest: "later: rejected"},
		{name: "uploads limited to one", set: func(s *jmaptest.Server) { s.Before = oneUpload() }},
		{name: "429 with a long pause", set: func(s *jmaptest.Server) { s.Before = at("upload", 0, status(429, "Retry-After", "90")) },
			want: "unavailable: throttled, pause 1m30s", all: true},
		{name: "429 with a short pause", set: func(s *jmaptest.Server) {
			s.Before = at("api", apiImport,
				status(429, "Retry-After", "0.05"))
		}},
		{name: "503 with a pause", set: func(s *jmaptest.Server) { s.Before = at("api", apiImport, status(503, "Retry-After", "600")) },
			want: "unavailable: busy, pause 10m0s", all: true},
		{name: "401 later", set: func(s *jmaptest.Server) { s.Before = at("api", apiImport, status(401)) },
			want: "denied: login refused", all: true},
		{name: "403", set: func(s *jmaptest.Server) { s.Before = at("api", apiImport, status(403)) },
			want: "denied: login refused", all: true},
		{name: "over quota", set: func(s *jmaptest.Server) { s.Import = refusing("body 1", kind("overQuota")) }, want: "later: quota"},
		{name: "rate limit", set: func(s *jmaptest.Server) { s.Import = refusing("body 1", kind("rateLimit")) },
			want: "unavailable: throttled"},
		{name: "too large", set: func(s *jmaptest.Server) { s.Import = refusing("body 1", kind("tooLarge")) }, want: "never: too big"},
		{name: "invalid email", set: func(s *jmaptest.Server) { s.Import = refusing("body 1", kind("invalidEmail")) },
			want: "never: rejected"},
		{name: "forbidden", set: func(s *jmaptest.Server) { s.Import = refusing("body 1", kind("forbidden")) },
			want: "cannot create: no right"},
		{name: "an error that nobody knows", set: func(s *jmaptest.Server) { s.Import = refusing("body 1", kind("whatIsThis")) },
			want: "failed: rejected"},
		{name: "all over quota", set: func(s *jmaptest.Server) { s.Import = refusing("body", kind("overQuota")) }, want: "later: quota",
			rest: "later: quota"},
		{name: "serverFail of one message", set: func(s *jmaptest.Server) {
			s.Method = firstMethod("Email/import", "serverFail")
		}},
		{name: "serverPartialFail", set: func(s *jmaptest.Server) { s.Method = firstMethod("Email/import", "serverPartialFail") },
			want: "", all: true},
		{name: "serverUnavailable", set: func(s *jmaptest.Server) { s.Method = firstMethod("Email/import", "serverUnavailable") },
			want: "unavailable: busy", all: true},
		{name: "requestTooLarge", set: func(s *jmaptest.Server) { s.Method = firstMethod("Email/import", "requestTooLarge") }},
		{name: "request too large", set: func(s *jmaptest.Server) {
			s.Before = at("api", apiImport, problem(400, "limit", "maxSizeRequest"))
		}},
		{name: "blobs expire", set: func(s *jmaptest.Server) {
			var n atomic.Int32
			s.Import = func([]byte) map[string]any {
				if n.Add(1) <= 4 {
					return map[string]any{"type": "blobNotFound"}
				}
				return nil
			}
		}},
		{name: "keywords refused", set: func(s *jmaptest.Server) {
			var n atomic.Int32
			s.Import = func([]byte) map[string]any {
				if n.Add(1) <= 4 {
					return map[string]any{"type": "invalidProperties", "properties": []string{"keywords/odd"}}
				}
				return nil
			}
		}},
		{name: "claims to have it", set: func(s *jmaptest.Server) {
			s.Import = refusing("body 1", map[string]any{"type": "alreadyExists", "existingId": "M404"})
		}, want: "failed: rejected"},
		{name: "claims to have all without an id", set: func(s *jmaptest.Server) { s.Import = refusing("body", kind("alreadyExists")) },
			want: "failed: rejected", rest: "failed: rejected"},
		{name: "the mailbox vanishes", set: func(s *jmaptest.Server) {
			var n atomic.Int32
			s.Import = func([]byte) map[string]any {
				if n.Add(1) <= 4 {
					return map[string]any{"type": "invalidProperties", "properties": []string{"mailboxIds"}}
				}
				return nil
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := jmaptest.New()
			tt.set(s)
			s.Start()
			defer s.Close()
			o := alice(s.URL, "inbox")
			o.Keywords, o.Settle = []string{"odd"}, 20*time.Millisecond
			d := New(o)
			defer d.Close()
			sent := letters(4)
			intents, results := deliverAll(t, d, sent...)
			kept := s.Mail("Inbox")
			for i, r := range results {
				want := ""
				switch {
				case tt.all, i == 1:
					want = tt.want
				case i == 3:
					want = tt.rest
				}
				got := ""
				if r.Err != nil {
					got = describe(r.Err)
				}
				stopped := i != 1 && !tt.all && (strings.HasPrefix(got, "unavailable") || tt.want != "" && strings.HasPrefix(got, tt.want))
				if got != want && !stopped {
					t.Errorf("message %d: %q (%v), want %q", i, got, r.Err, want)
				}
				if n := count(kept, sent[i]); r.Err == nil && n != 1 && s.Change == nil || n > 1 {
					t.Errorf("message %d, %v: is there %d times", i, r.Err, n)
				}
			}
			s.Lock()
			s.Before, s.After, s.Method, s.Import = nil, nil, nil, nil
			s.Unlock()
			settle(t, s, o, sent, intents, results)
		})
	}
}

// TestUploadsUpToATotal: what a server took is imported before it refuses the rest, or a
// run would get nowhere (Stalwart keeps 50 MB of uploads for an hour).
func TestUploadsUpToATotal(t *testing.T) {
	t.Parallel()
	s := jmaptest.New()
	s.Core["maxConcurrentUpload"] = 1
	s.Before = func(w http.ResponseWriter, _ *http.Request, kind string, n int) bool {
		return kind == "upload" && n > 2 && status(400)(w)
	}
	s.Start()
	defer s.Close()
	d := New(alice(s.URL, "inbox"))
	defer d.Close()
	_, results := deliverAll(t, d, letters(8)...)
	for i, r := range results {
		if i < 2 && r.Err != nil || i >= 2 && r.Err == nil {
			t.Errorf("message %d: %v", i, r.Err)
		}
	}
	if n := len(s.Mail("Inbox")); n != 2 {
		t.Errorf("%d messages are there, want 2", n)
	}
}

// settle does what the next run does: each message is then there once.
func settle(t *testing.T, s *jmaptest.Server, o Options, sent [][]byte, intents []deliver.Intent, results []deliver.Result) {
	t.Helper()
	o = alice(o.Base, o.Mailbox)
	d := New(o)
	defer d.Close()
	var again [][]byte
	for i, r := range results {
		if r.Err == nil {
			continue
		}
		fate, err := d.Recover(t.Context(), intents[i])
		if err != nil {
			t.Fatal(err)
		}
		if fate == deliver.Absent {
			again = append(again, sent[i])
		}
	}
	_, results = deliverAll(t, d, again...)
	for i, r := range results {
		if r.Err != nil {
			t.Errorf("again, message %d: %v", i, r.Err)
		}
	}
	kept := s.Mail("Inbox")
	if len(kept) != len(sent) {
		t.Errorf("%d messages are there, want %d", len(kept), len(sent))
	}
	for i, m := range sent {
		if n := count(kept, m); n != 1 && s.Change == nil {
			t.Errorf("message %d is there %d times after the next run", i, n)
		}
	}
}

func count(kept [][]byte, m []byte) (n int) {
	for _, k := range kept {
		if bytes.Equal(k, m) {
			n++
		}
	}
	return n
}

// onText answers the upload of a message with this text.
func onText(text string, answer func(http.ResponseWriter) bool) hook {
	return func(w http.ResponseWriter, r *http.Request, kind string, _ int) bool {
		if kind != "upload" {
			return false
		}
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		r.Body = http.NoBody
		if bytes.Contains(b.Bytes(), []byte(text)) {
			return answer(w)
		}
		r.Body = nopCloser{&b}
		return false
	}
}

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }

// oneUpload refuses a second upload while one is under way.
func oneUpload() hook {
	var n atomic.Int32
	met, once := make(chan struct{}), sync.Once{}
	return func(w http.ResponseWriter, _ *http.Request, kind string, _ int) bool {
		if kind != "upload" {
			return false
		}
		defer n.Add(-1)
		if n.Add(1) > 1 {
			once.Do(func() { close(met) })
			return jmaptest.Problem(w, 400, "limit", "maxConcurrentUpload")
		}
		<-met // the first one waits for a second
		return false
	}
}
