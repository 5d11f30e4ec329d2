package remote

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// Claims is where all that deliver to one mailbox write down which copies stand for their
// messages. Several accounts may deliver there, and the same bytes: what a recovery finds
// may be another account's message, and a copy stands for one message only. What K is, the
// server says: a UID, an id.
//
// It is a file to which lines are added, and further ones with a time in their names once it
// is large; the oldest are removed. The first line that names a copy counts: that needs no
// lock. Nothing is synced: after a power loss the last lines may be lacking.
//
// A line has a space of names (UIDVALIDITY), copies, whose they are (a batch), and a dot:
// without it, it is not whole.
type Claims[K cmp.Ordered] struct {
	// Path is the file; empty: nobody else delivers to the mailbox.
	Path string
	// Point names the fault point of a line.
	Point string
	// Parse reads a name.
	Parse func(string) (K, error)

	mu   sync.Mutex
	read map[string]int64 // how far each file was read
	list []claim[K]
}

type claim[K cmp.Ordered] struct {
	space, owner string
	from, to     K
}

// maxClaims is the size from which another file is begun. generations are kept besides.
const (
	maxClaims   = 1 << 20
	generations = 2
)

// files are those that there are, oldest first.
func (c *Claims[K]) files() (list []string, err error) {
	dir, base := filepath.Split(c.Path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), base); ok && (rest == "" || len(rest) == 21 && strings.Trim(rest[1:], "0123456789") == "") {
			list = append(list, dir+e.Name())
		}
	}
	return list, err // by name
}

// Refresh reads what was added since.
func (c *Claims[K]) Refresh() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refresh()
}

func (c *Claims[K]) refresh() error {
	if c.Path == "" {
		return nil
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Size() < c.read[name] {
			c.read = nil // another file has its name
		}
	}
	if len(files) < len(c.read) || c.read == nil {
		c.read, c.list = make(map[string]int64), nil
	}
	for _, name := range files {
		if err := c.readFrom(name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Claims[K]) readFrom(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) { // it was the oldest: another process has removed it
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, c.read[name], math.MaxInt64-c.read[name]))
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	c.read[name] += int64(whole)
	for line := range bytes.Lines(data[:whole]) {
		field := strings.Fields(string(line))
		if len(field) != 4 || field[3] != "." {
			continue
		}
		for part := range strings.SplitSeq(field[1], ",") {
			first, last, isRange := strings.Cut(part, ":")
			from, err := c.Parse(first)
			to := from
			if isRange && err == nil {
				to, err = c.Parse(last)
			}
			if err == nil {
				c.list = append(c.list, claim[K]{field[0], field[2], from, to})
			}
		}
	}
	return nil
}

// Owner is whose a copy is, as far as it was read.
func (c *Claims[K]) Owner(space string, id K) (owner string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.list {
		if l.from <= id && id <= l.to && l.space == space {
			return l.owner, true
		}
	}
	return "", false
}

// Free reports whether a copy is not another's than owner's.
func (c *Claims[K]) Free(space string, id K, owner string) bool {
	whose, known := c.Owner(space, id)
	return !known || whose == owner
}

// Add claims copies, which are named as in a line, and reads what there is then.
func (c *Claims[K]) Add(space, copies, owner string) error {
	if c.Path == "" || copies == "" {
		return nil
	}
	if err := fault.Error(c.Point); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name, err := c.current()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "\n%s %s %s .\n", space, copies, owner) // behind what a full disk left of a line
	return errors.Join(err, f.Close(), c.refresh())
}

// current is the file that lines are added to.
func (c *Claims[K]) current() (string, error) {
	files, err := c.files()
	if len(files) == 0 {
		return c.Path, errors.Join(err, os.MkdirAll(filepath.Dir(c.Path), 0o700))
	}
	last := files[len(files)-1]
	if info, err := os.Stat(last); err != nil || info.Size() < maxClaims {
		return last, err
	}
	for _, old := range files[:max(0, len(files)-generations)] {
		_ = os.Remove(old)
	}
	at := time.Now().UnixNano()
	if digits, ok := strings.CutPrefix(last, c.Path+"."); ok { // the clock may have been set back: the newest one comes last
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return "", err
		}
		at = max(at, n+1)
	}
	return fmt.Sprintf("%s.%020d", c.Path, at), nil
}

// Note claims the copies of a batch that was published.
func Note[M Message](c *Claims[string], space string, msgs []M, id func(M) string, log *slog.Logger) {
	var ids []string
	for _, m := range msgs {
		if m.state().Done && id(m) != "" {
			ids = append(ids, id(m))
		}
	}
	if err := c.Add(space, strings.Join(ids, ","), msgs[0].mark().Batch); err != nil {
		log.Warn("which messages are in the mailbox could not be written down", "err", err)
	}
}

// Take looks with find, which leaves out what is not Free. The copy that it finds stands for
// the message of owner from now on, and for no other.
func (c *Claims[K]) Take(space, owner string, find func() (Found[K], error)) (Found[K], error) {
	for {
		at, err := find()
		if err != nil || !at.OK || c.Path == "" {
			return at, err
		}
		if _, known := c.Owner(space, at.At); known {
			return at, nil
		}
		err = c.Add(space, fmt.Sprint(at.At), owner)
		if _, known := c.Owner(space, at.At); err == nil && !known {
			err = fmt.Errorf("%s: the copy %v was written down and is not there", c.Path, at.At)
		}
		if err != nil {
			return Found[K]{}, err
		}
	}
}

// Text is a name that is its own text.
func Text(s string) (string, error) { return s, nil }
