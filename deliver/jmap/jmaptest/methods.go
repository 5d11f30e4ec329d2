package jmaptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// call are the arguments of all methods.
type call struct {
	IDs        *[]string                 `json:"ids"`
	SinceState string                    `json:"sinceState"`
	Emails     map[string]imported       `json:"emails"`
	Filter     filter                    `json:"filter"`
	Create     map[string]made           `json:"create"`
	Update     map[string]map[string]any `json:"update"`
}

type imported struct {
	BlobID     string          `json:"blobId"`
	MailboxIDs map[string]bool `json:"mailboxIds"`
	Keywords   map[string]bool `json:"keywords"`
	ReceivedAt time.Time       `json:"receivedAt"`
}

type made struct {
	Name     string `json:"name"`
	ParentID string `json:"parentId"`
}

type filter struct {
	Header        []string `json:"header"`
	After, Before *time.Time
	InMailbox     string `json:"inMailbox"`
}

func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Using       []string            `json:"using"`
		MethodCalls [][]json.RawMessage `json:"methodCalls"`
	}
	if json.NewDecoder(r.Body).Decode(&req) != nil || len(req.Using) == 0 {
		Problem(w, http.StatusBadRequest, "notRequest", "")
		return
	}
	s.Lock()
	defer s.Unlock()
	var out [][]any
	for _, m := range req.MethodCalls {
		var name, id string
		var c call
		_, _, _ = json.Unmarshal(m[0], &name), json.Unmarshal(m[1], &c), json.Unmarshal(m[2], &id)
		s.log = append(s.log, name)
		result := s.method(name, &c)
		if result["type"] != nil {
			name = "error"
		}
		out = append(out, []any{name, result, id})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"methodResponses": out, "sessionState": "s"})
}

func (s *Server) method(name string, c *call) map[string]any {
	if s.Method != nil {
		if e := s.Method(name); e != nil {
			return e
		}
	}
	switch name {
	case "Mailbox/get":
		return s.mailboxGet()
	case "Mailbox/set":
		return s.mailboxSet(c)
	case "Email/get":
		return s.emailGet(*c.IDs)
	case "Email/changes":
		return s.changes(c.SinceState)
	case "Email/query":
		return s.query(&c.Filter)
	case "Email/import":
		return s.importAll(c)
	case "Email/set":
		return s.emailSet(c)
	case "Quota/get":
		return map[string]any{"list": s.Quotas}
	}
	return map[string]any{"type": "unknownMethod"}
}

func (s *Server) mailboxGet() map[string]any {
	var list []any
	for _, b := range s.boxes {
		v := map[string]any{"id": b.ID, "name": b.Name, "parentId": nil, "role": nil, "myRights": map[string]any{"mayAddItems": !b.ReadOnly}}
		if b.Parent != "" {
			v["parentId"] = b.Parent
		}
		if b.Role != "" {
			v["role"] = b.Role
		}
		list = append(list, v)
	}
	return map[string]any{"state": "m", "list": list, "notFound": []any{}}
}

func (s *Server) mailboxSet(c *call) map[string]any {
	created := make(map[string]any)
	for key, m := range c.Create {
		b := &Mailbox{ID: fmt.Sprintf("b%d", len(s.boxes)+1), Name: m.Name, Parent: m.ParentID}
		s.boxes = append(s.boxes, b)
		created[key] = map[string]any{"id": b.ID}
	}
	return map[string]any{"created": created, "notCreated": nil}
}

func (s *Server) find(id string) *Email {
	for _, e := range s.emails {
		if e.ID == id && !e.Destroyed {
			return e
		}
	}
	return nil
}

// messageID is without angle brackets; empty: there is none.
func messageID(text []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return ""
	}
	return strings.Trim(m.Header.Get("Message-Id"), "<> ")
}

