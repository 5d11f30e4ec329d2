package gmailtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// session is an upload in several requests.
type session struct {
	labels []string
	date   string
	size   int64
	body   bytes.Buffer
	got    int64
	whole  time.Time // when all of it was there
	result *Message
}

// open begins an upload in several requests.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	var m meta
	size, err := strconv.ParseInt(r.Header.Get("X-Upload-Content-Length"), 10, 64)
	if err != nil || json.NewDecoder(r.Body).Decode(&m) != nil {
		fail(w, 400, "badRequest", "Bad Request")
		return
	}
	if size > 150<<20 {
		fail(w, 413, "uploadTooLarge", "Request payload size exceeds the limit")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	id := fmt.Sprintf("session-%d", s.seq)
	s.sessions[id] = &session{labels: m.Labels, date: r.URL.Query().Get("internalDateSource"), size: size}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	w.Header().Set("Location", scheme+r.Host+path+"?uploadType=resumable&upload_id="+id)
	w.WriteHeader(http.StatusOK)
}

var contentRange = regexp.MustCompile(`^bytes (?:(\d+)-(\d+)|\*)/(\d+)$`)

// upload takes a part of a message, and keeps of it what arrives.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	u := s.sessions[r.URL.Query().Get("upload_id")]
	s.mu.Unlock()
	f := contentRange.FindStringSubmatch(r.Header.Get("Content-Range"))
	switch {
	case u == nil:
		fail(w, 404, "notFound", "Not Found")
		return
	case f == nil || f[3] != strconv.FormatInt(u.size, 10) || f[1] != "" && f[1] != strconv.FormatInt(u.got, 10):
		fail(w, 400, "badRequest", "Failed to parse Content-Range header.")
		return
	}
	if u.result != nil {
		reply(w, map[string]any{"id": u.result.ID, "threadId": u.result.ID, "labelIds": u.result.Labels})
		return
	}
	if f[1] != "" {
		s.mu.Lock()
		s.resumed += u.got
		s.mu.Unlock()
		u.take(r.Body, s.Forget)
	}
	if u.got == u.size && u.whole.IsZero() {
		u.whole = time.Now()
	}
	if u.got < u.size || time.Since(u.whole) < s.Slow {
		if u.got > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", u.got-1))
		}
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	u.result = s.accept(w, u.labels, u.date, u.body.Bytes(), u.got)
}

// take keeps what arrives of a part, in steps of 256 KiB but for the end.
func (u *session) take(body io.Reader, forget bool) {
	const step = 256 << 10
	part := make([]byte, step)
	for u.got < u.size {
		n, err := io.ReadFull(body, part[:min(step, u.size-u.got)])
		if err != nil {
			return
		}
		if !forget || u.body.Len() < step {
			u.body.Write(part[:n])
		}
		u.got += int64(n)
	}
}

var terms = regexp.MustCompile(`(rfc822msgid|after|before|larger|smaller):(\S+)`)
