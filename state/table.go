package state

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"go.etcd.io/bbolt"
)

// sealSize is how much longer a value is on disk: its CRC-32C, of the name of
// the bucket, the key, and the value.
const sealSize = 4

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once, by the library

// sealer adds and checks the sums of the records of one bucket. The zero value
// is for format version 1, which has none.
type sealer struct {
	table *crc32.Table
	seed  uint32
	bare  bool // of the bucket meta, where not all records have a sum
}

func newSealer(bucket string, version int) sealer {
	if version < sealedVersion {
		return sealer{}
	}
	return sealer{castagnoli(), crc32.Checksum([]byte(bucket), castagnoli()), bucket == bucketMeta}
}

func (s sealer) sum(k, v []byte) uint32 {
	return crc32.Update(crc32.Update(s.seed, s.table, k), s.table, v)
}

// seal appends the sum to a value, in its array if there is room.
func (s sealer) seal(k, v []byte) []byte {
	if s.table == nil {
		return v
	}
	return binary.BigEndian.AppendUint32(v, s.sum(k, v))
}

func (s sealer) bareKey(k []byte) bool {
	return s.table == nil || s.bare && (string(k) == metaMagic || string(k) == metaVersion)
}

// open returns the value without its sum, and the sum. By magic and version any
// program knows the file: they have none.
func (s sealer) open(k, sealed []byte) ([]byte, uint32, error) {
	if s.bareKey(k) {
		return sealed, 0, nil
	}
	n := len(sealed) - sealSize
	if n < 0 {
		return nil, 0, errCorrupt
	}
	sum := binary.BigEndian.Uint32(sealed[n:])
	if s.sum(k, sealed[:n]) != sum {
		return nil, 0, errCorrupt
	}
	return sealed[:n:n], sum, nil
}

// check checks the records of a leaf, in one pass over what may be a million of
// them: that they are where they should be (page.sound), their order
// (leaf.inOrder), their sums, and that there is no bucket among them, nor a page
// at the end that no record needs: bbolt would free it, and it may be another's. It
// counts them.
func (s sealer) check(l leaf, met *tally) error {
	next := uint64(pageHeader + l.n*elemSize)
	last := l.low
	for i := range l.n {
		at := pageHeader + i*elemSize
		e := l.b[at : at+elemSize]
		flags, ks, vs := u32(e), uint64(u32(e[8:])), uint64(u32(e[12:]))
		if flags != 0 || uint64(at)+uint64(u32(e[4:])) != next || ks == 0 || next+ks+vs > uint64(len(l.b)) {
			return errPage
		}
		k, v := l.b[next:next+ks], l.b[next+ks:next+ks+vs]
		if c := bytes.Compare(last, k); last != nil && (c > 0 || c == 0 && i > 0) {
			return errPage
		}
		_, sum, err := s.open(k, v)
		if err != nil {
			return err
		}
		if !s.bare || !s.bareKey(k) && string(k) != metaTallies {
			met.add(sum)
		}
		last, next = k, next+ks+vs
	}
	if l.n > 0 && l.high != nil && bytes.Compare(last, l.high) >= 0 || uint64(len(l.b))-next >= l.pageSize() {
		return errPage
	}
	return nil
}

// table is a bucket in a write transaction. It checks each page before bbolt reads
// it.
type table struct {
	sealer
	db     *DB
	name   string
	b      *bbolt.Bucket
	cursor *bbolt.Cursor
	tree   tree   // as the transaction found it
	want   *tally // what there should be in it; nil: not known yet
	change tally
}

// tables are all buckets of a file.
type tables struct {
	meta, entries, intents, names, failures, gone, runs, budget, flaws, copies *table

	tx      *bbolt.Tx
	all     []*table // in the order of buckets()
	tallies *tallies // at the start
}

func (db *DB) openTables(tx *bbolt.Tx) (*tables, error) {
	img, ok := imageOf(tx)
	if !ok {
		return nil, errPage
	}
	ts := tables{tx: tx}
	for i, field := range []**table{&ts.meta, &ts.entries, &ts.intents, &ts.names, &ts.failures, &ts.gone, &ts.runs, &ts.budget, &ts.flaws,
		&ts.copies} {
		name := buckets()[i]
		b := tx.Bucket([]byte(name))
		t, err := img.tree(name)
		if b == nil && later(name) && err == nil {
			b, err = tx.CreateBucket([]byte(name))
		}
		if err != nil || b == nil {
			return nil, errPage
		}
		*field = &table{sealer: newSealer(name, db.version), db: db, name: name, b: b, cursor: b.Cursor(), tree: t}
		ts.all = append(ts.all, *field)
	}
	v, err := ts.meta.get([]byte(metaTallies))
	if err != nil {
		return nil, err
	}
	if ts.tallies, err = decodeTallies(v, img.tx); err != nil {
		return nil, err
	}
	for i, t := range ts.all {
		t.want = &tally{ts.tallies.list[i].n, ts.tallies.list[i].sum}
	}
	return &ts, nil
}

// putTallies is the last step: it counts what the others did.
func (ts *tables) putTallies() error {
	for i, t := range ts.all {
		ts.tallies.list[i].n += t.change.n
		ts.tallies.list[i].sum += t.change.sum
	}
	return ts.tallies.put(ts.tx)
}

