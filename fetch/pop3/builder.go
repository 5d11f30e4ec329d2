package pop3

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

const (
	slabSize   = 32 << 10
	maxReserve = 1 << 20
)

// builder makes the list of messages out of UIDL and LIST lines. It holds
// nothing per line but the Message and the octets of its UID, which are kept
// in slabs: a mailbox may have a million messages.
type builder struct {
	max    int
	uidl   bool // a UIDL reply came: it decides which messages there are
	sizes  bool // they are asked for
	full   bool // more than max entries
	msgs   []Message
	slab   strings.Builder
	next   int     // where the next LIST line probably belongs
	sorted bool    // message numbers ascend strictly
	order  []int32 // indices by message number, if they do not
	report ListReport
}

func (b *builder) addUID(line []byte) {
	if b.full || blank(line) {
		return // a full list is refused when it ends, if it ends
	}
	num, uid, ok := parseUIDL(line)
	if !ok {
		odd(line, &b.report.Malformed, &b.report.Example)
		return
	}
	b.add(Message{UID: b.keep(uid), Size: -1, Num: num})
}

func (b *builder) add(m Message) {
	if len(b.msgs) >= b.max {
		b.full = true
		return
	}
	if len(b.msgs) == cap(b.msgs) { // append grows large slices by a quarter: more memory touched in all
		b.msgs = slices.Grow(b.msgs, min(max(len(b.msgs), 64), b.max-len(b.msgs)))
	}
	b.msgs = append(b.msgs, m)
}

// keep copies uid to a slab. What a strings.Builder has given out stays valid
// while it grows within its capacity.
func (b *builder) keep(uid []byte) string {
	if b.slab.Cap()-b.slab.Len() < len(uid) {
		b.slab = strings.Builder{}
		b.slab.Grow(slabSize)
	}
	start := b.slab.Len()
	b.slab.Write(uid)
	return b.slab.String()[start:]
}

// beginSizes ends the UIDL lines.
func (b *builder) beginSizes() {
	if b.uidl {
		b.settle()
	}
}

// settle drops messages whose number came before, and prepares find.
func (b *builder) settle() {
	if b.sorted = ascending(b.msgs); b.sorted {
		return
	}
	b.index()
	const gone = 0 // no message has this number
	last := gone
	for _, i := range b.order {
		if b.msgs[i].Num == last {
			b.msgs[i].Num = gone
			b.report.Duplicates++
			continue
		}
		last = b.msgs[i].Num
	}
	b.msgs = slices.DeleteFunc(b.msgs, func(m Message) bool { return m.Num == gone })
	if b.sorted = ascending(b.msgs); !b.sorted {
		b.index()
	}
}

func ascending(msgs []Message) bool {
	for i := 1; i < len(msgs); i++ {
		if msgs[i].Num <= msgs[i-1].Num {
			return false
		}
	}
	return true
}

func (b *builder) index() {
	b.order = make([]int32, len(b.msgs))
	for i := range b.order {
		b.order[i] = int32(i)
	}
	slices.SortFunc(b.order, func(x, y int32) int {
		return cmp.Or(cmp.Compare(b.msgs[x].Num, b.msgs[y].Num), cmp.Compare(x, y))
	})
}

func (b *builder) addSize(line []byte) {
	if b.full || blank(line) {
		return
	}
	num, size, ok := parseLIST(line)
	if !ok {
		odd(line, &b.report.BadSizes, &b.report.BadSize)
		return
	}
	if !b.uidl {
		b.add(Message{Size: size, Num: num})
		return
	}
	i := b.find(num)
	if i < 0 {
		b.report.NoUID++
		return
	}
	b.next = i + 1
	if b.msgs[i].Size < 0 {
		b.msgs[i].Size = size
	}
}

// find returns the index of message num, -1 if there is none. Almost always
// LIST has the order of UIDL.
func (b *builder) find(num int) int {
	if b.next < len(b.msgs) && b.msgs[b.next].Num == num {
		return b.next
	}
	if b.sorted {
		i, ok := slices.BinarySearchFunc(b.msgs, num, func(m Message, n int) int { return cmp.Compare(m.Num, n) })
		if !ok {
			return -1
		}
		return i
	}
	i, ok := slices.BinarySearchFunc(b.order, num, func(k int32, n int) int { return cmp.Compare(b.msgs[k].Num, n) })
	if !ok {
		return -1
	}
	return int(b.order[i])
}

// finish returns the list. It does not keep room that STAT promised in vain.
func (b *builder) finish() []Message {
	b.settle()
	if b.uidl && b.sizes {
		for _, m := range b.msgs {
			if m.Size < 0 {
				b.report.NoSize++
			}
		}
	}
	if cap(b.msgs) > 2*len(b.msgs)+64 {
		return append(make([]Message, 0, len(b.msgs)), b.msgs...)
	}
	return b.msgs
}

// blank reports whether a list line is empty: some servers put one in front of
// the first, and it stands for no message.
func blank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

// odd counts a line that makes no sense and keeps the first as an example.
func odd(line []byte, count *int, example *string) {
	if *count == 0 {
		*example = escape(line)
	}
	*count++
}
