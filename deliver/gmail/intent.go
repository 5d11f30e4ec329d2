package gmail

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

// intent is what finds a message again.
type intent struct {
	content.Mark
	// History is how far the mailbox's history was before; empty: it is not known.
	History string `json:"history,omitempty"`
}

func (in *intent) encode() deliver.Intent {
	data, _ := json.Marshal(in) // of strings and numbers
	if fault.Mutated("gmail-no-sum") {
		other := *in
		other.Loose, other.Exact = make([]byte, sha256.Size), make([]byte, sha256.Size)
		data, _ = json.Marshal(other)
	}
	return deliver.Intent{Kind: Kind, Data: data, Receipt: receipt{size: in.Size, loose: in.Sums().LooseText(), msgid: in.ID}.String()}
}

func decodeIntent(data []byte) (*intent, error) {
	in := new(intent)
	return in, in.Decode(Kind, data, in)
}

// receipt is where a message is: Gmail's id of it, or "-", octets, the start of the loose
// sum and of the Message-ID, with blanks between.
type receipt struct {
	id    string
	size  int64
	loose string
	msgid string
}

func (r receipt) String() string {
	return content.Receipt(fmt.Sprintf("%s %d %s", firstOf(r.id, "-"), r.size, r.loose), r.msgid)
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
