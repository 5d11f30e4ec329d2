package gmail

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"

	"github.com/mailhaul/mailhaul/deliver/content"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/spool"
)

// Reader reads back what was delivered to a mailbox, at the price of a call for each
// message. For one goroutine.
type Reader struct {
	api   *api
	index *index
	trash map[string]bool // what lies there; nil: not known
}

// Open logs in for reading back.
func Open(ctx context.Context, o Options) (*Reader, error) {
	t := New(o)
	if _, err := t.api.labels(ctx); err != nil {
		return nil, t.api.failed("labels", err)
	}
	return &Reader{api: t.api, index: newIndex(t.api)}, nil
}

// Close closes the connections.
func (r *Reader) Close() error {
	r.api.web.Close()
	return nil
}

// Copy writes the message of a receipt to w, with LF line ends, and says where it is,
// with what Gmail is known to have changed. If it is not there, one with this sum
// (SHA-256 with LF line ends) is looked for, also in spam. The error is fs.ErrNotExist if
// there is none: what lies in the trash does not stay.
func (r *Reader) Copy(ctx context.Context, w io.Writer, receipt string, sum [sha256.Size]byte) (string, error) {
	at, err := parseReceipt(receipt)
	if err != nil {
		return "", err
	}
	if err := r.lookIntoTrash(ctx); err != nil {
		return "", err
	}
	if at.id != "" && !r.trash[at.id] {
		if where, err := r.copy(ctx, w, at.id, at, sum); !errors.Is(err, fs.ErrNotExist) {
			return where, err
		}
	}
	id, err := r.find(ctx, at, sum)
	if r.trash[at.id] && errors.Is(err, fs.ErrNotExist) {
		return "message " + at.id + ", which is in the trash", err
	}
	if err != nil {
		return "", err
	}
	return r.copy(ctx, w, id, at, sum)
}

// lookIntoTrash lists once what Gmail deletes after 30 days.
func (r *Reader) lookIntoTrash(ctx context.Context) error {
	if r.trash != nil || slices.Contains(r.api.o.Labels, trash) {
		return nil
	}
	ids, err := r.index.list(ctx, "trash", costList, "messages",
		url.Values{"labelIds": {trash}, "includeSpamTrash": {"true"}, "maxResults": {"500"}})
	if err != nil {
		return err
	}
	r.trash = make(map[string]bool, len(ids))
	for _, id := range ids {
		r.trash[id] = true
	}
	return nil
}

// copy writes one message. It is spooled: a call that breaks off is made again.
func (r *Reader) copy(ctx context.Context, w io.Writer, id string, at receipt, sum [sha256.Size]byte) (where string, err error) {
	where = "message " + remote.Clean(id)
	file, err := spool.Create(r.api.o.SpoolDir, "mailhaul-gmail-*")
	if err != nil {
		return where, err
	}
	defer file.Close()
	summer := content.New()
	err = r.api.raw(ctx, id, func(body io.Reader) error {
		summer.Reset()
		if err := errors.Join(file.Truncate(0), rewind(file)); err != nil {
			return err
		}
		out := &content.Unix{W: file, Summer: summer}
		_, err := io.Copy(out, body)
		return errors.Join(err, out.End())
	})
	if own, ok := errors.AsType[*Error](err); ok && own.Status == http.StatusNotFound {
		return where, fmt.Errorf("%s: %w", where, fs.ErrNotExist)
	}
	if err == nil {
		err = rewind(file)
	}
	if err == nil {
		_, err = io.Copy(w, file)
	}
	return where + at.Changes(summer.Sums(), sum), err
}

func rewind(f io.Seeker) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// find looks for a message by its Message-ID and content.
func (r *Reader) find(ctx context.Context, at receipt, sum [sha256.Size]byte) (string, error) {
	if searchable(at.ID) == "" {
		return "", fmt.Errorf("gmail: a message without a Message-ID: %w", fs.ErrNotExist)
	}
	ids, err := r.index.search(ctx, "rfc822msgid:"+at.ID)
	if err != nil {
		return "", err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return r.trash[id] })
	in := &intent{Mark: remote.Mark{Size: at.size, Exact: sum[:]}}
	for _, id := range ids {
		how, err := r.index.compare(ctx, id, in)
		if err != nil || how == same {
			return id, err
		}
	}
	for _, id := range ids { // one that Gmail has changed
		if s := r.index.copies[id]; s != nil && s.sums.LooseText() == at.Loose {
			return id, nil
		}
	}
	return "", fmt.Errorf("gmail: %s: %w", remote.Clean(at.ID), fs.ErrNotExist)
}
