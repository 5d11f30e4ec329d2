package gmail

import (
	"cmp"
	"fmt"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// intent is what finds a message again.
type intent struct {
	remote.Mark
	// History is how far the mailbox's history was before; empty: it is not known.
	History string `json:"history,omitempty"`
}

// Intent implements remote.Message.
func (in *intent) Intent() deliver.Intent { return in.Encode(Kind, in, in.place("")) }

// place begins a receipt: Gmail's id of the message, or "-", and octets.
func (in *intent) place(id string) string { return fmt.Sprintf("%s %d", cmp.Or(id, "-"), in.Size) }

// receipt is where a message is.
type receipt struct {
	remote.Receipt
	id   string
	size int64
}

func parseReceipt(s string) (r receipt, err error) {
	r.Receipt, err = remote.ReadReceipt(Kind, s, 2, map[int]*int64{1: &r.size})
	if err == nil {
		r.id = r.Place[0]
	}
	return r, err
}
