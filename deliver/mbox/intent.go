package mbox

import (
	"encoding/json"
	"fmt"

	"github.com/mailhaul/mailhaul/deliver"
)

// tokenSize is the length of the token at the end of an unfinished region. The
// shortest message has 33 bytes in the file.
const tokenSize = 16

// intent is the data of a deliver.Intent. Offsets are in the file, in octets.
type intent struct {
	Path   string `json:"path"`
	Place  string `json:"place,omitempty"` // placeOf Path
	Format Format `json:"format,omitempty"`

	// The region of the batch.
	Start  int64  `json:"start"`            // the file's size before it
	Prefix int    `json:"prefix,omitempty"` // newlines before the first message
	End    int64  `json:"end"`
	Token  []byte `json:"token"` // what the last octets are until it is finished,
	Tail   []byte `json:"tail"`  // and what they are from then on
	// Before is the checksum of the octets before Start, at most contextSize.
	Before uint32 `json:"before"`

	// The message.
	Offset int64  `json:"offset"` // of its separator line
	Length int64  `json:"length"` // with its separator line and final blank line
	CRC    uint32 `json:"crc"`    // CRC-32C of these octets
	Chain  uint32 `json:"chain"`  // CRC-32C of the batch's messages before it
	Sep    string `json:"sep"`    // the separator line
	Sum    []byte `json:"sum"`    // the contentHash of what follows it
	// Nth is how many earlier messages of the batch have the same Sep and Sum.
	Nth   int  `json:"nth,omitempty"`
	Added bool `json:"added,omitempty"` // we added the final newline
}

// contextSize is how many octets before a region tell whether the file was
// rewritten before it.
const contextSize = 256

func (i *intent) encode() (deliver.Intent, error) {
	data, err := json.Marshal(i)
	if err != nil {
		return deliver.Intent{}, err
	}
	r := Receipt{Offset: i.Offset, Length: i.Length, CRC: i.CRC, Added: i.Added}
	return deliver.Intent{Kind: Kind, Data: data, Receipt: r.String()}, nil
}

// decodeIntent also checks what later code relies on: the state is ours, but a
// damaged record must not make us cut an mbox.
func decodeIntent(i deliver.Intent) (*intent, error) {
	if i.Kind != Kind {
		return nil, fmt.Errorf("mbox: intent of kind %q", i.Kind)
	}
	var in intent
	if err := json.Unmarshal(i.Data, &in); err != nil {
		return nil, fmt.Errorf("mbox: intent: %w", err)
	}
	sound := in.Path != "" && in.Format <= MBOXCL2 && in.Start >= 0 && in.Prefix >= 0 &&
		in.Start+int64(in.Prefix) <= in.Offset && in.Length > tokenSize && in.Offset+in.Length <= in.End &&
		len(in.Token) == tokenSize && len(in.Tail) == tokenSize && len(in.Sep) > len(from)
	if !sound {
		return nil, fmt.Errorf("mbox: intent makes no sense: %.200q", i.Data)
	}
	return &in, nil
}

// Receipt says where a message was put. Its text form is the receipt of a
// deliver.Result.
type Receipt struct {
	// Offset and Length span the message in the file, in octets, with its
	// separator line and its final blank line.
	Offset, Length int64
	// CRC is the CRC-32C (Castagnoli) of these octets.
	CRC uint32
	// Added reports that the message had no final newline, and got one.
	Added bool
}

const (
	receiptForm  = "offset=%d length=%d crc32c=%08x"
	addedNewline = " newline-added"
)

// String returns the text form.
func (r Receipt) String() string {
	s := fmt.Sprintf(receiptForm, r.Offset, r.Length, r.CRC)
	if r.Added {
		s += addedNewline
	}
	return s
}

// ParseReceipt is the reverse of String.
func ParseReceipt(s string) (Receipt, error) {
	var r Receipt
	if _, err := fmt.Sscanf(s, receiptForm, &r.Offset, &r.Length, &r.CRC); err != nil {
		return Receipt{}, fmt.Errorf("mbox: receipt %.100q: %w", s, err)
	}
	short := r.String()
	r.Added = s == short+addedNewline
	if !r.Added && s != short || r.Offset < 0 || r.Length <= 0 {
		return Receipt{}, fmt.Errorf("mbox: receipt %.100q: not of our form", s)
	}
	return r, nil
}
