package mbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// chunk is how much is written between two looks at the context and at the
// age of the dotlock.
const chunk = 1 << 20

// Publish appends the batch: all of it or, on an error, nothing.
func (b *batch) Publish(ctx context.Context) []deliver.Result {
	results := make([]deliver.Result, len(b.messages))
	if b.t == nil {
		return results // an empty batch
	}
	defer b.d.forget(b)
	err := b.append(ctx)
	// The message is where it should be, whatever becomes of a lock file.
	if cerr := b.release(); cerr != nil {
		b.d.opts.Log.Warn("mbox: unlock", "path", b.path, "err", cerr)
	}
	if err == nil {
		return results
	}
	failure := asDeliverError(fmt.Errorf("%s: %w", b.path, err))
	if cerr := ctx.Err(); cerr != nil && errors.Is(err, cerr) {
		failure = &deliver.Error{Class: deliver.Later, Err: err}
	}
	for i := range results {
		results[i].Err = failure
	}
	return results
}

// append reserves, writes and commits; see the package comment.
func (b *batch) append(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.unchanged(); err != nil {
		return err
	}
	read, aerr := accessTime(b.t.f)
	err := b.reserve()
	if err == nil {
		err = b.write(ctx)
	}
	if err == nil {
		err = b.commit()
	}
	if err != nil {
		return errors.Join(err, b.rollback())
	}
	if aerr == nil {
		b.looksNew(read)
	}
	return nil
}

// unchanged makes sure that nobody wrote despite our locks since Prepare
// (a dotlock alone may have been taken for stale on a machine that slept).
func (b *batch) unchanged() error {
	b.t.dot.refresh()
	same, err := b.t.inPlace()
	if err != nil {
		return err
	}
	size, err := b.t.size()
	if err != nil {
		return err
	}
	if !same || size != b.region.Start {
		return &deliver.Error{Class: deliver.Unavailable, Err: fmt.Errorf("%s: %w", b.path, ErrNotLocked)}
	}
	return nil
}

// reserve makes the file end where the batch will end, in one step.
func (b *batch) reserve() error {
	r := &b.region
	if err := fault.Error("mbox.reserve"); err != nil {
		return err
	}
	if err := allocate(b.t.f, r.Start, r.End-r.Start); err != nil {
		return err
	}
	if err := b.t.f.Truncate(r.End); err != nil {
		return err
	}
	if err := fault.Error("mbox.token"); err != nil {
		return err
	}
	last := r.Token
	if fault.Mutated("mbox.no-token") {
		last = r.Tail
	}
	_, err := b.t.f.WriteAt(last, r.End-tokenSize)
	return err
}

// write fills the region except for its last octets.
func (b *batch) write(ctx context.Context) error {
	r := &b.region
	if _, err := b.t.f.WriteAt([]byte(strings.Repeat("\n", r.Prefix)), r.Start); err != nil {
		return err
	}
	if _, err := b.t.f.Seek(r.Start+int64(r.Prefix), io.SeekStart); err != nil {
		return err
	}
	if _, err := b.spool.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	end := b.spool.size - tokenSize
	inFile := min(b.spool.inFile, end)
	for left := inFile; left > 0; {
		if err := errors.Join(ctx.Err(), fault.Error("mbox.write")); err != nil {
			return err
		}
		n, err := io.CopyN(b.t.f, b.spool.f.File, min(left, chunk)) // copy_file_range where there is one
		if err != nil {
			return err
		}
		left -= n
		b.t.dot.refresh()
	}
	if err := errors.Join(ctx.Err(), fault.Error("mbox.write")); err != nil {
		return err
	}
	if _, err := b.t.f.Write(b.spool.buf[:end-inFile]); err != nil {
		return err
	}
	return durable.Sync(b.t.f)
}

// commit turns the region into messages.
func (b *batch) commit() error {
	if err := fault.Error("mbox.commit"); err != nil {
		return err
	}
	if _, err := b.t.f.WriteAt(b.region.Tail, b.region.End-tokenSize); err != nil {
		return err
	}
	return durable.Sync(b.t.f)
}

// rollback removes the region, and nothing that another program has appended
// to it despite our locks.
func (b *batch) rollback() error {
	size, err := b.t.size()
	if err != nil {
		return err
	}
	if size == b.region.Start { // perhaps with blocks behind its end
		return truncate(b.t.f, size)
	}
	in := b.region
	in.Offset = in.Start + int64(in.Prefix)
	return removeRegion(context.Background(), b.t.f, &in, 0)
}

// looksNew keeps the time of the last reading older than that of the last
// change: that is how readers and shells tell new mail. It is no failure if
// the system forbids that.
func (b *batch) looksNew(read time.Time) {
	info, err := b.t.f.Stat()
	if err != nil {
		return
	}
	if latest := info.ModTime().Add(-time.Second); read.After(latest) {
		read = latest
	}
	_ = os.Chtimes(b.path, read, time.Time{}) // a zero time is left alone
}
