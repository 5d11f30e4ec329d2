// Package jmaptest is a JMAP server for tests (RFC 8620, RFC 8621) that keeps mail in
// memory, of which a test says what goes wrong.
package jmaptest

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// The login that the server takes, as a password and as a token.
const (
	User     = "alice"
	Password = "Pa55-of-alice"
	Token    = "token-of-alice"
)

// Server has one account. Its fields are set before the first request, or under Lock.
type Server struct {
	*httptest.Server
	sync.Mutex

	// Before sees each request first: session, upload, api or download; n counts those of
	// a kind from 1. It answers in place of the server if it returns true. After is the
	// same for what the server has done and not answered yet.
	Before, After func(w http.ResponseWriter, r *http.Request, kind string, n int) bool
	// Method returns the error of a method call in place of its result; nil: none.
	Method func(name string) map[string]any
	// Import returns the SetError of a message in place of storing it; nil: none.
	Import func(text []byte) map[string]any
	// Change is what the server makes of a message that it stores.
	Change func([]byte) []byte
	// OneCopy: there is one Email of equal content (Cyrus), OneID: one with a Message-ID.
	OneCopy, OneID bool
	// NoChanges: it keeps no history.
	NoChanges bool
	// Core is what the session says about limits.
	Core map[string]any
	// Quotas are those of the account (RFC 9425); nil: the server has none.
	Quotas []map[string]any
	// Links changes the session.
	Links func(session map[string]any)

	emails []*Email
	boxes  []*Mailbox
	blobs  map[string][]byte
	state  int
	counts map[string]int
	log    []string
}

// Email is one message that is kept.
type Email struct {
	ID        string
	Text      []byte
	Boxes     map[string]bool
	Keywords  map[string]bool
	Received  time.Time
	Created   int // the state that it came with
	Destroyed bool
}

// Mailbox has the name of its last level.
type Mailbox struct {
	ID, Name, Parent, Role string
	ReadOnly               bool
}

// New returns a server that is not started, with the mailboxes Inbox and Trash.
func New() *Server {
	return &Server{
		boxes: []*Mailbox{{ID: "b1", Name: "Inbox", Role: "inbox"}, {ID: "b2", Name: "Trash", Role: "trash"}, {ID: "b3", Name: "Archive"}},
		blobs: make(map[string][]byte), counts: make(map[string]int), state: 1,
		Core: map[string]any{"maxSizeUpload": 50_000_000, "maxConcurrentUpload": 4, "maxSizeRequest": 10_000_000,
			"maxConcurrentRequests": 4, "maxCallsInRequest": 16, "maxObjectsInGet": 500, "maxObjectsInSet": 500},
	}
}

