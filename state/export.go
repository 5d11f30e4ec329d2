package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxLine bounds one line of an import.
const maxLine = 1 << 20

// line is an entry as JSON. The schema is stable: fields are only ever added.
//
//	uid          the server's unique-id; uid_base64 instead if it is not UTF-8
//	nth          which occurrence of the uid, if not the first (0)
//	size         bytes delivered; absent: unknown
//	sha256, fingerprint   hex; absent: unknown
//	content      hex; absent: it is sha256
//	by_header    only an equal header says that it is the message delivered
//	asked        its deletion was asked for and not confirmed
//	first_seen, verified, deleted, gone   RFC 3339, UTC; absent: never
//	source       fetched, marked, imported (the default)
//	done         default true: a list of UIDs is a list of what is seen
//	outcomes     one a target: target, status (delivered, set-aside, skipped), receipt, at
//	flaws        what verify last found of copies: target, kind, accepted
//
// gone (not listed since) is for reading: the next listing sets it again.
type line struct {
	UID         *string     `json:"uid,omitempty"`
	UIDBase64   []byte      `json:"uid_base64,omitempty"`
	Nth         int         `json:"nth,omitempty"`
	Size        *int64      `json:"size,omitempty"`
	SHA256      Sum         `json:"sha256,omitzero"`
	Content     Sum         `json:"content,omitzero"`
	Fingerprint Fingerprint `json:"fingerprint,omitzero"`
	ByHeader    bool        `json:"by_header,omitempty"`
	FirstSeen   time.Time   `json:"first_seen,omitzero"`
	Source      *Source     `json:"source,omitempty"`
	Done        *bool       `json:"done,omitempty"`
	Outcomes    []Outcome   `json:"outcomes,omitempty"`
	Verified    time.Time   `json:"verified,omitzero"`
	Deleted     time.Time   `json:"deleted,omitzero"`
	Asked       bool        `json:"asked,omitempty"`
	Gone        time.Time   `json:"gone,omitzero"`
	Flaws       []Flaw      `json:"flaws,omitempty"`
}

// Exported is an entry, and the flaws of its copies.
type Exported struct {
	Entry
	Flaws []Flaw
}

// Export writes all entries as JSON, one object a line, by ascending key. A
// damaged entry is an error.
func (v *View) Export(w io.Writer) error {
	gone, flaws := v.Gone(), v.Flaws()
	buf := bufio.NewWriter(w)
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	for k, r := range v.Records() {
		e, err := decodeEntry(Key(k), r, v.targets.name)
		if err != nil {
			return fmt.Errorf("entry %q: %w", k, err)
		}
		l := newLine(&e, gone[e.Key])
		l.Flaws = flaws[e.Key]
		text.Reset()
		if err := enc.Encode(l); err != nil {
			return err
		}
		if _, err := buf.Write(EscapeJSON(text.Bytes())); err != nil {
			return err
		}
	}
	if v.err != nil {
		return v.err
	}
	return buf.Flush()
}

// JSON returns the entry as the object that Export writes, without gone and flaws.
func (e Entry) JSON() ([]byte, error) {
	return newLine(&e, time.Time{}).json()
}

func (l line) json() ([]byte, error) {
	text, err := json.Marshal(l)
	return EscapeJSON(text), err
}

func newLine(e *Entry, gone time.Time) line {
	l := line{Nth: e.Key.Nth(), SHA256: e.SHA256, Content: e.Content, Fingerprint: e.Fingerprint, ByHeader: e.ByHeader, FirstSeen: e.FirstSeen,
		Source: &e.Source, Done: &e.Done, Outcomes: e.Outcomes, Verified: e.Verified, Deleted: e.Deleted, Asked: e.Asked, Gone: gone}
	if uid := e.Key.UID(); utf8.ValidString(uid) {
		l.UID = &uid
	} else {
		l.UIDBase64 = []byte(uid)
	}
	if e.Size >= 0 {
		l.Size = &e.Size
	}
	return l
}

// Import yields the entries of what Export wrote. Empty lines are passed over,
// and fields it does not know. The first error, which names the line, ends it.
func Import(r io.Reader) iter.Seq2[Exported, error] {
	return func(yield func(Exported, error) bool) {
		s := bufio.NewScanner(r)
		s.Buffer(nil, maxLine)
		n := 0
		for s.Scan() {
			n++
			text := bytes.TrimSpace(s.Bytes())
			if len(text) == 0 {
				continue
			}
			e, err := parseLine(text)
			if err != nil {
				yield(Exported{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(Exported{}, fmt.Errorf("line %d: %w", n+1, err))
		}
	}
}

func parseLine(text []byte) (Exported, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return Exported{}, err
	}
	uid := string(l.UIDBase64)
	if l.UID != nil {
		uid = *l.UID
	}
	switch {
	case uid == "":
		return Exported{}, errors.New("no uid")
	case l.Nth < 0:
		return Exported{}, fmt.Errorf("nth is %d: want 0 or more", l.Nth)
	}
	e := Entry{Key: NewKey(uid, l.Nth), Size: -1, SHA256: l.SHA256, Content: l.Content, Fingerprint: l.Fingerprint, ByHeader: l.ByHeader, FirstSeen: l.FirstSeen,
		Source: Imported, Done: l.Done == nil || *l.Done, Outcomes: l.Outcomes, Verified: l.Verified, Deleted: l.Deleted, Asked: l.Asked}
	if l.Size != nil {
		e.Size = max(*l.Size, -1)
	}
	if l.Source != nil {
		e.Source = *l.Source
	}
	return Exported{e, l.Flaws}, nil
}

// EscapeJSON escapes what a terminal or a reader would act on or not show in
// JSON text: DEL, the C1 controls, directional marks and the like (unicode.IsPrint).
// The package encoding/json leaves them as they are. Line feeds and tabs between
// tokens stay; the text means the same.
func EscapeJSON(text []byte) []byte {
	unprintable := func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }
	if !bytes.ContainsFunc(text, unprintable) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}
