package imap

import (
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

// maxReceipt is what deliver.Result allows.
const maxReceipt = 255

// intent is what finds a message again. It is the Data of a deliver.Intent.
type intent struct {
	Mailbox string `json:"mailbox"`
	// Validity is the mailbox's UIDVALIDITY, Next a lower bound of the message's UID
	// in it.
	Validity uint32 `json:"validity"`
	Next     uint32 `json:"next"`
	// ID is the Message-ID, Size counts octets with CRLF, Date is the INTERNALDATE in
	// seconds.
	ID    string `json:"id,omitempty"`
	Size  int64  `json:"size"`
	Date  int64  `json:"date"`
	Exact []byte `json:"exact"`
	Loose []byte `json:"loose"`
	// Nth is how many messages of the batch before it have the same loose sum. It is
	// sent when these are in the mailbox.
	Nth int `json:"nth,omitempty"`
	// Alone: no other message of the batch has its Message-ID and date.
	Alone bool `json:"alone,omitempty"`
	// Batch is what its batch calls itself among all that deliver to the mailbox.
	Batch string `json:"batch,omitempty"`
	// At is when the intent was made.
	At time.Time `json:"at"`
}

func (in *intent) sums() content.Sums {
	var s content.Sums
	copy(s.Exact[:], in.Exact)
	copy(s.Loose[:], in.Loose)
	return s
}

func (in intent) encode() deliver.Intent {
	if fault.Mutated("imap-no-sum") {
		in.Loose = make([]byte, sha256.Size)
	}
	data, _ := json.Marshal(in) // of strings and numbers
	return deliver.Intent{Kind: Kind, Data: data, Receipt: receipt{validity: in.Validity, next: in.Next}.of(&in).String()}
}

func decodeIntent(data []byte) (*intent, error) {
	in := new(intent)
	if err := json.Unmarshal(data, in); err != nil {
		return nil, fmt.Errorf("imap: an intent cannot be read: %w", err)
	}
	if len(in.Exact) != sha256.Size || len(in.Loose) != sha256.Size {
		return nil, fmt.Errorf("imap: an intent lacks its sums")
	}
	return in, nil
}

// receipt is where a message is: UIDVALIDITY, UID, octets, the start of the loose
// sum and of the Message-ID, with blanks between. "77+" in place of the UID says
// that it is 77 or higher.
type receipt struct {
	validity, uid, next uint32
	size                int64
	loose               string
	id                  string
}

func (r receipt) of(in *intent) receipt {
	r.size, r.id = in.Size, in.ID
	r.loose = in.sums().LooseText()
	return r
}

func (r receipt) String() string {
	uid := strconv.FormatUint(uint64(r.uid), 10)
	if r.uid == 0 {
		uid = strconv.FormatUint(uint64(r.next), 10) + "+"
	}
	s := fmt.Sprintf("%d %s %d %s %s", r.validity, uid, r.size, r.loose, r.id)
	if len(s) > maxReceipt {
		s = s[:maxReceipt]
		for !utf8.ValidString(s) && utf8.ValidString(r.id) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimRight(s, " ")
}

func parseReceipt(s string) (r receipt, err error) {
	f := strings.SplitN(s, " ", 5)
	if len(f) < 4 {
		return r, fmt.Errorf("imap: %q is no receipt of this target", clean(s))
	}
	number := func(s string, bits int) uint64 {
		n, nerr := strconv.ParseUint(s, 10, bits)
		if nerr != nil {
			err = fmt.Errorf("imap: receipt: %w", nerr)
		}
		return n
	}
	r.validity = uint32(number(f[0], 32))
	if next, ok := strings.CutSuffix(f[1], "+"); ok {
		r.next = uint32(number(next, 32))
	} else {
		r.uid = uint32(number(f[1], 32))
	}
	r.size = int64(number(f[2], 63))
	r.loose = f[3]
	if len(f) == 5 {
		r.id = f[4]
	}
	return r, err
}
