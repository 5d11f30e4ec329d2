package mbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/mailhaul/mailhaul/deliver"
)

// Probe implements deliver.Prober: staging does not touch the file. It makes no
// mbox.
func (d *Deliverer) Probe(ctx context.Context) error {
	if err := deliver.Stage(ctx, d); err != nil {
		return err
	}
	path, err := resolve(d.opts.Path)
	if err != nil {
		return err
	}
	if missing(path) {
		return deliver.Room(filepath.Dir(path))
	}
	t, err := d.lock(ctx, path)
	if err == nil {
		err = errors.Join(t.room(), t.close())
	}
	if err != nil {
		return asDeliverError(err)
	}
	return nil
}

// room finds out whether there is room for a message beside the file, or in it if
// nothing can be created there.
func (t *target) room() error {
	if err := deliver.Room(filepath.Dir(t.path)); !notWritable(err) {
		return err
	}
	return t.roomBehind()
}

// roomBehind takes the blocks of a message behind the end of the file, where the next
// one goes. It does not truncate, which would give them back: a program that ignores our
// locks may append in between. The times stay: by them readers and shells tell new mail.
func (t *target) roomBehind() error {
	info, err := t.f.Stat()
	if err != nil {
		return err
	}
	read, _ := accessTime(t.f)
	err = allocate(t.f, info.Size(), deliver.TrialSize)
	if now, serr := t.f.Stat(); serr == nil && now.Size() == info.Size() {
		_ = os.Chtimes(t.path, read, info.ModTime()) // a zero time is left alone
	}
	if err != nil {
		return ioError(&os.PathError{Op: "write", Path: t.path, Err: err})
	}
	return nil
}
