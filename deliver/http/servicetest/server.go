// Package servicetest is a server that takes mail by HTTP as the services do that
// deliver/http has a preset for, each with the answers of its own source.
package servicetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Secret is what the services want.
const Secret = "s3cr3t-of-the-service"

// Fault is an answer in place of the service's own.
type Fault struct {
	Status int
	Header map[string]string
	Body   string
	// Stored: the message was taken all the same. Lost: the connection breaks before the
	// answer. Hang: there is no answer for so long.
	Stored, Lost bool
	Hang         time.Duration
}

// Server is one service.
type Server struct {
	// Preset is the kind of service.
	Preset string
	// Dedupe: a message that is there already is not stored again, by its Idempotency-Key
	// or by what the service itself goes by. Open: the secret is not wanted.
	Dedupe, Open bool
	// Fault is asked for each request that carries a message, from 1 on; nil: none.
	Fault func(n int) *Fault
	// Task is the status and result of task n, at its look-th look; nil: it succeeds.
	Task func(n, look int) (status, result string)

	mu       sync.Mutex
	messages [][]byte
	requests []*http.Request
	bodies   [][]byte
	seen     map[string]bool
	looks    map[string]int
	n        int
}

// Start starts the server and returns its URL.
func (s *Server) Start(t testing.TB) string {
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL
}

// Messages are those that the service has.
func (s *Server) Messages() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]byte(nil), s.messages...)
}

// Requests are all that were made, with their bodies.
func (s *Server) Requests() ([]*http.Request, [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...), append([][]byte(nil), s.bodies...)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests, s.bodies = append(s.requests, r), append(s.bodies, body)
	s.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		r.PostForm, _ = url.ParseQuery(string(body)) // without the limit of ParseForm
	}
	serve, ok := services[s.Preset]
	if !ok || r.URL.Path != serve.path && serve.path != "" && !strings.HasPrefix(r.URL.Path, "/api/tasks/") {
		http.NotFound(w, r)
		return
	}
	serve.serve(s, w, r, body)
}

// took stores a message and answers, or does what the fault says.
func (s *Server) took(w http.ResponseWriter, r *http.Request, message []byte, key string, answer func()) {
	s.mu.Lock()
	s.n++
	var f *Fault
	if s.Fault != nil {
		f = s.Fault(s.n)
	}
	if key == "" {
		key = fmt.Sprint(s.n)
	}
	if (f == nil || f.Stored) && !(s.Dedupe && s.seen[key]) {
		if s.seen == nil {
			s.seen = make(map[string]bool)
		}
		s.messages, s.seen[key] = append(s.messages, message), true
	}
	s.mu.Unlock()
	if f == nil {
		answer()
		return
	}
	if f.Hang > 0 {
		select {
		case <-time.After(f.Hang):
		case <-r.Context().Done():
		}
	}
	if f.Lost {
		panic(http.ErrAbortHandler)
	}
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	if f.Status != 0 {
		w.WriteHeader(f.Status)
	}
	_, _ = io.WriteString(w, f.Body)
}

