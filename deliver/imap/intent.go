package imap

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// intent is what finds a message again. It is the Data of a deliver.Intent.
type intent struct {
	Mailbox string `json:"mailbox"`
	// Validity is the mailbox's UIDVALIDITY, Next a lower bound of the message's UID
	// in it.
	Validity uint32 `json:"validity"`
	Next     uint32 `json:"next"`
	remote.Mark
}

// Intent implements remote.Message.
func (in *intent) Intent() deliver.Intent {
	return in.Encode(Kind, in, fmt.Sprintf("%d %d+ %d", in.Validity, in.Next, in.Size))
}

// receipt is where the message is.
func (in *intent) receipt(at copyAt) string {
	return in.Mark.Receipt(fmt.Sprintf("%d %d %d", at.validity, at.uid, in.Size))
}

// receipt is where a message is: UIDVALIDITY, UID, octets, the start of the loose
// sum and of the Message-ID, with blanks between. "77+" in place of the UID says
// that it is 77 or higher.
type receipt struct {
	remote.Receipt
	validity, uid, next uint32
	size                int64
}

func parseReceipt(s string) (r receipt, err error) {
	var validity int64
	if r.Receipt, err = remote.ReadReceipt(Kind, s, 3, map[int]*int64{0: &validity, 2: &r.size}); err != nil {
		return r, err
	}
	uid, more := strings.CutSuffix(r.Place[1], "+")
	n, err := strconv.ParseUint(uid, 10, 32)
	if r.validity, r.uid = uint32(validity), uint32(n); more {
		r.uid, r.next = 0, r.uid
	}
	return r, err
}
