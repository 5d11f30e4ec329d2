package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
	"unsafe"

	"go.etcd.io/bbolt"
)

// The layout of a bbolt file, in the byte order of the machine. A page: id (8
// bytes), flags (2), count (2), further pages (4), elements of 16 bytes, and
// right behind them the keys and values in the order of the elements. bbolt
// trusts all of it: with a damaged page it reads outside the file, loops for ever or
// crashes. So pages are read here, within their bounds, and bbolt only gets pages
// that were checked.
const (
	pageHeader = 16
	elemSize   = 16
	bucketSize = 16 // root page, sequence

	pageBranch = 0x01
	pageLeaf   = 0x02
	pageMeta   = 0x04
	pageFree   = 0x10

	firstPage = 2  // behind the two meta pages
	maxDepth  = 40 // of a tree; two keys a page would fill all pages there can be
)

var errPage = fmt.Errorf("%w (a page of it is broken)", ErrNotState)

func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// image is the pages of one snapshot: the file as far as it is in use.
type image struct {
	b    []byte
	size int // of a page
	root uint64
	tx   uint64
}

// imageOf returns the pages that a transaction sees at its start. False: the meta
// page was overwritten in the meantime, and the transaction must be started again.
func imageOf(tx *bbolt.Tx) (image, bool) {
	info := tx.DB().Info()
	base := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data))
	id := uint64(tx.ID())
	if tx.Writable() {
		id-- // of the transaction before, whose pages it begins with
	}
	m, ok := parseMeta(unsafe.Slice((*byte)(base), 2*info.PageSize)[int(id%2)*info.PageSize:])
	if !ok || m.tx != id || m.size != info.PageSize || int64(m.pages)*int64(m.size) > tx.Size() {
		return image{}, false
	}
	return image{b: unsafe.Slice((*byte)(base), int(m.pages)*m.size), size: m.size, root: m.root, tx: m.tx}, true
}

// holds reports whether an address is in the image.
func (m image) holds(addr uintptr) bool {
	base := uintptr(unsafe.Pointer(unsafe.SliceData(m.b)))
	return addr >= base && addr-base < uintptr(len(m.b))
}

func (m image) pages() uint64 { return uint64(len(m.b) / m.size) }

// raw returns a page with the pages that continue it. Its header is right.
func (m image) raw(id uint64) ([]byte, error) {
	if id < firstPage || id >= m.pages() {
		return nil, errPage
	}
	b := m.b[int(id)*m.size:]
	more := uint64(u32(b[12:]))
	if u64(b) != id || more >= m.pages()-id {
		return nil, errPage
	}
	return b[:(int(more)+1)*m.size], nil
}

// at returns a page of a tree by its header alone.
func (m image) at(id uint64) (page, error) {
	b, err := m.raw(id)
	if err != nil {
		return page{}, err
	}
	return parsePage(b)
}

// page is a page of a tree. Its elements are where they should be if it is sound.
type page struct {
	b      []byte
	n      int
	isLeaf bool
}

func parsePage(b []byte) (page, error) {
	if len(b) < pageHeader {
		return page{}, errPage
	}
	flags := u16(b[8:])
	p := page{b: b, n: int(u16(b[10:])), isLeaf: flags == pageLeaf}
	if !p.isLeaf && (flags != pageBranch || p.n == 0) || pageHeader+p.n*elemSize > len(b) {
		return page{}, errPage
	}
	return p, nil
}

// pageSize is the size of each of the pages that p consists of.
func (p page) pageSize() uint64 { return uint64(len(p.b)) / (uint64(u32(p.b[12:])) + 1) }

// sound insists on the layout that bbolt writes, without a gap: a wrong count or
// length shows.
func (p page) sound() error {
	next := uint64(pageHeader + p.n*elemSize)
	for i := range p.n {
		off, ks, vs := p.place(i)
		if off != next || ks == 0 {
			return errPage
		}
		if next += ks + vs; next > uint64(len(p.b)) {
			return errPage
		}
	}
	return nil
}

// place says where the key of an element begins, and the lengths.
func (p page) place(i int) (off, ks, vs uint64) {
	at := pageHeader + i*elemSize
	e := p.b[at:]
	if p.isLeaf {
		return uint64(at) + uint64(u32(e[4:])), uint64(u32(e[8:])), uint64(u32(e[12:]))
	}
	return uint64(at) + uint64(u32(e)), uint64(u32(e[4:])), 0
}

func (p page) key(i int) []byte {
	off, ks, _ := p.place(i)
	return p.b[off : off+ks : off+ks]
}

func (p page) pair(i int) (k, v []byte) {
	off, ks, vs := p.place(i)
	mid, end := off+ks, off+ks+vs
	return p.b[off:mid:mid], p.b[mid:end:end]
}