// Start starts it without TLS.
func (s *Server) Start() *Server {
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// StartTLS starts it with a certificate of httptest.
func (s *Server) StartTLS() *Server {
	s.Server = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	return s
}

// Add keeps a message in a mailbox, by id.
func (s *Server) Add(text []byte, box string) *Email {
	s.Lock()
	defer s.Unlock()
	return s.add(text, map[string]bool{box: true}, map[string]bool{}, time.Now())
}

func (s *Server) add(text []byte, boxes, keywords map[string]bool, at time.Time) *Email {
	if s.Change != nil {
		text = s.Change(text)
	}
	s.state++
	e := &Email{ID: fmt.Sprintf("M%d", s.state), Text: text, Boxes: boxes, Keywords: keywords, Received: at, Created: s.state}
	s.emails = append(s.emails, e)
	return e
}

// Mail returns the texts in a mailbox, by its name with levels, with LF line ends.
func (s *Server) Mail(box string) (out [][]byte) {
	s.Lock()
	defer s.Unlock()
	for _, e := range s.emails {
		for id := range e.Boxes {
			if !e.Destroyed && s.path(id) == box {
				out = append(out, bytes.ReplaceAll(e.Text, []byte("\r\n"), []byte("\n")))
			}
		}
	}
	return out
}

// Emails are those that are kept.
func (s *Server) Emails() []*Email {
	s.Lock()
	defer s.Unlock()
	return s.emails
}

// Log are the requests and methods so far.
func (s *Server) Log() []string {
	s.Lock()
	defer s.Unlock()
	return s.log
}

func (s *Server) path(id string) string {
	for _, b := range s.boxes {
		if b.ID == id && b.Parent != "" {
			return s.path(b.Parent) + "/" + b.Name
		}
		if b.ID == id {
			return b.Name
		}
	}
	return ""
}

// MailOf reads Mail of a server that runs in another process.
func MailOf(url, box string) (out [][]byte, err error) {
	r, err := http.Get(url + "/test/mail?box=" + strings.ReplaceAll(box, " ", "+"))
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return out, json.NewDecoder(r.Body).Decode(&out)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	kind := "session"
	switch {
	case r.URL.Path == "/test/mail":
		_ = json.NewEncoder(w).Encode(s.Mail(r.FormValue("box")))
		return
	case strings.HasPrefix(r.URL.Path, "/api"):
		kind = "api"
	case strings.HasPrefix(r.URL.Path, "/upload/"):
		kind = "upload"
	case strings.HasPrefix(r.URL.Path, "/download/"):
		kind = "download"
	}
	s.Lock()
	s.counts[kind]++
	n := s.counts[kind]
	s.log = append(s.log, kind)
	before, after := s.Before, s.After
	s.Unlock()
	if before != nil && before(w, r, kind, n) {
		return
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(User+":"+Password))
	if auth := r.Header.Get("Authorization"); auth != basic && auth != "Bearer "+Token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	held := httptest.NewRecorder()
	map[string]http.HandlerFunc{"session": s.session, "api": s.api, "upload": s.upload, "download": s.download}[kind](held, r)
	if after != nil && after(w, r, kind, n) {
		return
	}
	maps.Copy(w.Header(), held.Header())
	w.WriteHeader(held.Code)
	_, _ = w.Write(held.Body.Bytes())
}

// Hangup closes the connection of a request without an answer.
func Hangup(w http.ResponseWriter) bool {
	nc, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = nc.Close()
	}
	return true
}

// Problem answers with a problem (RFC 7807); kind is the type without its prefix.
func Problem(w http.ResponseWriter, status int, kind, limit string) bool {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"type": "urn:ietf:params:jmap:error:" + kind, "limit": limit, "detail": "by the test"})
	return true
}

func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/.well-known/jmap" {
		http.Redirect(w, r, "/session", http.StatusMovedPermanently)
		return
	}
	const core, mail = "urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"
	v := map[string]any{
		"capabilities":    map[string]any{core: s.Core, mail: map[string]any{}},
		"accounts":        map[string]any{"u1": map[string]any{"name": User, "isReadOnly": false}},
		"primaryAccounts": map[string]any{mail: "u1"}, "username": User, "state": "s", "apiUrl": "/api/",
		"uploadUrl": s.URL + "/upload/{accountId}/", "downloadUrl": s.URL + "/download/{accountId}/{blobId}/{name}?type={type}",
	}
	if s.Quotas != nil {
		v["accounts"] = map[string]any{"u1": map[string]any{"accountCapabilities": map[string]any{"urn:ietf:params:jmap:quota": map[string]any{}}}}
	}
	if s.Links != nil {
		s.Links(v)
	}
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.WriteHeader(http.StatusCreated)
	s.Lock()
	defer s.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"accountId": "u1", "blobId": s.keep(text), "type": "message/rfc822", "size": len(text)})
}

// keep makes a blob of a text.
func (s *Server) keep(text []byte) string {
	sum := sha1.Sum(text)
	id := "G" + hex.EncodeToString(sum[:])
	s.blobs[id] = text
	return id
}

func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	text, ok := s.blobs[strings.Split(r.URL.Path, "/")[3]]
	s.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(text)
}
