package state

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"os"
	"slices"
	"time"
	"unicode/utf8"
)

// maxRecord bounds the work on a broken page: no entry is as long.
const maxRecord = 64 << 10

// Salvaged is the result of Salvage.
type Salvaged struct {
	Entries int
	// Recorded is how many the file says there should be; -1: that is lost, too.
	Recorded int
	// Whole: nothing is missing, and nothing was found broken.
	Whole bool
}

// Salvage writes what can be read of a state file, damaged or not, to w, as
// Export does but without what is only for reading. It reads every page that was
// in use by itself, and of a record only what its sum proves. A file from which
// nothing can be read gives no entries and no error. Errors are of the disk,
// ErrLocked, or w's.
func Salvage(path string, w io.Writer) (Salvaged, error) {
	f, err := os.Open(path)
	if err != nil {
		return Salvaged{}, err
	}
	defer f.Close()
	if err := tryLock(f, true); err != nil {
		return Salvaged{}, fileError(path, false, err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return Salvaged{}, err
	}
	s := &salvage{b: b, names: map[uint64]string{}, entries: map[Key]Entry{}, flaws: map[Key][]Flaw{}, broken: isBroken(path)}
	s.read()
	return s.result(), s.write(w)
}

// isBroken reports whether the file is refused, or anything in it.
func isBroken(path string) bool {
	db, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		return true
	}
	defer db.Close()
	return db.view(func(v *View) error {
		for _, name := range buckets() {
			v.each(name, func(_, _ []byte) error { return nil })
		}
		return v.err
	}) != nil
}

type salvage struct {
	b       []byte
	img     image
	names   map[uint64]string // targets
	entries map[Key]Entry
	flaws   map[Key][]Flaw
	counts  []uint64 // how many entries there should be, by each record that says so
	broken  bool
	old     bool // format version 1
}

// read goes through the pages several times: entries hold numbers of targets. If no
// record has its sum, the file is of format version 1.
func (s *salvage) read() {
	m, good := s.layout()
	s.img = image{b: s.b[:len(s.b)/m.size*m.size], size: m.size}
	ids := s.inUse(m, good)
	for _, s.old = range []bool{false, true} {
		for _, take := range []func(k, v []byte){s.takeTarget, s.takeEntry, s.takeFlaws} {
			for _, id := range ids {
				s.records(s.img.b[int(id)*s.img.size:], id, take)
			}
		}
		if len(s.entries) > 0 {
			return
		}
	}
}

// layout returns the newer meta page that is whole, else one that only has a
// likely size of the pages.
func (s *salvage) layout() (m meta, good bool) {
	for size := 512; size <= maxPageSize; size *= 2 {
		for _, at := range []int{0, size} {
			got, ok := parseMeta(s.b[min(at, len(s.b)):])
			if ok && got.size == size && (!good || got.tx > m.tx) {
				m, good = got, true
			}
		}
	}
	if !good {
		m.size = os.Getpagesize()
	}
	return m, good
}

// inUse returns the pages to read, those of the tree first. Without a list of
// free pages only those of the tree are in use for certain: what was forgotten,
// or changed since, must not come back. If there is no tree either, all are.
func (s *salvage) inUse(m meta, good bool) []uint64 {
	n := uint64(len(s.img.b) / m.size)
	seen := make([]bool, n)
	var ids []uint64
	s.reach(m.root, seen, &ids, maxDepth)
	free, known := s.free(m)
	if good && !known && len(ids) > 0 {
		return ids
	}
	for id := uint64(firstPage); id < n; id++ {
		if !seen[id] && !free[id] && (!good || id < m.pages) {
			ids = append(ids, id)
		}
	}
	return ids
}

// reach follows a tree, and from its leaves the buckets, as far as it goes.
func (s *salvage) reach(id uint64, seen []bool, ids *[]uint64, depth int) {
	if id < firstPage || id >= uint64(len(seen)) || seen[id] || depth == 0 {
		return
	}
	p, err := s.img.at(id)
	if err != nil {
		return
	}
	seen[id] = true
	*ids = append(*ids, id)
	for i := range p.n {
		if !p.isLeaf {
			s.reach(p.child(i), seen, ids, depth-1)
		} else if p.nested(i) {
			if _, v, ok := p.lenient(i); ok && len(v) >= bucketSize {
				s.reach(u64(v), seen, ids, maxDepth)
			}
		}
	}
}

func (s *salvage) free(m meta) (free map[uint64]bool, known bool) {
	b, err := s.img.raw(m.free)
	if err != nil {
		return nil, false
	}
	ids, err := m.freePages(b)
	if err != nil {
		return nil, false
	}
	free = map[uint64]bool{m.free: true}
	for _, id := range ids {
		free[id] = true
	}
	return free, true
}

