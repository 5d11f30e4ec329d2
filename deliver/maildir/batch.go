package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// batch is a group of messages on their way into the Maildir.
type batch struct {
	d      *Deliverer
	path   string // the Maildir, absolute
	where  intent // what the intents of the batch have in common
	marks  string // the path of the marks, from the first Add on
	group  *durable.Group
	shares *atomic.Int32 // of group, which the last one closes
	closed bool

	mu     sync.Mutex // guards staged while an Add is under way
	staged []staged
}

// staged is a message in tmp/.
type staged struct {
	tmp, new string // base names
	receipt  string
	size     int64
}

// Add writes one message to tmp/.
func (b *batch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	if err := ctx.Err(); err != nil {
		return &deliver.Error{Class: deliver.Later, Err: err}
	}
	now := b.d.now()
	if e.Date.IsZero() {
		e.Date = now
	}
	unique := fmt.Sprintf("%sQ%d", b.d.random, b.d.counter.Add(1))
	m := staged{
		tmp:     fmt.Sprintf("%d.%s.%s", seconds(now), unique, b.d.host),
		receipt: fmt.Sprintf("%d.%s", seconds(e.Date), unique),
	}
	if err := b.mark(m.tmp); err != nil {
		return b.d.failure("", err)
	}
	size, err := b.write(ctx, filepath.Join(b.path, "tmp", m.tmp), body)
	if err != nil {
		return err
	}
	m.size = size
	m.new = fmt.Sprintf("%s.%s,S=%d", m.receipt, b.d.host, size)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.staged = append(b.staged, m)
	return nil
}

// mark starts the marks of the Deliverer, by which a recovery finds what was
// published, and a later run what is left over.
func (b *batch) mark(tmp string) (err error) {
	if b.marks == "" {
		staged, _ := parseName(tmp)
		b.where.began, b.where.owner, err = b.d.startMarks(b.path, staged)
		b.where.tmp = tmp
		b.marks = filepath.Join(b.path, "tmp", b.where.marks())
	}
	return err
}

// Divide implements deliver.Divider. Both batches need the group: it was opened
// before the first file was written.
func (b *batch) Divide(n int) deliver.Batch { return b.divide(n) }

func (b *batch) divide(n int) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shares.Add(1)
	first := &batch{d: b.d, path: b.path, where: b.where, marks: b.marks, group: b.group, shares: b.shares, staged: b.staged[:n:n]}
	b.staged = b.staged[n:]
	return first
}

// last is the message that was staged last.
func (b *batch) last() staged {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.staged[len(b.staged)-1]
}

// dropLast removes it from the batch.
func (b *batch) dropLast() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.staged = b.staged[:len(b.staged)-1]
}

// write fills a new file, and leaves none if it fails. An error of body is
// returned as it is.
func (b *batch) write(ctx context.Context, path string, body io.Reader) (size int64, err error) {
	if err := fault.Error("maildir.create"); err != nil {
		return 0, b.d.failure("create", err)
	}
	f, err := durable.Create(path)
	if err != nil {
		return 0, b.d.failure("", err)
	}
	size, err = b.copy(ctx, f, body)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = b.d.failure("", cerr) // NFS reports a full disk here
	}
	if err != nil {
		_ = os.Remove(path) // the cause matters more; the sweep finds the rest
		return 0, err
	}
	return size, nil
}

func (b *batch) copy(ctx context.Context, f *os.File, body io.Reader) (size int64, err error) {
	buf := b.d.buffers.Get().(*[bufferSize]byte)
	defer b.d.buffers.Put(buf)
	for {
		n, rerr := fill(body, buf[:])
		if n > 0 {
			if err := fault.Error("maildir.write"); err != nil {
				return 0, b.d.failure("write", err)
			}
			if _, err := f.Write(buf[:n]); err != nil {
				return 0, b.d.failure("", err)
			}
			size += int64(n)
		}
		if rerr == io.EOF {
			return size, nil
		}
		if rerr != nil {
			return 0, rerr
		}
		if err := ctx.Err(); err != nil {
			return 0, &deliver.Error{Class: deliver.Later, Err: err}
		}
	}
}

