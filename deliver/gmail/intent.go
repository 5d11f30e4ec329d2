package gmail

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// intent is what finds a message again.
type intent struct {
	// ID is its Message-ID; empty if it has none that can be searched for.
	ID string `json:"id,omitempty"`
	// Size is in octets with CRLF line ends.
	Size int64 `json:"size"`
	// Date is what its Date field says, in seconds; 0: nothing.
	Date  int64  `json:"date,omitempty"`
	Exact []byte `json:"exact"`
	Loose []byte `json:"loose"`
	// Nth is how many messages of the batch before it are equal. It is sent when these
	// are in the mailbox.
	Nth int `json:"nth,omitempty"`
	// History is how far the mailbox's history was before; empty: it is not known.
	History string `json:"history,omitempty"`
	// At is when the intent was made.
	At time.Time `json:"at"`
}

func (in *intent) sums() content.Sums {
	var s content.Sums
	copy(s.Exact[:], in.Exact)
	copy(s.Loose[:], in.Loose)
	return s
}

func (in *intent) encode() deliver.Intent {
	data, _ := json.Marshal(in) // of strings and numbers
	if fault.Mutated("gmail-no-sum") {
		other := *in
		other.Loose, other.Exact = make([]byte, sha256.Size), make([]byte, sha256.Size)
		data, _ = json.Marshal(other)
	}
	return deliver.Intent{Kind: Kind, Data: data, Receipt: receipt{size: in.Size, loose: in.sums().LooseText(), msgid: in.ID}.String()}
}

func decodeIntent(data []byte) (*intent, error) {
	in := new(intent)
	if err := json.Unmarshal(data, in); err != nil {
		return nil, fmt.Errorf("gmail: an intent cannot be read: %w", err)
	}
	if len(in.Exact) != sha256.Size || len(in.Loose) != sha256.Size {
		return nil, errors.New("gmail: an intent lacks its sums")
	}
	return in, nil
}

// receipt is where a message is: Gmail's id of it, or "-", octets, the start of the loose
// sum and of the Message-ID, with blanks between.
type receipt struct {
	id    string
	size  int64
	loose string
	msgid string
}

// maxReceipt bounds a receipt, see deliver.Result.
const maxReceipt = 255

func (r receipt) String() string {
	s := fmt.Sprintf("%s %d %s %s", firstOf(r.id, "-"), r.size, r.loose, r.msgid)
	if len(s) > maxReceipt {
		s = s[:maxReceipt]
		for !utf8.ValidString(s) && utf8.ValidString(r.msgid) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimRight(s, " ")
}

func parseReceipt(s string) (r receipt, err error) {
	f := strings.SplitN(s, " ", 4)
	if len(f) < 3 {
		return r, fmt.Errorf("gmail: %q is no receipt of this target", clean(s))
	}
	if f[0] != "-" {
		r.id = f[0]
	}
	if r.size, err = strconv.ParseInt(f[1], 10, 64); err != nil {
		return r, fmt.Errorf("gmail: receipt: %w", err)
	}
	r.loose = f[2]
	if len(f) == 4 {
		r.msgid = f[3]
	}
	return r, nil
}
