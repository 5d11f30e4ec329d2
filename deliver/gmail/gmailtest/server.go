// Package gmailtest is a Gmail API server for tests that keeps to the published
// reference: the calls that deliver and find mail, their quota units, their errors, and
// what tests need besides: answers that are lost, a search that lags behind.
package gmailtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fault is how one call goes wrong.
type Fault struct {
	// Status is what is answered, with a reason and a message; 0: the connection is
	// closed without an answer.
	Status          int
	Reason, Message string
	// RetryAfter is a field of the answer; empty: there is none.
	RetryAfter string
	// Stored: the call did its work before.
	Stored bool
	// Cut: no more than this is read of the body before; 0: all.
	Cut int64
	// Plain: the body of the answer is no JSON.
	Plain bool
}

// Server is a Gmail account behind the API. Its fields are set before the first call.
type Server struct {
	// Token is the access token that is taken; empty: any.
	Token string
	// Units is the quota in any 60 seconds; 0: none.
	Units int
	// Dedupe: a message that is there already is not stored again.
	Dedupe bool
	// Lag is how long the search does not find a message.
	Lag time.Duration
	// NoHistory: history.list is not known.
	NoHistory bool
	// MaxLabels is how many labels a mailbox may have; 0: 10,000.
	MaxLabels int
	// Change is what becomes of a message when it is stored; nil: nothing.
	Change func(raw []byte) []byte
	// Fault says how a call goes wrong: profile, labels, label (create), import, insert,
	// session, upload, list, get or history, and which one of its name it is, from 1. Nil
	// and a nil result: it does not.
	Fault func(call string, n int) *Fault
	// Slow is how long an upload is unfinished once all its octets are there.
	Slow time.Duration
	// Lax: every message is taken, whatever its header.
	Lax bool
	// Forget: the bodies of messages are not kept, but for their size.
	Forget bool

	mu       sync.Mutex
	now      int64 // history
	seq      int
	messages []*Message
	labels   []Label
	sessions map[string]*session
	spent    []spending
	counts   map[string]int
	log      []string
	resumed  int64
}

type spending struct {
	at    time.Time
	units int
}

// Message is a stored message.
type Message struct {
	ID       string
	Raw      []byte
	Size     int64
	Labels   []string
	Internal time.Time // the internal date
	stored   time.Time
	history  int64 // of its last change
	added    int64
	msgid    string
}

// Label is a label of the mailbox.
type Label struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// New returns a server with Gmail's own labels.
func New() *Server {
	s := &Server{now: 1000, sessions: make(map[string]*session), counts: make(map[string]int)}
	for _, name := range []string{"INBOX", "UNREAD", "STARRED", "IMPORTANT", "SPAM", "TRASH", "SENT", "DRAFT", "CHAT"} {
		s.labels = append(s.labels, Label{name, name, "system"})
	}
	return s
}

// Start serves it on loopback until the test ends, and returns its URL.
func (s *Server) Start(t testing.TB) string {
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL
}

// Messages are the stored messages in the order of their arrival.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Message, len(s.messages))
	for i, m := range s.messages {
		out[i] = *m
	}
	return out
}

// Labels are those of the mailbox that are not Gmail's own.
func (s *Server) Labels() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.labels {
		if l.Type == "user" {
			names = append(names, l.Name)
		}
	}
	return names
}

// RemoveLabel removes a label, as a person does.
func (s *Server) RemoveLabel(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, l := range s.labels {
		if l.Name == name {
			s.labels = append(s.labels[:i:i], s.labels[i+1:]...)
			return
		}
	}
}

// Calls returns how often a call was made, and Log the calls with their outcome.
func (s *Server) Calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[name]
}

// Log are the calls with the status of their answers.
func (s *Server) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

// Resumed is how many octets of uploads did not have to be sent again.
func (s *Server) Resumed() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resumed
}

// costs are the units of calls.
var costs = map[string]int{"profile": 1, "labels": 1, "label": 5, "import": 25, "insert": 25, "session": 25, "upload": 0,
	"list": 5, "get": 20, "history": 2}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := callOf(r)
	s.mu.Lock()
	s.counts[call]++
	n := s.counts[call]
	s.mu.Unlock()
	answer := &answer{ResponseWriter: w}
	defer func() {
		s.mu.Lock()
		s.log = append(s.log, fmt.Sprintf("%s %d", call, answer.status))
		s.mu.Unlock()
	}()
	if s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token {
		drain(r)
		fail(answer, 401, "authError", "Invalid Credentials")
		return
	}
	if !s.spend(costs[call]) {
		drain(r)
		fail(answer, 403, "userRateLimitExceeded", "User Rate Limit Exceeded")
		return
	}
	var f *Fault
	if s.Fault != nil {
		f = s.Fault(call, n)
	}
	if f != nil {
		s.goWrong(answer, r, call, f)
		return
	}
	s.handle(answer, r, call)
}

// goWrong plays a fault.
func (s *Server) goWrong(w *answer, r *http.Request, call string, f *Fault) {
	switch {
	case f.Stored:
		s.handle(httptest.NewRecorder(), r, call)
	case f.Cut > 0:
		r.Body = io.NopCloser(io.LimitReader(r.Body, f.Cut))
		if call == "upload" {
			s.handle(httptest.NewRecorder(), r, call)
		} else {
			drain(r)
		}
	default:
		drain(r)
	}
	switch {
	case f.Status == 0:
		w.status = -1
		conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	case f.Plain:
		http.Error(w, "<html>"+f.Message, f.Status)
	default:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		fail(w, f.Status, f.Reason, f.Message)
	}
}

func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// callOf is the name of a call.
func callOf(r *http.Request) string {
	path, upload := strings.CutPrefix(r.URL.Path, "/upload")
	path = strings.TrimPrefix(path, "/gmail/v1/users/me/")
	switch {
	case path == "profile", path == "history":
		return path
	case path == "labels" && r.Method == http.MethodPost:
		return "label"
	case path == "labels":
		return "labels"
	case path == "messages":
		return "list"
	case upload && r.Method == http.MethodPut:
		return "upload"
	case upload && r.URL.Query().Get("uploadType") == "resumable":
		return "session"
	case path == "messages/import", path == "messages/insert":
		return strings.TrimPrefix(path, "messages/")
	case strings.HasPrefix(path, "messages/"):
		return "get"
	}
	return "unknown"
}

// spend takes units of the quota, if there are so many.
func (s *Server) spend(units int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Units == 0 || units == 0 {
		return true
	}
	now := time.Now()
	sum := units
	for len(s.spent) > 0 && now.Sub(s.spent[0].at) >= time.Minute {
		s.spent = s.spent[1:]
	}
	for _, sp := range s.spent {
		sum += sp.units
	}
	if sum > s.Units {
		return false
	}
	s.spent = append(s.spent, spending{now, units})
	return true
}

// answer remembers the status.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(http.StatusOK)
	_ = json.NewEncoder(w).Encode(v)
}

// fail answers as the reference shows errors.
func fail(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": status, "message": message,
		"errors": []map[string]string{{"domain": "global", "reason": reason, "message": message}},
	}})
}