// nested reports whether an element of a leaf is a bucket.
func (p page) nested(i int) bool { return u32(p.b[pageHeader+i*elemSize:]) == 1 }

func (p page) child(i int) uint64 { return u64(p.b[pageHeader+i*elemSize+8:]) }

// search returns the first element whose key is not below k.
func (p page) search(k []byte) (i int, equal bool) {
	return sort.Find(p.n, func(i int) int { return bytes.Compare(k, p.key(i)) })
}

// toward returns the child to go to for k; nil is behind all keys.
func (p page) toward(k []byte) int {
	if k == nil {
		return p.n - 1
	}
	i, equal := p.search(k)
	if !equal && i > 0 {
		i--
	}
	return i
}

// tree is a bucket, or the file's list of them.
type tree struct {
	img    image
	root   uint64
	inline []byte // small buckets lie in the list
}

// tree returns a bucket of the file.
func (m image) tree(name string) (tree, error) {
	l, err := tree{img: m, root: m.root}.leafOf([]byte(name))
	if err != nil {
		return tree{}, err
	}
	i, equal := l.search([]byte(name))
	if !equal && later(name) { // of a version that did not have it; its tally says whether it is lost
		return tree{img: m, inline: []byte{8: pageLeaf, pageHeader - 1: 0}}, nil
	}
	if !equal {
		return tree{}, fmt.Errorf("%w (no bucket %s)", ErrNotState, name)
	}
	return m.nested(l.page, i)
}

// nested returns the bucket in an element of the list.
func (m image) nested(p page, i int) (tree, error) {
	_, v := p.pair(i)
	if !p.nested(i) || len(v) < bucketSize {
		return tree{}, errPage
	}
	if root := u64(v); root != 0 {
		return tree{img: m, root: root}, nil
	}
	return tree{img: m, inline: v[bucketSize:]}, nil
}

// first returns the root page.
func (t tree) first() (page, error) {
	if t.inline == nil {
		return t.img.at(t.root)
	}
	p, err := parsePage(t.inline)
	if err == nil && !p.isLeaf {
		err = errPage
	}
	return p, err
}

// leaf is a page of pairs, and the bounds that the pages above it give its keys:
// low <= key < high, nil for none. Its id is 0 if it lies in the list.
type leaf struct {
	page
	id        uint64
	low, high []byte
}

func (l leaf) below(p page, i int) leaf {
	l.id = p.child(i)
	if i > 0 {
		l.low = p.key(i)
	}
	if i+1 < p.n {
		l.high = p.key(i + 1)
	}
	return l
}

// leafOf returns the leaf where k is or would be, for nil the last. The branches
// were checked when the file was opened; the caller checks the leaf.
func (t tree) leafOf(k []byte) (leaf, error) {
	l := leaf{id: t.root}
	p, err := t.first()
	for range maxDepth {
		if err != nil || p.isLeaf {
			l.page = p
			return l, err
		}
		l = l.below(p, p.toward(k))
		p, err = t.img.at(l.id)
	}
	return leaf{}, errPage
}

// walk goes through the leaves in the order of the keys.
type walk struct {
	t     tree
	stack []step
	begun bool
	pages uint64 // visited; more than there are: a cycle
}

type step struct {
	leaf
	i int // the next child
}

// next returns false at the end. The caller checks the leaf.
func (w *walk) next() (leaf, bool, error) {
	if !w.begun {
		w.begun = true
		p, err := w.t.first()
		return w.enter(leaf{page: p, id: w.t.root}, err)
	}
	for len(w.stack) > 0 {
		top := &w.stack[len(w.stack)-1]
		if top.i == top.n {
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		l := top.below(top.page, top.i)
		top.i++
		p, err := w.t.img.at(l.id)
		l.page = p
		if got, ok, err := w.enter(l, err); ok || err != nil {
			return got, ok, err
		}
	}
	return leaf{}, false, nil
}

// enter visits a page: next returns a leaf, and goes down into a branch.
func (w *walk) enter(l leaf, err error) (leaf, bool, error) {
	w.pages++
	if err == nil && !l.isLeaf {
		err = l.sound()
	}
	if err != nil || w.pages > w.t.img.pages() || len(w.stack) > maxDepth {
		return leaf{}, false, errPage
	}
	if l.isLeaf {
		return l, true, nil
	}
	w.stack = append(w.stack, step{leaf: l})
	if w.pages > 1 {
		return leaf{}, false, nil
	}
	return w.next()
}

// inOrder checks the keys of a leaf against each other and their bounds.
func (l leaf) inOrder() error {
	last := l.low
	for i := range l.n {
		k := l.key(i)
		if c := bytes.Compare(last, k); last != nil && (c > 0 || c == 0 && i > 0) {
			return errPage
		}
		last = k
	}
	if l.n > 0 && l.high != nil && bytes.Compare(last, l.high) >= 0 {
		return errPage
	}
	return nil
}