// say answers with a status and a text.
func say(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// service is one kind.
type service struct {
	path  string
	serve func(s *Server, w http.ResponseWriter, r *http.Request, body []byte)
}

var services = map[string]service{
	"raw":       {"", func(s *Server, w http.ResponseWriter, r *http.Request, body []byte) { s.own(w, r, body, body) }},
	"multipart": {"", (*Server).multipart},
	"rails":     {"/rails/action_mailbox/relay/inbound_emails", (*Server).rails},
	"redmine":   {"/mail_handler", (*Server).redmine},
	"discourse": {"/admin/email/handle_mail", (*Server).discourse},
	"rt":        {"/REST/1.0/NoAuth/mail-gateway", (*Server).rt},
	"osticket":  {"/api/tickets.email", (*Server).osticket},
	"paperless": {"/api/documents/post_document/", (*Server).paperless},
}

func part(r *http.Request, name string) ([]byte, bool) {
	f, _, err := r.FormFile(name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return b, err == nil
}

func (s *Server) multipart(w http.ResponseWriter, r *http.Request, body []byte) {
	message, ok := part(r, "message")
	if !ok && r.Method == http.MethodPost {
		say(w, 400, "no message")
		return
	}
	s.own(w, r, body, message)
}

// own is an endpoint of one's own: it checks the signature and keeps the key.
func (s *Server) own(w http.ResponseWriter, r *http.Request, body, message []byte) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	mac := hmac.New(sha256.New, []byte(Secret))
	fmt.Fprintf(mac, "%s.%s", r.Header.Get("Mailhaul-Timestamp"), body)
	if !s.Open && r.Header.Get("Mailhaul-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		say(w, 401, "wrong signature "+r.Header.Get("Mailhaul-Signature"))
		return
	}
	s.took(w, r, message, r.Header.Get("Idempotency-Key"), func() { w.WriteHeader(http.StatusAccepted) })
}

func (s *Server) rails(w http.ResponseWriter, r *http.Request, body []byte) {
	user, password, _ := r.BasicAuth()
	switch {
	case r.Method != http.MethodPost:
		http.NotFound(w, r)
	case user != "actionmailbox" || password != Secret:
		say(w, 401, "HTTP Basic: Access denied.\n")
	case r.Header.Get("Content-Type") != "message/rfc822":
		w.WriteHeader(http.StatusUnsupportedMediaType)
	default:
		sum := sha1.Sum(body) // with Message-ID the key of a unique index
		s.took(w, r, body, string(sum[:]), func() { w.WriteHeader(http.StatusNoContent) })
	}
}

func (s *Server) redmine(w http.ResponseWriter, r *http.Request, _ []byte) {
	switch {
	case r.FormValue("key") != Secret:
		say(w, 403, "Access denied. Incoming emails WS is disabled or key is invalid.")
	case r.FormValue("email") == "":
		w.WriteHeader(http.StatusUnprocessableEntity)
	default:
		s.took(w, r, []byte(r.FormValue("email")), "", func() { w.WriteHeader(http.StatusCreated) })
	}
}

func (s *Server) discourse(w http.ResponseWriter, r *http.Request, _ []byte) {
	raw, err := base64.StdEncoding.Strict().DecodeString(r.FormValue("email_encoded"))
	switch {
	case r.Header.Get("Api-Key") != Secret || r.Header.Get("Api-Username") != "system":
		say(w, 403, `{"errors":["You are not permitted to view the requested resource. The API username or key is invalid."],"error_type":"invalid_access"}`)
	case err != nil || len(raw) == 0:
		say(w, 400, `{"errors":["param is missing or the value is empty: email_encoded or email"]}`)
	default:
		sum := sha1.Sum(raw)
		s.took(w, r, raw, string(sum[:]), func() { say(w, 200, "email has been received and is queued for processing") })
	}
}

func (s *Server) rt(w http.ResponseWriter, r *http.Request, _ []byte) {
	action := r.FormValue("action")
	switch {
	case action != "" && action != "correspond" && action != "comment":
		say(w, 200, "temporary failure - operation unsuccessful\n")
	case r.FormValue("message") == "":
		say(w, 200, "not ok - operation unsuccessful\n")
	default:
		s.took(w, r, []byte(r.FormValue("message")), "", func() { say(w, 200, "ok\n") })
	}
}

func (s *Server) osticket(w http.ResponseWriter, r *http.Request, body []byte) {
	switch {
	case r.Method != http.MethodPost:
		say(w, 400, "URL not supported")
	case r.Header.Get("X-API-Key") != Secret:
		say(w, 401, "API key not found/active or source IP not authorized")
	default:
		sum := sha1.Sum(body) // the Message-ID
		s.took(w, r, body, string(sum[:]), func() { say(w, 201, "123456") })
	}
}

func (s *Server) paperless(w http.ResponseWriter, r *http.Request, _ []byte) {
	if r.Header.Get("Authorization") != "Token "+Secret {
		say(w, 401, `{"detail":"Invalid token."}`)
		return
	}
	if id := r.URL.Query().Get("task_id"); strings.HasPrefix(r.URL.Path, "/api/tasks/") {
		s.tasks(w, id)
		return
	}
	message, ok := part(r, "document")
	if !ok {
		say(w, 400, `{"document":["No file was submitted."]}`)
		return
	}
	sum := sha256.Sum256(message)
	s.took(w, r, message, string(sum[:]), func() { say(w, 200, fmt.Sprintf("%q", fmt.Sprint("task-", s.n))) })
}

func (s *Server) tasks(w http.ResponseWriter, id string) {
	n := 0
	if _, err := fmt.Sscanf(id, "task-%d", &n); err != nil {
		say(w, 200, "[]")
		return
	}
	s.mu.Lock()
	if s.looks == nil {
		s.looks = make(map[string]int)
	}
	s.looks[id]++
	look := s.looks[id]
	s.mu.Unlock()
	status, result := "SUCCESS", "Success. New document id 7 created"
	if s.Task != nil {
		status, result = s.Task(n, look)
	}
	if status == "" {
		say(w, 200, "[]")
		return
	}
	say(w, 200, fmt.Sprintf(`[{"task_id":%q,"status":%q,"result":%q,"related_document":"7"}]`, id, status, result))
}
