package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver/durable"
)

// maxFile bounds a token file.
const maxFile = 1 << 20

// newSuffix names the next version of a token file while it is written. It is
// one fixed name, since the lock is held: a killed process leaves no others.
const newSuffix = ".new"

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 50 * time.Millisecond

// ErrNoTokens means that an account has none in the store.
var ErrNoTokens = errors.New("no tokens kept: never logged in, or logged out")

// Store keeps accounts' tokens in a directory, one file each, 0600, or with
// their secret parts in the operating system's keyring. It may be used by
// several goroutines and processes at once.
type Store struct {
	dir     string
	keyring bool
	limit   time.Duration // of a call to the keyring; 0: the usual one
	// Group means that the group of the files may use them, as it may where Kubernetes
	// mounts a volume with fsGroup. It is set before the first use.
	Group bool
	// step, if set, is called at each step of a refresh and a save: nil,
	// except for tests.
	step func(name string)
}

// NewStore returns the store in dir, which is created when first written to.
func NewStore(dir string) *Store { return &Store{dir: dir} }

// NewKeyringStore keeps times and scopes in dir, and the tokens in the
// keyring of the user who runs it: it must be unlocked, also under cron. Limit is how
// long a call to it may take; 0: 15 s.
func NewKeyringStore(dir string, limit time.Duration) *Store {
	return &Store{dir: dir, keyring: true, limit: limit}
}

// Path returns the file of an account. Bytes other than letters, digits and
// "@._+=,-", and a leading dot, are written %XX.
func (s *Store) Path(account string) string { return filepath.Join(s.dir, escapeName(account)+".json") }

func escapeName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if letter || strings.IndexByte("@._+=,-", c) >= 0 && (i > 0 || c != '.') {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func (s *Store) at(step string) {
	if s.step != nil {
		s.step(step)
	}
}

// lock waits until this process alone may change the account's tokens.
func (s *Store) lock(ctx context.Context, account string) (unlock func(), err error) {
	if err := durable.MkdirAll(s.dir, 0o700); err != nil {
		return nil, storeError(err)
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		f, err := tryLock(strings.TrimSuffix(s.Path(account), ".json") + ".lock")
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, storeError(err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("token store: waiting for another process: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// load returns the account's newest record with its tokens; ErrNoTokens if there is
// none. Without the lock a record may be outdated, but is whole.
func (s *Store) load(ctx context.Context, account string) (*record, error) {
	r, err := s.peek(account)
	if err == nil && r.Chunks > 0 {
		err = s.loadSecrets(ctx, account, r)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// peek is load without the tokens that are in the keyring.
func (s *Store) peek(account string) (*record, error) {
	r, err := s.readRecord(s.Path(account))
	// A process that was killed between writing and renaming has left the
	// newer record in the other file: it may hold the only refresh token that is good.
	if newer, nerr := s.readRecord(s.Path(account) + newSuffix); nerr == nil && (err != nil || newer.Seq > r.Seq) {
		r, err = newer, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoTokens
	case err != nil:
		return nil, storeError(fmt.Errorf("%s: %w", s.Path(account), cause(err)))
	}
	return r, nil
}

// save makes the record durable; only under the lock. The one before stays
// until then.
func (s *Store) save(ctx context.Context, account string, r *record) error {
	old, chunks := r.Seq, r.Chunks
	r.Seq, r.Chunks = old+1, 0
	if s.keyring {
		if err := s.saveSecrets(ctx, account, r); err != nil {
			r.Seq, r.Chunks = old, chunks
			return keyringError(err)
		}
	}
	data, err := r.encode(!s.keyring)
	if err == nil {
		err = durable.WriteFileVia(s.Path(account)+newSuffix, s.Path(account), data, s.at)
	}
	if err != nil {
		return storeError(err)
	}
	s.dropSecrets(ctx, account, old, chunks)
	return nil
}

// forget removes the account's tokens; only under the lock. The lock's file
// stays: removing it would let two processes hold "the" lock.
func (s *Store) forget(ctx context.Context, account string) error {
	if r, err := s.readRecord(s.Path(account)); err == nil {
		s.dropSecrets(ctx, account, r.Seq, r.Chunks)
	}
	var errs []error
	for _, path := range []string{s.Path(account) + newSuffix, s.Path(account)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(append(errs, durable.SyncDir(s.dir))...); err != nil {
		return storeError(err)
	}
	return nil
}

func (s *Store) readRecord(path string) (*record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := s.checkMode(info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	return decodeRecord(data)
}

func storeError(err error) *Error {
	return &Error{Kind: KindStorage, Op: OpStore, Err: err}
}

// errReadable means that others could have read a token file.
var errReadable = errors.New("others may read it: chmod 600 it, and log in again if they did")

func (s *Store) checkMode(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	others := fs.FileMode(0o077)
	if s.Group {
		others = 0o007
	}
	if modesMatter && info.Mode().Perm()&others != 0 {
		return errReadable
	}
	return nil
}
