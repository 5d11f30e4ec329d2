package jmap

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// intent is what finds a message again. It is the Data of a deliver.Intent.
type intent struct {
	Mailbox string `json:"mailbox"`
	// Since is the state of all Emails before the message was imported.
	Since string `json:"state"`
	remote.Mark
}

// Intent implements remote.Message.
func (in *intent) Intent() deliver.Intent { return in.Encode(Kind, in, in.place("")) }

// place begins a receipt: the id of the Email, octets and date, with blanks between. "-"
// in place of the id says that it is not known.
func (in *intent) place(email string) string {
	if len(email) > 128 {
		email = ""
	}
	return fmt.Sprintf("%s %d %d", cmp.Or(email, "-"), in.Size, in.Date)
}

// receipt is where a message is.
type receipt struct {
	remote.Receipt
	email      string
	size, date int64
}

func parseReceipt(s string) (r receipt, err error) {
	r.Receipt, err = remote.ReadReceipt(Kind, s, 3, map[int]*int64{1: &r.size, 2: &r.date})
	if err == nil {
		r.email = r.Place[0]
	}
	return r, err
}

// normalID squeezes the blanks that folding leaves, and drops the angle brackets, which
// messageId does not have (RFC 8621 section 4.1.3).
func normalID(id string) string {
	id = strings.Join(strings.Fields(strings.ToValidUTF8(id, "?")), " ")
	return strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
}
