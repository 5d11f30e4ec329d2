package imap

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// intent is what finds a message again. It is the Data of a deliver.Intent.
type intent struct {
	Mailbox string `json:"mailbox"`
	// Validity is the mailbox's UIDVALIDITY, Next a lower bound of the message's UID
	// in it.
	Validity uint32 `json:"validity"`
	Next     uint32 `json:"next"`
	content.Mark
	// Batch is what its batch calls itself among all that deliver to the mailbox.
	Batch string `json:"batch,omitempty"`
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
	err := in.Decode(Kind, data, in)
	if in.Batch == "" { // it is older than Claims
		in.Batch = strconv.FormatInt(in.At.UnixNano(), 10)
	}
	return in, err
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
	r.loose = in.Sums().LooseText()
	return r
}

func (r receipt) String() string {
	uid := strconv.FormatUint(uint64(r.uid), 10)
	if r.uid == 0 {
		uid = strconv.FormatUint(uint64(r.next), 10) + "+"
	}
	return content.Receipt(fmt.Sprintf("%d %s %d %s", r.validity, uid, r.size, r.loose), r.id)
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
