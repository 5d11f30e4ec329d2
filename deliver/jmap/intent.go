package jmap

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
	// State is that of all Emails before the message was imported.
	State string `json:"state"`
	content.Mark
}

func (in intent) encode() deliver.Intent {
	if fault.Mutated("jmap-no-sum") {
		in.Loose = make([]byte, sha256.Size)
	}
	data, _ := json.Marshal(in) // of strings and numbers
	return deliver.Intent{Kind: Kind, Data: data, Receipt: receipt{}.of(&in).String()}
}

func decodeIntent(data []byte) (*intent, error) {
	in := new(intent)
	return in, in.Decode(Kind, data, in)
}

// receipt is where a message is: the id of the Email, octets, date, the start of the
// loose sum and of the Message-ID, with blanks between. "-" in place of the id says
// that it is not known.
type receipt struct {
	email string
	size  int64
	date  int64
	loose string
	id    string
}

func (r receipt) of(in *intent) receipt {
	r.size, r.date, r.id = in.Size, in.Date, in.ID
	r.loose = in.Sums().LooseText()
	return r
}

func (r receipt) String() string {
	email := r.email
	if email == "" || len(email) > 128 {
		email = "-"
	}
	return content.Receipt(fmt.Sprintf("%s %d %d %s", email, r.size, r.date, r.loose), r.id)
}

func parseReceipt(s string) (r receipt, err error) {
	f := strings.SplitN(s, " ", 5)
	if len(f) < 4 {
		return r, fmt.Errorf("jmap: %q is no receipt of this target", clean(s))
	}
	if f[0] != "-" {
		r.email = f[0]
	}
	if r.size, err = strconv.ParseInt(f[1], 10, 64); err == nil {
		r.date, err = strconv.ParseInt(f[2], 10, 64)
	}
	if err != nil {
		return r, fmt.Errorf("jmap: receipt: %w", err)
	}
	r.loose = f[3]
	if len(f) == 5 {
		r.id = f[4]
	}
	return r, nil
}

// normalID squeezes the blanks that folding leaves, and drops the angle brackets, which
// messageId does not have (RFC 8621 section 4.1.3).
func normalID(id string) string {
	id = strings.Join(strings.Fields(strings.ToValidUTF8(id, "?")), " ")
	return strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
}
