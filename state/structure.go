package state

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
)

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSize    = 64 // behind the page header
	maxPageSize = 1 << 20
)

// meta is one of the two pages that say where the rest is. Transactions write
// them one after the other.
type meta struct {
	slot, root, free, pages, tx uint64
	size                        int
}

// parseMeta reads a meta page with its header. False: it is not whole.
func parseMeta(b []byte) (meta, bool) {
	if len(b) < pageHeader+metaSize {
		return meta{}, false
	}
	d := b[pageHeader:]
	h := fnv.New64a()
	h.Write(d[:56])
	m := meta{slot: u64(b), size: int(u32(d[8:])), root: u64(d[16:]), free: u64(d[32:]), pages: u64(d[40:]), tx: u64(d[48:])}
	ok := u16(b[8:])&pageMeta != 0 && u32(d) == boltMagic && u32(d[4:]) == boltVersion && u64(d[56:]) == h.Sum64() &&
		m.size >= 512 && m.size <= maxPageSize && bits.OnesCount(uint(m.size)) == 1 && m.pages <= 1<<62/maxPageSize
	return m, ok
}

// precheck looks at what bbolt believes when it opens a file: the meta pages
// and the size of the list of free pages. A file with one good meta page, which
// bbolt takes, lost its last transaction: a message recorded in it would come again.
func precheck(f io.ReaderAt, length int64) error {
	if length == 0 {
		return nil // bbolt lays it out
	}
	m, err := readMetas(f)
	switch {
	case err != nil:
		return err
	case length < int64(m.pages)*int64(m.size):
		return fmt.Errorf("%w (it is cut short)", ErrNotState)
	}
	head := make([]byte, pageHeader+8)
	if _, err := f.ReadAt(head, int64(m.free)*int64(m.size)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, _, err = m.freeList(head)
	return err
}

// readMetas returns the newer of two good meta pages.
func readMetas(f io.ReaderAt) (meta, error) {
	var m [2]meta
	size := int64(0)
	for i := range m {
		b := make([]byte, pageHeader+metaSize)
		if _, err := f.ReadAt(b, int64(i)*size); err != nil && !errors.Is(err, io.EOF) {
			return meta{}, err
		}
		var ok bool
		if m[i], ok = parseMeta(b); !ok || m[i].slot != uint64(i) || m[i].tx%2 != uint64(i) {
			return meta{}, fmt.Errorf("%w (its first pages are broken)", ErrNotState)
		}
		size = int64(m[0].size)
	}
	if m[0].tx < m[1].tx {
		m[0] = m[1]
	}
	return m[0], nil
}

// freePages reads the whole list.
func (m meta) freePages(b []byte) ([]uint64, error) {
	first, n, err := m.freeList(b)
	if err != nil {
		return nil, err
	}
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = u64(b[first+8*uint64(i):])
	}
	return ids, nil
}

// freeList reads the header of the page with the list of free pages: where in
// it the list begins, and how long it is. It fits into the page.
func (m meta) freeList(head []byte) (first, n uint64, err error) {
	more := uint64(u32(head[12:]))
	first, n = pageHeader, uint64(u16(head[10:]))
	if n == 0xFFFF {
		first, n = pageHeader+8, u64(head[pageHeader:])
	}
	if m.free < firstPage || m.free >= m.pages || more >= m.pages-m.free || u64(head) != m.free || u16(head[8:]) != pageFree ||
		n > ((more+1)*uint64(m.size)-first)/8 {
		return 0, 0, errPage
	}
	return first, n, nil
}

// structure checks that each page is used once, so that there are no cycles and no
// page in use is overwritten. It reads no leaves of large buckets, which are most of
// a file: each is checked when it is used.
type structure struct {
	img  image
	used []uint64 // bits
	left uint64   // pages not used
	tips []uint64 // leaves
}

func checkStructure(img image, m meta) error {
	s := &structure{img: img, used: make([]uint64, img.pages()/64+1), left: img.pages() - firstPage}
	if err := s.free(m); err != nil {
		return err
	}
	if err := s.tree(img.root); err != nil {
		return err
	}
	return s.overflows()
}

func (s *structure) use(first, n uint64) error {
	if first < firstPage || first >= s.img.pages() || n > s.img.pages()-first {
		return errPage
	}
	for id := first; id < first+n; id++ {
		if bit := uint64(1) << (id % 64); s.used[id/64]&bit == 0 {
			s.used[id/64] |= bit
			continue
		}
		return errPage
	}
	s.left -= n
	return nil
}

func (s *structure) free(m meta) error {
	b, err := s.img.raw(m.free)
	if err != nil {
		return err
	}
	ids, err := m.freePages(b)
	if err != nil {
		return err
	}
	if err := s.use(m.free, uint64(len(b)/m.size)); err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.use(id, 1); err != nil {
			return err
		}
	}
	return nil
}

// tree marks the list of buckets and the buckets in it.
func (s *structure) tree(root uint64) error {
	w := &walk{t: tree{img: s.img, root: root}}
	if err := s.mark(root); err != nil {
		return err
	}
	for {
		l, ok, err := w.next()
		if err != nil || !ok {
			return err
		}
		if l.sound() != nil || l.inOrder() != nil {
			return errPage
		}
		for i := range l.n {
			t, err := s.img.nested(l.page, i)
			if err != nil {
				return err
			}
			if t.inline != nil {
				if p, err := t.first(); err != nil || p.sound() != nil {
					return errPage
				}
			} else if err := s.mark(t.root); err != nil {
				return err
			}
		}
	}
}

// mark marks the pages of a tree. All its leaves are at the same depth.
func (s *structure) mark(root uint64) error {
	depth := 0
	for id := root; ; depth++ {
		p, err := s.img.at(id)
		if err != nil || depth > maxDepth {
			return errPage
		}
		if p.isLeaf {
			break
		}
		id = p.child(0)
	}
	return s.markTo(root, depth)
}

func (s *structure) markTo(id uint64, depth int) error {
	if depth == 0 {
		s.tips = append(s.tips, id)
		return s.use(id, 1)
	}
	p, err := s.img.at(id)
	if err != nil || p.isLeaf || p.sound() != nil {
		return errPage
	}
	if err := s.use(id, uint64(len(p.b)/s.img.size)); err != nil {
		return err
	}
	for i := range p.n {
		if i > 0 && string(p.key(i-1)) >= string(p.key(i)) {
			return errPage
		}
		if err := s.markTo(p.child(i), depth-1); err != nil {
			return err
		}
	}
	return nil
}

// overflows marks the pages that continue leaves, which takes to look at all of
// them: only if there are pages that nothing else accounts for.
func (s *structure) overflows() error {
	if s.left == 0 {
		return nil
	}
	for _, id := range s.tips {
		b, err := s.img.raw(id)
		if err != nil {
			return err
		}
		if n := uint64(len(b) / s.img.size); n > 1 {
			if err := s.use(id+1, n-1); err != nil {
				return err
			}
		}
	}
	return nil
}
