package gmailtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

// meta is what a delivery says besides the message.
type meta struct {
	Labels []string `json:"labelIds"`
	Raw    string   `json:"raw"`
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request, call string) {
	switch call {
	case "profile":
		s.profile(w)
	case "labels":
		s.mu.Lock()
		defer s.mu.Unlock()
		reply(w, map[string]any{"labels": s.labels})
	case "label":
		s.createLabel(w, r)
	case "import", "insert":
		s.store(w, r)
	case "session":
		s.open(w, r)
	case "upload":
		s.upload(w, r)
	case "list":
		s.list(w, r)
	case "get":
		s.get(w, r)
	case "history":
		s.history(w, r)
	default:
		fail(w, 404, "notFound", "Not Found")
	}
}

func (s *Server) profile(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, map[string]any{"emailAddress": "me@example.org", "messagesTotal": len(s.messages), "threadsTotal": len(s.messages),
		"historyId": strconv.FormatInt(s.now, 10)})
}

func (s *Server) createLabel(w http.ResponseWriter, r *http.Request) {
	var l Label
	if err := json.NewDecoder(r.Body).Decode(&l); err != nil || l.Name == "" || strings.HasPrefix(l.Name, "^") || len(l.Name) > 225 {
		fail(w, 400, "invalidArgument", "Invalid label name")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.labels, func(o Label) bool { return strings.EqualFold(o.Name, l.Name) }) {
		fail(w, 409, "aborted", "Label name exists or conflicts")
		return
	}
	most := s.MaxLabels
	if most == 0 {
		most = 10_000
	}
	if len(s.labels) >= most {
		fail(w, 400, "failedPrecondition", "Too many labels")
		return
	}
	s.seq++
	l.ID, l.Type = fmt.Sprintf("Label_%d", s.seq), "user"
	s.labels = append(s.labels, l)
	reply(w, l)
}

// store takes a message in one request.
func (s *Server) store(w http.ResponseWriter, r *http.Request) {
	var m meta
	var raw []byte
	var err error
	switch r.URL.Query().Get("uploadType") {
	case "multipart":
		m, raw, err = parts(r)
	case "media":
		raw, err = io.ReadAll(r.Body)
	default:
		if err = json.NewDecoder(r.Body).Decode(&m); err == nil {
			raw, err = base64.URLEncoding.DecodeString(m.Raw)
		}
	}
	if err != nil {
		fail(w, 400, "badRequest", "Bad Request")
		return
	}
	s.accept(w, m.Labels, r.URL.Query().Get("internalDateSource"), raw, int64(len(raw)))
}

func parts(r *http.Request) (m meta, raw []byte, err error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return m, nil, err
	}
	in := multipart.NewReader(r.Body, params["boundary"])
	p, err := in.NextRawPart()
	if err == nil {
		err = json.NewDecoder(p).Decode(&m)
	}
	if err == nil {
		p, err = in.NextRawPart()
	}
	if err != nil {
		return m, nil, err
	}
	if raw, err = io.ReadAll(p); err == nil {
		if _, end := in.NextRawPart(); end != io.EOF {
			err = fmt.Errorf("no end: %w", end)
		}
	}
	return m, raw, err
}

