package files

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

type batch struct {
	d      *Deliverer
	prefix string
	msgs   [][]file // the attachments of each message
}

// file is one attachment: staged as Temp, to be Name or a numbered form of it.
type file struct {
	Temp string `json:"temp"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	Sum  []byte `json:"sha256"`
}

// intent is Intent.Data.
type intent struct {
	Dir   string `json:"dir"`
	Files []file `json:"files"`
}

// Add stages the attachments of one message.
func (b *batch) Add(ctx context.Context, _ deliver.Envelope, body io.Reader) error {
	src := &source{ctx: ctx, r: body}
	var list []file
	err := walk(src, func(p *part) error {
		if !b.d.wants(p) {
			return nil
		}
		f, err := b.stage(p)
		list = append(list, f)
		return err
	})
	if err == nil {
		_, err = io.Copy(io.Discard, src)
	}
	if err == nil {
		err = src.err // which looks like the end of a part
	}
	if err == nil {
		b.msgs = append(b.msgs, list)
		return nil
	}
	b.discard(list)
	switch {
	case ctx.Err() != nil:
		return b.d.failure(ctx.Err())
	case src.err != nil:
		return src.err
	}
	return b.d.failure(err)
}

// source is the body of a message. It keeps the error of reading it, which is not one
// of the message.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// wants reports whether a part is an attachment that is asked for.
func (d *Deliverer) wants(p *part) bool {
	if !p.attached && !(d.o.Inline && p.inline) {
		return false
	}
	name := strings.ToLower(p.name)
	for _, pattern := range d.o.Match {
		if ok, _ := path.Match(strings.ToLower(pattern), name); ok {
			return true
		}
	}
	return len(d.o.Match) == 0
}

// stage writes one attachment to a hidden file.
func (b *batch) stage(p *part) (f file, err error) {
	if err := fault.Error("files.create"); err != nil {
		return f, err
	}
	f = file{Temp: b.prefix + rand.Text(), Name: p.name}
	out, err := os.OpenFile(filepath.Join(b.d.o.Dir, f.Temp), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return f, err
	}
	sum := sha256.New()
	err = fault.Error("files.write")
	if err == nil {
		f.Size, err = io.Copy(io.MultiWriter(out, sum), p.body)
	}
	f.Sum = sum.Sum(nil)
	return f, errors.Join(err, out.Close())
}

// Prepare makes what was staged durable.
func (b *batch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	var paths []string
	intents := make([]deliver.Intent, len(b.msgs))
	for i, list := range b.msgs {
		data, err := json.Marshal(intent{b.d.o.Dir, list})
		if err != nil {
			return nil, b.d.failure(err)
		}
		intents[i] = deliver.Intent{Kind: Kind, Data: data, Receipt: receipt(list)}
		for _, f := range list {
			paths = append(paths, filepath.Join(b.d.o.Dir, f.Temp))
		}
	}
	if len(paths) == 0 {
		return intents, nil
	}
	if err := errors.Join(durable.SyncFiles(ctx, paths), durable.SyncDir(b.d.o.Dir)); err != nil {
		return nil, b.d.failure(err)
	}
	return intents, nil
}

// receipt names the files of a message, without their numbers.
func receipt(list []file) string {
	const most = 255
	if len(list) == 0 {
		return "no attachments"
	}
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = f.Name
	}
	text := strings.Join(names, ", ")
	if len(text) > most {
		text = shorten(text, most-len("...")) + "..."
	}
	return text
}

// Publish gives the files their names.
func (b *batch) Publish(ctx context.Context) []deliver.Result {
	results := make([]deliver.Result, len(b.msgs))
	var stop error
	placed := false
	for i, list := range b.msgs {
		if stop == nil && ctx.Err() != nil {
			results[i].Err = b.d.failure(ctx.Err())
			continue
		}
		for _, f := range list {
			if stop == nil {
				stop, placed = place(b.d.o.Dir, f), true
			}
		}
		if stop != nil {
			results[i].Err = b.d.failure(stop)
		}
	}
	if !placed {
		return results
	}
	if err := durable.SyncDir(b.d.o.Dir); err != nil {
		for i := range results {
			results[i].Err = b.d.failure(err)
		}
	}
	return results
}

// place gives a staged file its name, with a number if files of other content have it. A
// file of the same content is this one.
func place(dir string, f file) error {
	if err := fault.Error("files.place"); err != nil {
		return err
	}
	temp := filepath.Join(dir, f.Temp)
	for n := 1; ; {
		to := filepath.Join(dir, numbered(f.Name, n))
		switch same, err := holds(to, f); {
		case errors.Is(err, fs.ErrNotExist):
			if err := durable.RenameNew(temp, to); !errors.Is(err, fs.ErrExist) {
				return err
			}
		case err != nil:
			return err
		case same:
			return durable.Remove(temp)
		default:
			n++
		}
	}
}

// numbered is the nth form of a name: a.pdf, a-2.pdf.
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + strconv.Itoa(n) + ext
}

// holds reports whether a file has the content of f.
func holds(path string, f file) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return false, err
	}
	in, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	sum := sha256.New()
	_, err = io.Copy(sum, in)
	return string(sum.Sum(nil)) == string(f.Sum), err
}

// Abort removes what was staged.
func (b *batch) Abort() error {
	var errs []error
	for _, list := range b.msgs {
		errs = append(errs, b.discard(list))
	}
	b.msgs = nil
	return errors.Join(errs...)
}

func (b *batch) discard(list []file) error {
	var errs []error
	for _, f := range list {
		if f.Temp != "" {
			errs = append(errs, durable.Remove(filepath.Join(b.d.o.Dir, f.Temp)))
		}
	}
	return errors.Join(errs...)
}

// Recover settles an intent: what is still staged gets its name; what is not must be
// there under it. If it is not, nobody knows who removed it, and the message is delivered
// again: what is there of it is recognised.
func Recover(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
	var in intent
	if err := json.Unmarshal(i.Data, &in); err != nil {
		return deliver.Unknown, nil //nolint:nilerr // not ours
	}
	d := New(Options{Dir: in.Dir})
	if _, err := os.Stat(in.Dir); err != nil && len(in.Files) > 0 {
		return deliver.Unknown, d.failure(err) // perhaps not mounted
	}
	fate := deliver.Visible
	for _, f := range in.Files {
		if err := ctx.Err(); err != nil {
			return deliver.Unknown, d.failure(err)
		}
		_, err := os.Lstat(filepath.Join(in.Dir, f.Temp))
		switch {
		case err == nil:
			err = place(in.Dir, f)
		case errors.Is(err, fs.ErrNotExist):
			var there bool
			if there, err = placed(in.Dir, f); !there {
				fate = deliver.Unknown
			}
		}
		if err != nil {
			return deliver.Unknown, d.failure(err)
		}
	}
	if len(in.Files) == 0 {
		return fate, nil
	}
	if err := durable.SyncDir(in.Dir); err != nil {
		return deliver.Unknown, d.failure(err)
	}
	return fate, nil
}

// placed reports whether a file has its name, or one of its numbered forms.
func placed(dir string, f file) (bool, error) {
	for n := 1; ; n++ {
		same, err := holds(filepath.Join(dir, numbered(f.Name, n)), f)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if same || err != nil {
			return same, err
		}
	}
}
