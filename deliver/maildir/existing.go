package maildir

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mailhaul/mailhaul/deliver/durable"
)

// maxIDHeader is how much of a file is read to find its Message-ID.
const maxIDHeader = 256 << 10

// digest identifies a message: a part of a SHA-256.
type digest [16]byte

// Existing knows the Message-ID and the content of each message in a Maildir, also
// of messages that other programs delivered. Files in a Maildir do not change, so
// the results are kept in a cache file, and only new files are read. Safe for
// concurrent use.
type Existing struct {
	path, cache string

	mu       sync.Mutex
	loaded   bool
	changed  bool
	known    map[string]identity // by base name without flags
	ids      map[digest]string   // Message-ID -> base name
	contents map[digest]string   // content -> base name
}

// identity is what is known of one file; a zero id means no Message-ID.
type identity struct{ id, content digest }

// NewExisting returns the index of the Maildir at path, with its cache in the
// given file. It reads nothing yet.
func NewExisting(path, cache string) *Existing {
	return &Existing{path: path, cache: cache}
}

// ByMessageID returns the base name of a message with this Message-ID.
func (x *Existing) ByMessageID(id string) (base string, ok bool, err error) {
	if id == "" {
		return "", false, nil
	}
	return x.find(func() (string, bool) {
		base, ok := x.ids[digestOf([]byte(normalID(id)))]
		return base, ok
	})
}

// ByContent returns the base name of a message with these bytes.
func (x *Existing) ByContent(sum [sha256.Size]byte) (base string, ok bool, err error) {
	return x.find(func() (string, bool) {
		base, ok := x.contents[digest(sum[:16])]
		return base, ok
	})
}

func (x *Existing) find(look func() (string, bool)) (string, bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return "", false, err
	}
	base, ok := look()
	return base, ok, nil
}

// add records a message that is about to be delivered.
func (x *Existing) add(base, id string, sum [sha256.Size]byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return err
	}
	x.put(base, identity{idDigest(id), digest(sum[:16])})
	return nil
}

// remove undoes add.
func (x *Existing) remove(base string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i, ok := x.known[base]
	if !ok {
		return
	}
	delete(x.known, base)
	if x.ids[i.id] == base {
		delete(x.ids, i.id)
	}
	if x.contents[i.content] == base {
		delete(x.contents, i.content)
	}
}

func (x *Existing) put(base string, i identity) {
	x.known[base] = i
	if i.id != (digest{}) {
		x.ids[i.id] = base
	}
	x.contents[i.content] = base
	x.changed = true
}

// load reads the cache and then the files that it does not know. Messages that are
// no longer in the Maildir are dropped.
func (x *Existing) load() error {
	if x.loaded {
		return nil
	}
	old := x.readCache()
	x.known, x.ids, x.contents = make(map[string]identity), make(map[digest]string), make(map[digest]string)
	x.changed = false
	for _, dir := range []string{"new", "cur"} {
		_, err := scanDir(filepath.Join(x.path, dir), func(name string) bool {
			base, _, _ := strings.Cut(name, ":")
			if i, ok := old[base]; ok {
				x.put(base, i)
				return true
			}
			if i, err := identify(filepath.Join(x.path, dir, name)); err == nil {
				x.put(base, i)
			} // else a reader has moved it: at worst a duplicate is delivered
			return true
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	x.changed = !maps.EqualFunc(x.known, old, func(identity, identity) bool { return true }) // other names
	x.loaded = true
	return nil
}

// Save ends a run: it writes the cache if something changed, and the next call reads
// the Maildir's file names again. Without the cache the next run reads all files
// again.
func (x *Existing) Save() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	wanted := x.loaded && x.changed
	x.loaded = false
	if !wanted {
		return nil
	}
	var b bytes.Buffer
	for base, i := range x.known {
		fmt.Fprintf(&b, "%x %x %s\n", i.id, i.content, base)
	}
	if err := durable.MkdirAll(filepath.Dir(x.cache), 0o700); err != nil {
		return err
	}
	x.changed = false
	return durable.WriteFile(x.cache, b.Bytes())
}

// readCache reads what Save wrote; invalid lines are skipped.
func (x *Existing) readCache() map[string]identity {
	out := make(map[string]identity)
	f, err := os.Open(x.cache)
	if err != nil {
		return out
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		id, rest, _ := strings.Cut(s.Text(), " ")
		content, base, _ := strings.Cut(rest, " ")
		var i identity
		if decodeDigest(&i.id, id) && decodeDigest(&i.content, content) && base != "" {
			out[base] = i
		}
	}
	return out
}

func decodeDigest(d *digest, text string) bool {
	n, err := hex.Decode(d[:], []byte(text[:min(len(text), 2*len(d))]))
	return err == nil && n == len(d) && len(text) == 2*len(d)
}

// identify reads one delivered file.
func identify(path string) (identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return identity{}, err
	}
	defer f.Close()
	sum := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(f, sum), maxIDHeader)
	head, err := in.Peek(maxIDHeader)
	if err != nil && err != io.EOF {
		return identity{}, err
	}
	id := messageID(head)
	if _, err := io.Copy(io.Discard, in); err != nil {
		return identity{}, err
	}
	return identity{idDigest(id), digest(sum.Sum(nil)[:16])}, nil
}

// messageID finds the first Message-ID field of a header with LF line ends.
func messageID(head []byte) string {
	for len(head) > 0 && head[0] != '\n' {
		end := bytes.IndexByte(head, '\n') + 1
		if end == 0 {
			end = len(head)
		}
		for end < len(head) && (head[end] == ' ' || head[end] == '\t') {
			next := bytes.IndexByte(head[end:], '\n') + 1
			if next == 0 {
				next = len(head) - end
			}
			end += next
		}
		if name, value, ok := bytes.Cut(head[:end], []byte(":")); ok && strings.EqualFold(string(bytes.TrimSpace(name)), "message-id") {
			return normalID(string(value))
		}
		head = head[end:]
	}
	return ""
}

// normalID squeezes the blanks that folding leaves.
func normalID(id string) string { return strings.Join(strings.Fields(id), " ") }

func idDigest(id string) digest {
	if id = normalID(id); id == "" {
		return digest{}
	}
	return digestOf([]byte(id))
}

func digestOf(b []byte) digest {
	sum := sha256.Sum256(b)
	return digest(sum[:16])
}