// accept stores a whole message, unless Gmail would refuse it, and answers.
func (s *Server) accept(w http.ResponseWriter, labels []string, dateSource string, raw []byte, size int64) *Message {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	from := 0
	if err == nil {
		from = len(m.Header["From"])
	}
	switch {
	case s.Lax:
		m = &mail.Message{Header: mail.Header{}}
		if read, rerr := mail.ReadMessage(bytes.NewReader(raw)); rerr == nil {
			m = read
		}
	case len(raw) > 150<<20:
		fail(w, 413, "uploadTooLarge", "Request payload size exceeds the limit")
		return nil
	case bytes.Contains(raw, []byte(`.exe"`)):
		fail(w, 400, "badRequest", "Invalid attachment")
		return nil
	case err != nil || from != 1:
		fail(w, 400, "invalidArgument", "Expected a single 'From' header")
		return nil
	}
	if _, err := mail.ParseAddress(m.Header.Get("From")); err != nil && !s.Lax {
		fail(w, 400, "invalidArgument", "Invalid From header")
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range labels {
		if !slices.ContainsFunc(s.labels, func(l Label) bool { return l.ID == id }) {
			fail(w, 400, "invalidArgument", "Invalid label: "+id)
			return nil
		}
	}
	stored := s.put(labels, dateSource, raw, size, m.Header)
	reply(w, map[string]any{"id": stored.ID, "threadId": stored.ID, "labelIds": stored.Labels})
	return stored
}

// put adds a message to the mailbox. s.mu is held.
func (s *Server) put(labels []string, dateSource string, raw []byte, size int64, h mail.Header) *Message {
	if s.Change != nil {
		raw = s.Change(raw)
		size = int64(len(raw))
	}
	s.now++
	if s.Dedupe && !s.Forget {
		for _, old := range s.messages {
			if bytes.Equal(old.Raw, raw) {
				for _, l := range labels {
					if !slices.Contains(old.Labels, l) {
						old.Labels = append(old.Labels, l)
					}
				}
				old.history = s.now
				return old
			}
		}
	}
	s.seq++
	m := &Message{ID: fmt.Sprintf("%016x", 0x19000000+s.seq), Raw: raw, Size: size, Labels: labels, stored: time.Now(),
		history: s.now, added: s.now,
		Internal: time.Now(), msgid: strings.TrimSpace(h.Get("Message-ID"))}
	if at, err := h.Date(); err == nil && dateSource == "dateHeader" {
		m.Internal = at
	}
	if s.Forget {
		m.Raw = nil
	}
	s.messages = append(s.messages, m)
	return m
}

// list searches. It does not see what was stored a moment ago.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	found := []map[string]string{}
	for _, m := range s.messages {
		hidden := slices.Contains(m.Labels, "SPAM") || slices.Contains(m.Labels, "TRASH")
		if hidden && q.Get("includeSpamTrash") != "true" || q.Get("q") != "" && time.Since(m.stored) < s.Lag {
			continue
		}
		if label := q.Get("labelIds"); m.matches(q.Get("q")) && (label == "" || slices.Contains(m.Labels, label)) {
			found = append(found, map[string]string{"id": m.ID, "threadId": m.ID})
		}
	}
	page(w, "messages", found, q.Get("pageToken"))
}

// Relabel gives a message other labels.
func (s *Server) Relabel(id string, labels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if m.ID == id {
			m.Labels = labels
		}
	}
}

func (m *Message) matches(q string) bool {
	for _, t := range terms.FindAllStringSubmatch(q, -1) {
		n, _ := strconv.ParseInt(t[2], 10, 64)
		ok := map[string]bool{"rfc822msgid": m.msgid == t[2], "after": m.Internal.Unix() >= n, "before": m.Internal.Unix() < n,
			"larger": m.Size > n, "smaller": m.Size < n}
		if !ok[t[1]] {
			return false
		}
	}
	return true
}

// page answers with a page of two, so that there are several.
func page[E any](w http.ResponseWriter, name string, all []E, token string) {
	from, _ := strconv.Atoi(token)
	from = min(from, len(all))
	out := map[string]any{"resultSizeEstimate": len(all)}
	to := min(from+2, len(all))
	if from < to {
		out[name] = all[from:to]
	}
	if to < len(all) {
		out["nextPageToken"] = strconv.Itoa(to)
	}
	reply(w, out)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	s.mu.Lock()
	i := slices.IndexFunc(s.messages, func(m *Message) bool { return m.ID == id })
	s.mu.Unlock()
	if i < 0 {
		fail(w, 404, "notFound", "Requested entity was not found.")
		return
	}
	m := s.messages[i]
	out := map[string]any{"id": m.ID, "threadId": m.ID, "labelIds": m.Labels, "historyId": strconv.FormatInt(m.history, 10),
		"internalDate": strconv.FormatInt(m.Internal.UnixMilli(), 10), "sizeEstimate": m.Size, "snippet": `a "raw": "snippet"`}
	if r.URL.Query().Get("format") == "raw" {
		out["raw"] = base64.URLEncoding.EncodeToString(m.Raw)
	}
	reply(w, out)
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseInt(r.URL.Query().Get("startHistoryId"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.NoHistory || err != nil || from < 1000 {
		fail(w, 404, "notFound", "Requested entity was not found.")
		return
	}
	all := []map[string]any{}
	for _, m := range s.messages {
		if m.added > from {
			ref := map[string]any{"id": m.ID, "threadId": m.ID, "labelIds": m.Labels}
			all = append(all, map[string]any{"id": strconv.FormatInt(m.added, 10), "messages": []any{ref},
				"messagesAdded": []any{map[string]any{"message": ref}}})
		}
	}
	page(w, "history", all, r.URL.Query().Get("pageToken"))
}