func (s *Server) emailGet(ids []string) map[string]any {
	list, missing := []any{}, []string{}
	for _, id := range ids {
		if id == "" { // is none (RFC 8620 section 1.2)
			return map[string]any{"type": "invalidArguments"}
		}
		e := s.find(id)
		if e == nil {
			missing = append(missing, id)
			continue
		}
		v := map[string]any{"id": id, "blobId": s.keep(e.Text), "mailboxIds": e.Boxes, "keywords": e.Keywords, "size": len(e.Text),
			"receivedAt": e.Received.UTC().Format(time.RFC3339), "messageId": nil}
		if id := messageID(e.Text); id != "" {
			v["messageId"] = []string{id}
		}
		list = append(list, v)
	}
	return map[string]any{"state": fmt.Sprint(s.state), "list": list, "notFound": missing}
}

func (s *Server) changes(since string) map[string]any {
	from := 0
	if _, err := fmt.Sscan(since, &from); err != nil || s.NoChanges {
		return map[string]any{"type": "cannotCalculateChanges"}
	}
	const most = 3
	created, to := []string{}, s.state
	for _, e := range s.emails {
		if e.Created > from && len(created) < most && !e.Destroyed {
			created, to = append(created, e.ID), e.Created
		}
	}
	if len(created) < most {
		to = s.state
	}
	return map[string]any{"oldState": since, "newState": fmt.Sprint(to), "hasMoreChanges": to < s.state,
		"created": created, "updated": []any{}, "destroyed": []any{}}
}

func (s *Server) query(f *filter) map[string]any {
	ids := []string{}
	for _, e := range s.emails {
		switch {
		case e.Destroyed,
			len(f.Header) == 2 && !strings.Contains(messageID(e.Text), strings.Trim(f.Header[1], "<>")),
			f.After != nil && e.Received.Before(*f.After),
			f.Before != nil && !e.Received.Before(*f.Before),
			f.InMailbox != "" && !e.Boxes[f.InMailbox]:
		default:
			ids = append(ids, e.ID)
		}
	}
	return map[string]any{"queryState": "q", "ids": ids, "position": 0, "canCalculateChanges": false}
}

func (s *Server) importAll(c *call) map[string]any {
	old := s.state
	created, refused := make(map[string]any), make(map[string]any)
	var keys []string
	for key := range c.Emails {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		in := c.Emails[key]
		text, ok := s.blobs[in.BlobID]
		if !ok {
			refused[key] = map[string]any{"type": "invalidProperties", "properties": []string{"blobId"}}
			continue
		}
		if e := s.refusal(text); e != nil {
			refused[key] = e
			continue
		}
		e := s.add(text, in.MailboxIDs, in.Keywords, in.ReceivedAt)
		created[key] = map[string]any{"id": e.ID, "blobId": s.keep(e.Text), "threadId": "T" + e.ID, "size": len(e.Text)}
	}
	return map[string]any{"oldState": fmt.Sprint(old), "newState": fmt.Sprint(s.state), "created": created, "notCreated": refused}
}

// refusal is the SetError of a message; nil: it is taken.
func (s *Server) refusal(text []byte) map[string]any {
	if s.Import != nil {
		if e := s.Import(text); e != nil {
			return e
		}
	}
	for _, e := range s.emails {
		if !e.Destroyed && (s.OneCopy && bytes.Equal(e.Text, text) || s.OneID && messageID(text) != "" && messageID(e.Text) == messageID(text)) {
			return map[string]any{"type": "alreadyExists", "existingId": e.ID}
		}
	}
	return nil
}

// emailSet knows patches of mailboxIds and keywords.
func (s *Server) emailSet(c *call) map[string]any {
	updated, refused := make(map[string]any), make(map[string]any)
	for id, patch := range c.Update {
		e := s.find(id)
		if e == nil {
			refused[id] = map[string]any{"type": "notFound"}
			continue
		}
		for pointer, v := range patch {
			name, key, _ := strings.Cut(pointer, "/")
			set := map[string]map[string]bool{"mailboxIds": e.Boxes, "keywords": e.Keywords}[name]
			if delete(set, key); v == true {
				set[key] = true
			}
		}
		s.state++
		updated[id] = nil
	}
	return map[string]any{"updated": updated, "notUpdated": refused}
}