// ready checks what bbolt reads to find k, to put it or to get it. Only of the
// entries that is less than all.
func (t *table) ready(k []byte) error {
	if t.name != bucketEntries {
		return t.whole()
	}
	if t.db.sound[t.name] {
		return nil
	}
	l, err := t.tree.leafOf(k)
	if err != nil || t.db.soundPages[l.id] {
		return err
	}
	if err := t.check(l, new(tally)); err != nil {
		return err
	}
	t.db.soundPages[l.id] = true
	return nil
}

// whole checks all of the bucket, once while the file is open: what comes later is
// our own. A deletion needs it, which may join any two pages.
func (t *table) whole() error {
	if t.db.sound[t.name] {
		return nil
	}
	r := reader{walk: walk{t: t.tree}, sealer: t.sealer, met: new(tally), want: t.want}
	for _, ok := r.next(); ok; {
		_, ok = r.next()
	}
	t.db.sound[t.name] = r.err == nil
	return r.err
}

// get returns the value of k, nil if there is none.
func (t *table) get(k []byte) ([]byte, error) {
	v, _, err := t.lookup(k)
	return v, err
}

func (t *table) lookup(k []byte) (v []byte, sum uint32, err error) {
	if err := t.ready(k); err != nil {
		return nil, 0, err
	}
	found, sealed := t.cursor.Seek(k)
	if !bytes.Equal(found, k) {
		return nil, 0, nil
	}
	return t.open(k, sealed)
}

// has reports whether there is k.
func (t *table) has(k []byte) (bool, error) {
	v, _, err := t.lookup(k)
	return v != nil, err
}

// put stores a value, to whose array it may append.
func (t *table) put(k, v []byte) error {
	old, sum, err := t.lookup(k)
	if err != nil {
		return err
	}
	if old != nil {
		t.change.remove(sum)
	}
	v = t.seal(k, v)
	t.change.add(sumOf(v))
	return t.b.Put(k, v)
}

// sumOf returns the sum of a record that has one.
func sumOf(sealed []byte) uint32 {
	return binary.BigEndian.Uint32(sealed[len(sealed)-sealSize:])
}

// del removes k if it is there.
func (t *table) del(k []byte) error {
	if err := t.whole(); err != nil {
		return err
	}
	old, sum, err := t.lookup(k)
	if err != nil || old == nil {
		return err
	}
	t.change.remove(sum)
	return t.b.Delete(k)
}

// keys returns copies of all keys. It is for small buckets.
func (t *table) keys() ([][]byte, error) {
	if err := t.whole(); err != nil {
		return nil, err
	}
	var keys [][]byte
	for k, _ := t.cursor.First(); k != nil; k, _ = t.cursor.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	return keys, nil
}

func (t *table) empty() (bool, error) {
	if err := t.whole(); err != nil {
		return false, err
	}
	k, _ := t.cursor.First()
	return k == nil, nil
}

// last returns a copy of the greatest key, nil if there is none.
func (t *table) last() ([]byte, error) {
	if err := t.ready(nil); err != nil {
		return nil, err
	}
	k, _ := t.cursor.Last()
	return bytes.Clone(k), nil
}

// lastNumber returns the greatest of keys that are numbers. The bucket's own
// sequence, which older versions go by, has no sum: it would be believed if damaged.
func (t *table) lastNumber() (uint64, error) {
	k, err := t.last()
	return readCount(k), err
}

// tally counts records and adds up their sums, so that a record that is
// missing shows: a page may be whole and an old one.
type tally struct{ n, sum uint64 }

func (t *tally) add(sum uint32)    { t.n++; t.sum += uint64(sum) }
func (t *tally) remove(sum uint32) { t.n--; t.sum -= uint64(sum) }

// tallies are those of all buckets, in the order of buckets(), after a
// transaction: each transaction writes them, so that those of another one show
// that the page that should hold them is an old one.
type tallies struct {
	tx   uint64
	list []tally
}

func (l *tallies) of(bucket string) *tally { return &l.list[slices.Index(buckets(), bucket)] }

func decodeTallies(b []byte, tx uint64) (*tallies, error) {
	l := &tallies{tx: tx}
	if len(b) < 8 || binary.BigEndian.Uint64(b) != tx {
		return nil, errPage
	}
	for b = b[8:]; len(b) >= 16; b = b[16:] {
		l.list = append(l.list, tally{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])})
	}
	for len(l.list) < len(buckets()) {
		l.list = append(l.list, tally{})
	}
	return l, nil
}

// put stores them in the bucket meta, as the last step of a transaction.
func (l *tallies) put(tx *bbolt.Tx) error {
	k := []byte(metaTallies)
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+16*len(l.list)+sealSize), uint64(tx.ID()))
	for _, t := range l.list {
		b = binary.BigEndian.AppendUint64(b, t.n)
		b = binary.BigEndian.AppendUint64(b, t.sum)
	}
	return tx.Bucket([]byte(bucketMeta)).Put(k, newSealer(bucketMeta, sealedVersion).seal(k, b))
}
