package mbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
)

var _ deliver.RecoverFunc = Recover

// Recover settles one intent; see the package comment. The intents of a batch
// may come in any order, but ascending is quickest. It waits for the locks as
// long as DefaultLockTimeout.
func Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	in, err := decodeIntent(i)
	if err != nil {
		return deliver.Unknown, err
	}
	t, err := lockFile(ctx, locker{path: in.Path, timeout: DefaultLockTimeout})
	if errors.Is(err, fs.ErrNotExist) {
		if removedByReader(in.Path, in.Place) {
			return deliver.Absent, nil
		}
		return deliver.Unknown, cannotCreate(&deliver.GoneError{Path: in.Path})
	}
	if err != nil {
		return deliver.Unknown, err
	}
	var fate deliver.Fate
	if err = t.dropZeros(in.End); err == nil {
		fate, err = settle(ctx, t.f, in)
	}
	if err == nil && fate == deliver.Visible {
		err = durable.Sync(t.f)
	}
	if err = errors.Join(err, t.close()); err != nil {
		return deliver.Unknown, fmt.Errorf("recover %s: %w", in.Path, err)
	}
	return fate, nil
}

func settle(ctx context.Context, f *os.File, in *intent) (deliver.Fate, error) {
	begin, err := searchFrom(f, in)
	if err != nil {
		return deliver.Unknown, err
	}
	open := false
	if begin == in.Start {
		open, err = unfinishedHere(f, in)
	}
	if err != nil {
		return deliver.Unknown, err
	}
	if open {
		return settleOpen(ctx, f, in, 0)
	}
	if whole, err := matches(f, in, 0); whole || err != nil {
		return deliver.Visible, err
	}
	if _, err := resume(ctx, f, in.Token, begin); err != nil {
		return deliver.Unknown, err
	}
	shift, open, err := unfinishedElsewhere(f, in, begin)
	if err != nil {
		return deliver.Unknown, err
	}
	if open {
		return settleOpen(ctx, f, in, shift)
	}
	found, err := search(ctx, f, in, begin)
	if err != nil || !found {
		return deliver.Absent, err
	}
	return deliver.Visible, nil
}

// settleOpen settles a message of an unfinished region. Up to the first
// message that is not whole, what is there stays. That first one's intent
// removes it with all that follows it; the intents of those that follow remove
// nothing, in whatever order they come: of the messages before them they know only
// whether all are whole.
func settleOpen(ctx context.Context, f *os.File, in *intent, shift int64) (deliver.Fate, error) {
	first := in.Start + int64(in.Prefix)
	if crc, err := checksum(f, first+shift, in.Offset-first); err != nil || crc != in.Chain {
		return deliver.Absent, err
	}
	if whole, err := matches(f, in, shift); whole || err != nil {
		return deliver.Visible, err
	}
	return deliver.Absent, removeRegion(ctx, f, in, shift)
}

// searchFrom returns where our region can begin: not before Start, unless the
// file is another than it was.
func searchFrom(f *os.File, in *intent) (int64, error) {
	n := min(in.Start, contextSize)
	kept, err := hasSum(f, in.Start-n, n, in.Before)
	if err != nil || !kept {
		return 0, err
	}
	return in.Start, nil
}

// matches reports whether the message is in the file, at its offset moved by
// shift.
func matches(f *os.File, in *intent, shift int64) (bool, error) {
	return hasSum(f, in.Offset+shift, in.Length, in.CRC)
}

// unfinishedElsewhere finds an unfinished region that was moved by shift,
// because a hole before it was closed or a reader removed mail before it.
func unfinishedElsewhere(f *os.File, in *intent, begin int64) (shift int64, found bool, err error) {
	err = find(f, in.Token, begin, func(at int64) error {
		moved := at + tokenSize - in.End
		if in.Start+int64(in.Prefix)+moved < 0 {
			return nil
		}
		ok, err := beginsLikeOurs(f, in, moved)
		if ok {
			shift, found = moved, true
		}
		return err
	})
	return shift, found, err
}

// unfinishedHere looks at the region's own place. Its last octets are the token
// or, if the last step was ended in its middle, of the token, of what replaces
// it, or zero. A file that ends before it has no region of ours: it is extended
// in one step. (And a shorter file may have been rewritten, which leaves
// messages that look like ours.)
func unfinishedHere(f *os.File, in *intent) (bool, error) {
	end := make([]byte, tokenSize)
	_, err := f.ReadAt(end, in.End-tokenSize)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil || !uncommitted(end, in.Token, in.Tail) {
		return false, err
	}
	return beginsLikeOurs(f, in, 0)
}

func uncommitted(end, token, tail []byte) bool {
	for i, b := range end {
		if b != token[i] && b != tail[i] && b != 0 {
			return false
		}
	}
	return !bytes.Equal(end, tail)
}

// beginsLikeOurs reports whether the octets at the message's place are those
// of its separator line, up to where it was written, then zeros. The region's
// end is not looked at: a short one may have its token there.
func beginsLikeOurs(f *os.File, in *intent, shift int64) (bool, error) {
	head := make([]byte, min(int64(len(in.Sep)), in.End-tokenSize-in.Offset))
	n, err := f.ReadAt(head, in.Offset+shift)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for i, b := range head[:n] {
		if b != in.Sep[i] && b != 0 {
			return false, nil
		}
	}
	return true, nil
}

// search looks for the message in a file that was rewritten.
func search(ctx context.Context, f *os.File, in *intent, begin int64) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	left := in.Nth + 1
	err = scan(ctx, f, begin, info.Size(), in.Format, func(e entry) error {
		if e.sep != in.Sep {
			return nil
		}
		sum, err := contentSum(f, e)
		if err == nil && bytes.Equal(sum[:], in.Sum) {
			left--
		}
		if left == 0 {
			return errStop
		}
		return err
	})
	return left == 0, err
}

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
