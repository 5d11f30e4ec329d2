package remote

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/fault"
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
	// Batch is what its batch calls itself among all that deliver to the mailbox, see Claims.
	Batch string `json:"batch,omitempty"`
}

// unnamed is whose the copies are of intents that are older than Claims: one name, as equal
// messages of a batch are told apart by their order among its own copies.
const unnamed = "0"

// MarkOf makes the mark of a staged message.
func MarkOf(p *content.Part, id string, date int64) Mark {
	return Mark{ID: id, Size: p.Size, Date: date, Exact: p.Exact[:], Loose: p.Loose[:]}
}

func (m *Mark) mark() *Mark { return m }

// Sums are those of the message.
func (m *Mark) Sums() (s content.Sums) {
	copy(s.Exact[:], m.Exact)
	copy(s.Loose[:], m.Loose)
	return s
}

// Encode makes the intent of a kind; in, which holds this mark, is its data.
func (m *Mark) Encode(kind string, in any, place string) deliver.Intent {
	receipt := m.Receipt(place)
	if fault.Mutated(kind + "-no-sum") {
		defer func(sound Mark) { *m = sound }(*m)
		m.Loose, m.Exact = make([]byte, sha256.Size), make([]byte, sha256.Size)
	}
	data, _ := json.Marshal(in) // of strings and numbers
	return deliver.Intent{Kind: kind, Data: data, Receipt: receipt}
}

// Decode reads the data of an intent of a kind into one that holds this mark.
func (m *Mark) Decode(kind string, data []byte, in any) error {
	if err := json.Unmarshal(data, in); err != nil {
		return fmt.Errorf("%s: an intent cannot be read: %w", kind, err)
	}
	if len(m.Exact) != sha256.Size || len(m.Loose) != sha256.Size {
		return fmt.Errorf("%s: an intent lacks its sums", kind)
	}
	m.Batch = cmp.Or(m.Batch, unnamed)
	return nil
}

// Receipt is where the message is: place, which has no blank at its ends, the start of
// the loose sum and of the Message-ID. It is cut to what deliver.Result allows.
func (m *Mark) Receipt(place string) string {
	const most = 255
	s := place + " " + m.Sums().LooseText() + " " + m.ID
	if len(s) > most {
		s = s[:most]
		for !utf8.ValidString(s) && utf8.ValidString(m.ID) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimRight(s, " ")
}

// Receipt is a receipt that was read.
type Receipt struct {
	Place []string // its words
	Loose string   // see content.Sums.LooseText
	ID    string   // the start of the Message-ID
}

// ReadReceipt reads a receipt of a kind whose place has so many words. Those that are
// numbers are read into these; "-" in place of a word says that it is not known: it is empty.
func ReadReceipt(kind, s string, words int, numbers map[int]*int64) (r Receipt, err error) {
	f := strings.SplitN(s, " ", words+2)
	if len(f) <= words {
		return r, fmt.Errorf("%s: %q is no receipt of this target", kind, Clean(s))
	}
	for i, n := range numbers {
		if *n, err = strconv.ParseInt(f[i], 10, 64); err != nil {
			return r, fmt.Errorf("%s: receipt: %w", kind, err)
		}
	}
	r.Place, r.Loose = f[:words], f[words]
	if f[0] == "-" {
		f[0] = ""
	}
	if len(f) > words+1 {
		r.ID = f[words+1]
	}
	return r, nil
}

// Changes says what a server is known to have changed of the message of a receipt, whose
// SHA-256 was this one.
func (r *Receipt) Changes(have content.Sums, sum [sha256.Size]byte) string {
	switch {
	case have.Exact == sum:
		return ""
	case have.LooseText() == r.Loose:
		return " (8-bit bytes in header fields, or line ends, were changed by the server)"
	}
	return " (the text was changed)"
}

// Number tells the equal messages of a batch apart.
func Number[M Message](batch []M) {
	type header struct {
		id   string
		date int64
	}
	equal, same := make(map[string]int), make(map[header]int)
	for _, b := range batch {
		m := b.mark()
		m.Nth = equal[string(m.Loose)]
		equal[string(m.Loose)]++
		same[header{m.ID, m.Date}]++
	}
	for _, b := range batch {
		m := b.mark()
		m.Alone = m.ID != "" && same[header{m.ID, m.Date}] == 1
	}
}