// fill reads until buf is full or r ends. Not io.ReadFull: there an end in
// mid-buffer and a reader's own io.ErrUnexpectedEOF, a message cut short, are
// the same.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}

// Prepare makes the files and the entries of tmp/ durable.
func (b *batch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	names := make([]string, len(b.staged))
	intents := make([]deliver.Intent, len(b.staged))
	for i, m := range b.staged {
		names[i] = m.tmp
		in := b.where
		in.tmp, in.new = m.tmp, m.new
		intents[i] = deliver.Intent{Kind: Kind, Data: in.encode(), Receipt: m.receipt}
	}
	if err := b.group.Sync(ctx, names); err != nil {
		return nil, b.d.failure("", err)
	}
	_ = b.close() // a directory opened for reading has nothing to lose
	return intents, nil
}

// Publish renames each message into new/. A message whose result is an error
// is still staged, or it is visible and not known to be durable: its intent
// should be kept, so that Recover settles it.
func (b *batch) Publish(ctx context.Context) []deliver.Result {
	results := make([]deliver.Result, len(b.staged))
	var added []staged
	marks := openMarks(b.marks)
	defer marks.close()
	for i, m := range b.staged {
		if err := ctx.Err(); err != nil {
			results[i].Err = &deliver.Error{Class: deliver.Later, Err: err}
			continue
		}
		if err := publish(b.path, m.tmp, m.new); err != nil {
			results[i].Err = b.d.failure("", err)
			continue
		}
		n, _ := parseName(m.new)
		marks.set(n.number())
		added = append(added, m)
	}
	if len(added) == 0 {
		return results
	}
	if err := syncNew(b.path); err != nil {
		err = b.d.failure("", err)
		for i := range results {
			if results[i].Err == nil {
				results[i].Err = err
			}
		}
	}
	appendQuota(b.path, added)
	return results
}

// Abort removes the batch's files from tmp/.
func (b *batch) Abort() error {
	var errs []error
	for _, m := range b.staged {
		errs = append(errs, durable.Remove(filepath.Join(b.path, "tmp", m.tmp)))
	}
	b.staged = nil
	if err := errors.Join(append(errs, b.close())...); err != nil {
		return b.d.failure("abort", err)
	}
	return nil
}

// close gives up this batch's share of the directory, once.
func (b *batch) close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.shares.Add(-1) > 0 {
		return nil
	}
	return b.group.Close()
}

// publish moves a message from tmp/ to new/; syncNew then makes it durable.
// The mtime, which mail readers show as the date of receipt, is set just
// before and not when the file is made: there are sweepers that go by it.
func publish(path, tmp, new string) error {
	from, to := filepath.Join(path, "tmp", tmp), filepath.Join(path, "new", new)
	if err := fault.Error("maildir.rename"); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if n, ok := parseName(new); ok {
		_ = os.Chtimes(from, time.Time{}, n.date()) // the rename reports a missing file
	}
	if fault.Mutated("link-unlink") {
		return linkUnlink(from, to)
	}
	return durable.RenameNew(from, to)
}

// linkUnlink is a defect of many programs, here for the crash test.
func linkUnlink(from, to string) error {
	if err := os.Link(from, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fault.Point("maildir.unlink")
	return os.Remove(from)
}

// syncNew makes what was published durable.
func syncNew(path string) error {
	dir := filepath.Join(path, "new")
	if err := fault.Error("maildir.settle"); err != nil {
		return fmt.Errorf("fsync %s: %w", dir, err)
	}
	return durable.SyncDir(dir)
}

// appendQuota adds what was delivered to the Maildir++ quota file, if there is one.
// It is a sum that readers compute again from time to time, so a failure does
// no harm to the messages. One write, so that writers do not mix lines.
func appendQuota(path string, added []staged) {
	f, err := os.OpenFile(filepath.Join(path, "maildirsize"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	var sum int64
	for _, m := range added {
		sum += m.size
	}
	_, _ = fmt.Fprintf(f, "%d %d\n", sum, len(added))
}