// records calls take for what looks like a pair of a leaf that begins at b. A
// broken count does not stop it: how many there are also follows from where the
// first key is.
func (s *salvage) records(b []byte, id uint64, take func(k, v []byte)) {
	if u64(b) != id || u16(b[8:]) == pageFree || u16(b[8:]) == pageBranch {
		return
	}
	if more := uint64(u32(b[12:])); more < uint64(len(b)/s.img.size) {
		b = b[:(int(more)+1)*s.img.size]
	}
	s.pairs(b, take, true)
}

// pairs is records for a page or, within one, a small bucket.
func (s *salvage) pairs(b []byte, take func(k, v []byte), within bool) {
	if len(b) < pageHeader+elemSize {
		return
	}
	n := max(int(u16(b[10:])), int(min(u32(b[pageHeader+4:])/elemSize, 1<<16)))
	p := page{b: b, n: min(n, (len(b)-pageHeader)/elemSize), isLeaf: true}
	for i := range p.n {
		k, v, ok := p.lenient(i)
		if !ok {
			continue
		}
		if p.nested(i) && within && len(v) > bucketSize && u64(v) == 0 {
			s.pairs(v[bucketSize:], take, false)
			continue
		}
		take(k, v)
	}
}

// lenient is pair for a page that may be broken.
func (p page) lenient(i int) (k, v []byte, ok bool) {
	off, ks, vs := p.place(i)
	if ks == 0 || ks+vs > maxRecord || off+ks+vs > uint64(len(p.b)) {
		return nil, nil, false
	}
	k, v = p.pair(i)
	return k, v, true
}

// takeTarget takes the names of targets, and what else helps.
func (s *salvage) takeTarget(k, v []byte) {
	switch {
	case len(k) == 4:
		if name, ok := s.unseal(bucketTargets, k, v); ok && utf8.Valid(name) && len(name) > 0 {
			s.keepName(uint64(binary.BigEndian.Uint32(k)), string(name))
		}
	case string(k) == metaTallies:
		if b, ok := s.unseal(bucketMeta, k, v); ok && len(b) >= 8 && !s.old {
			if l, err := decodeTallies(b, binary.BigEndian.Uint64(b)); err == nil {
				s.counts = append(s.counts, l.of(bucketEntries).n)
			}
		}
	case string(k) == metaCount && s.old && len(v) == 8:
		s.counts = append(s.counts, readCount(v))
	}
}

func (s *salvage) keepName(n uint64, name string) {
	if _, ok := s.names[n]; !ok {
		s.names[n] = name
	}
}

// unseal opens a record if it is one of that bucket, or may be.
func (s *salvage) unseal(bucket string, k, v []byte) ([]byte, bool) {
	if s.old {
		return v, true
	}
	got, _, err := newSealer(bucket, sealedVersion).open(k, v)
	return got, err == nil
}

// takeEntry takes a record that is an entry by its sum or, in format version
// 1, by its form. The first of a key counts. Where the name of a target is lost,
// so is the proof that its message is there: the entry counts as imported.
func (s *salvage) takeEntry(k, v []byte) {
	if _, ok := s.entries[Key(k)]; ok {
		return
	}
	plain, ok := s.unseal(bucketEntries, k, v)
	if !ok {
		return
	}
	e, err := decodeEntry(Key(k), Record(plain), func(n uint64) (string, bool) {
		name, ok := s.names[n]
		return name, ok || !s.old
	})
	if err != nil {
		return
	}
	all := len(e.Outcomes)
	e.Outcomes = slices.DeleteFunc(e.Outcomes, func(o Outcome) bool { return o.Target == "" })
	if len(e.Outcomes) < all {
		e.Source = Imported
	}
	s.entries[Key(k)] = e
}

// takeFlaws takes what verify found of a message's copies, and what a person accepted.
// Format version 1 has none.
func (s *salvage) takeFlaws(k, v []byte) {
	if s.old || s.flaws[Key(k)] != nil {
		return
	}
	var list []Flaw
	if text, ok := s.unseal(bucketFlaws, k, v); ok && json.Unmarshal(text, &list) == nil {
		s.flaws[Key(k)] = list
	}
}

func (s *salvage) result() Salvaged {
	r := Salvaged{Entries: len(s.entries), Recorded: -1}
	if len(s.counts) > 0 {
		r.Recorded = int(s.counts[0])
	}
	r.Whole = !s.broken && r.Recorded == r.Entries
	return r
}

func (s *salvage) write(w io.Writer) error {
	buf := bufio.NewWriter(w)
	for _, k := range slices.Sorted(maps.Keys(s.entries)) {
		e := s.entries[k]
		l := newLine(&e, time.Time{})
		l.Flaws = s.flaws[k]
		text, err := l.json()
		if err == nil {
			_, err = buf.Write(append(text, '\n'))
		}
		if err != nil {
			return err
		}
	}
	return buf.Flush()
}
