package content

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Mark is what finds a message again in a mailbox: the part of an intent that such
// targets share.
type Mark struct {
	// ID is the Message-ID, as the target looks for it; empty: there is none.
	ID string `json:"id,omitempty"`
	// Size counts octets with CRLF. Date is what the target keeps as the date, in
	// seconds.
	Size  int64  `json:"size"`
	Date  int64  `json:"date"`
	Exact []byte `json:"exact"`
	Loose []byte `json:"loose"`
	// Nth is how many messages of the batch before it have the same loose sum.
	Nth int `json:"nth,omitempty"`
	// Alone: no other message of the batch has its Message-ID and date.
	Alone bool `json:"alone,omitempty"`
	// At is when the intent was made.
	At time.Time `json:"at"`
}

// MarkOf makes the mark of a staged message.
func MarkOf(p *Part, id string, date int64) Mark {
	return Mark{ID: id, Size: p.Size, Date: date, Exact: p.Exact[:], Loose: p.Loose[:]}
}

// Sums are those of the message.
func (m *Mark) Sums() (s Sums) {
	copy(s.Exact[:], m.Exact)
	copy(s.Loose[:], m.Loose)
	return s
}

// Decode reads the data of an intent of a kind into one that holds this mark.
func (m *Mark) Decode(kind string, data []byte, intent any) error {
	if err := json.Unmarshal(data, intent); err != nil {
		return fmt.Errorf("%s: an intent cannot be read: %w", kind, err)
	}
	if len(m.Exact) != sha256.Size || len(m.Loose) != sha256.Size {
		return fmt.Errorf("%s: an intent lacks its sums", kind)
	}
	return nil
}

// Number tells the equal messages of a batch apart.
func Number(batch []*Mark) {
	type header struct {
		id   string
		date int64
	}
	equal, same := make(map[string]int), make(map[header]int)
	for _, m := range batch {
		m.Nth = equal[string(m.Loose)]
		equal[string(m.Loose)]++
		same[header{m.ID, m.Date}]++
	}
	for _, m := range batch {
		m.Alone = m.ID != "" && same[header{m.ID, m.Date}] == 1
	}
}

// Receipt is a receipt that ends with a Message-ID, which is cut to what deliver.Result
// allows.
func Receipt(place, id string) string {
	const most = 255
	s := place + " " + id
	if len(s) > most {
		s = s[:most]
		for !utf8.ValidString(s) && utf8.ValidString(id) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimRight(s, " ")
}
