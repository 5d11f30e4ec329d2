package proof

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/state"
)

// A manifest lists what was delivered, one JSON line for each message and target.
// Each line has the SHA-256 of the line before in prev: nobody can change, add or
// remove a line without changing all that follow. The last line has the count.
// Whoever keeps the hash of the last line can check the rest.

// manifestLine is one message in one target, the head (kind "manifest") or the
// end (kind "end").
type manifestLine struct {
	Kind      string     `json:"kind"`
	Account   string     `json:"account,omitempty"`
	ID        string     `json:"id,omitempty"`
	UID       string     `json:"uid,omitempty"`
	Nth       int        `json:"nth,omitempty"`
	Size      int64      `json:"size,omitempty"`
	SHA256    string     `json:"sha256,omitempty"`
	MessageID string     `json:"message_id,omitempty"`
	Date      *time.Time `json:"date,omitempty"`
	Target    string     `json:"target,omitempty"`
	Path      string     `json:"path,omitempty"`
	Status    string     `json:"status,omitempty"`
	Delivered *time.Time `json:"delivered,omitempty"`
	Verified  *time.Time `json:"verified,omitempty"`
	Deleted   *time.Time `json:"deleted,omitempty"`
	Accepted  *state.Sum `json:"accepted,omitempty"` // of an altered copy that a person accepted
	Created   *time.Time `json:"created,omitempty"`
	Count     *int       `json:"count,omitempty"`
	Prev      string     `json:"prev"`
}

// chain writes manifest lines.
type chain struct {
	w    *bufio.Writer
	prev string
	n    int
}

func (c *chain) write(l manifestLine) error {
	l.Prev = c.prev
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	text = state.EscapeJSON(text)
	sum := sha256.Sum256(text)
	c.prev = hex.EncodeToString(sum[:])
	_, err = c.w.Write(append(text, '\n'))
	return err
}

// Manifest writes the account's manifest. If a target cannot be read now, it is complete but for
// what only the copies there say, and the error is a *LackingError.
func (p *Prover) Manifest(ctx context.Context, a *fetch.Account, w io.Writer) error {
	c := &chain{w: bufio.NewWriter(w)}
	var lacking error
	err := p.hold(ctx, a, func(h *held) error {
		now := h.Journal.Now().UTC()
		if err := c.write(manifestLine{Kind: "manifest", Account: a.Name, ID: a.ID, Created: &now}); err != nil {
			return err
		}
		defer func() { lacking = h.lacking() }()
		return h.inspect(ctx, func(in Inspected) error {
			if in.Former {
				return nil
			}
			for _, cp := range in.Copies {
				c.n++
				if err := c.write(lineOf(a, &in, cp)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if err := c.write(manifestLine{Kind: "end", Count: &c.n}); err != nil {
		return err
	}
	return cmp.Or(c.w.Flush(), lacking)
}

// LackingError says why a manifest has no path, message_id and date of some messages.
type LackingError struct{ Err error }

func (e *LackingError) Error() string {
	return "path, message_id and date are left out of the manifest where the target cannot be read: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LackingError) Unwrap() error { return e.Err }

// lacking is a *LackingError if a target could not be read.
func (h *held) lacking() error {
	for _, r := range h.readers {
		if r.gone != nil {
			return &LackingError{r.gone}
		}
	}
	return nil
}

func lineOf(a *fetch.Account, in *Inspected, cp Copy) manifestLine {
	l := manifestLine{
		Kind:      "message",
		Account:   a.Name,
		UID:       in.Key.UID(),
		Nth:       in.Key.Nth(),
		Size:      max(in.Size, 0),
		MessageID: in.MessageID,
		Date:      stamped(in.Date),
		Target:    cp.Target,
		Path:      cp.Where,
		Status:    cp.Status.String(),
		Delivered: stamped(cp.Delivered),
		Verified:  stamped(in.Verified),
		Deleted:   stamped(in.Deleted),
	}
	for i, f := range in.Flaws {
		if f.Target == cp.Target && f.Kind == state.Accepted {
			l.Accepted = &in.Flaws[i].Accepted
		}
	}
	if in.SHA256 != ([sha256.Size]byte{}) {
		l.SHA256 = hex.EncodeToString(in.SHA256[:])
	}
	return l
}

func stamped(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// CheckManifest follows the chain of a manifest and returns how many messages
// it lists and the hash of its last line. The error has the first line that
// does not fit.
func CheckManifest(r io.Reader) (messages int, last string, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	prev, ended, n := "", false, 0
	for s.Scan() {
		n++
		text := bytes.TrimSuffix(s.Bytes(), []byte("\r"))
		var l manifestLine
		switch err := json.Unmarshal(text, &l); {
		case err != nil:
			return 0, "", fmt.Errorf("line %d: %w", n, err)
		case l.Prev != prev:
			return 0, "", fmt.Errorf("line %d does not follow the line before it: one of them was changed, added or removed", n)
		case ended, (n == 1) != (l.Kind == "manifest"):
			return 0, "", fmt.Errorf("line %d is not a line of a manifest, or is in the wrong place", n)
		}
		if l.Kind == "message" {
			messages++
		}
		if l.Kind == "end" {
			ended = true
			if l.Count == nil || *l.Count != messages {
				return 0, "", fmt.Errorf("line %d: its count of messages is wrong", n)
			}
		}
		text = state.EscapeJSON(text)
		sum := sha256.Sum256(text)
		prev = hex.EncodeToString(sum[:])
	}
	if err := s.Err(); err != nil {
		return 0, "", err
	}
	if !ended {
		return 0, "", errors.New("the last line is missing: the file was cut, or the export did not finish")
	}
	return messages, prev, nil
}
