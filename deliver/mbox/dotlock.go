package mbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

const (
	// staleAfter is the age at which mail programs take a dotlock for one that
	// its owner left behind.
	staleAfter = 5 * time.Minute
	// refreshAfter is how often we renew ours.
	refreshAfter = time.Minute
)

// dotlock is FILE.lock, held.
type dotlock struct {
	path  string
	info  fs.FileInfo // to tell ours from one that replaced it
	fresh time.Time
}

// takeDotlock tries once to create FILE.lock. The file gets its content under
// another name and is then linked, because O_EXCL is not exclusive on every
// network file system, and so that nobody sees it without its content. With
// errHeld, holder says what is known of the other program.
func takeDotlock(mbox string) (d *dotlock, holder string, err error) {
	lock := mbox + ".lock"
	temp, info, err := writeLockFile(filepath.Dir(mbox))
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, durable.Remove(temp)) }()
	for range 2 {
		if err = fault.Error("mbox.dotlock"); err == nil {
			err = os.Link(temp, lock)
		}
		if err == nil || linkedAnyway(temp, lock) {
			return &dotlock{path: lock, info: info, fresh: time.Now()}, "", nil
		}
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
			err = createLock(temp, lock) // a file system without hard links
			if err == nil {
				info, err = os.Lstat(lock)
				return &dotlock{path: lock, info: info, fresh: time.Now()}, "", err
			}
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, "", err
		}
		var broken bool
		if holder, broken = breakStale(lock, info.ModTime()); !broken {
			break
		}
	}
	return nil, holder, errHeld
}

// writeLockFile makes the file that becomes the lock: our process id in the
// first line, where other programs look for it, our host in the second, and in
// the third this boot and when we were started: the id may be used again.
// Mode 0644: who waits wants to know for whom.
func writeLockFile(dir string) (path string, info fs.FileInfo, err error) {
	f, err := os.CreateTemp(dir, fmt.Sprintf(".lk%d.*", os.Getpid()))
	if err != nil {
		return "", nil, err
	}
	_, err = fmt.Fprintf(f, "%d\n%s\n%s %s\n", os.Getpid(), hostname(), durable.BootID(), startOf(os.Getpid()))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil { // after a power failure, an empty lock could be anybody's
		err = durable.Sync(f)
	}
	if err == nil {
		info, err = f.Stat()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", nil, errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), info, nil
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// linkedAnyway reports whether a link was made although its reply was lost, as
// NFS can do.
func linkedAnyway(temp, lock string) bool {
	a, errA := os.Lstat(temp)
	b, errB := os.Lstat(lock)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func createLock(temp, lock string) error {
	content, err := os.ReadFile(temp)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(lock, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// breakStale removes the lock if its owner is gone. now is the file system's
// clock, not ours. It returns the owner if known.
func breakStale(lock string, now time.Time) (holder string, broken bool) {
	info, err := os.Lstat(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return "", true
	}
	if err != nil {
		return "", false
	}
	owner := readLock(lock)
	if owner.pid > 0 {
		holder = fmt.Sprintf("process %d", owner.pid)
	}
	if !stale(now.Sub(info.ModTime()), owner) {
		return holder, false
	}
	// By way of a rename, so that of two programs that find it stale one
	// cannot remove the lock that the other has taken since.
	aside := fmt.Sprintf("%s.stale%d", lock, os.Getpid())
	if err := os.Rename(lock, aside); err != nil {
		return holder, errors.Is(err, fs.ErrNotExist)
	}
	moved, err := os.Lstat(aside)
	if err == nil && !os.SameFile(info, moved) {
		_ = os.Link(aside, lock) // it was not stale: give it back
	}
	return holder, os.Remove(aside) == nil
}

// stale decides whether a lock of this age and owner was left behind.
func stale(age time.Duration, o owner) bool { return age > staleAfter || o.gone() }

// owner is the process that made a lock file, as the file names it; empty where it
// does not.
type owner struct {
	pid               int
	host, boot, start string
}

// gone reports whether the process has ended. That is known only of a lock of
// ours on this host: other programs write process ids of other hosts, or a zero.
func (o owner) gone() bool {
	if o.host == "" || o.host != hostname() {
		return false
	}
	if boot := durable.BootID(); boot != "" && o.boot != "" && boot != o.boot {
		return true
	}
	start := startOf(o.pid)
	return dead(o.pid) || start != "" && o.start != "" && start != o.start
}

// readLock returns what a lock file says; zeros if nothing.
func readLock(path string) (o owner) {
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return owner{}
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, 512))
	if err != nil {
		return owner{}
	}
	lines := strings.Split(string(content), "\n")
	if o.pid, err = strconv.Atoi(strings.TrimSpace(lines[0])); err != nil || o.pid <= 0 {
		return owner{}
	}
	if len(lines) > 1 {
		o.host = lines[1]
	}
	if len(lines) > 2 {
		o.boot, o.start, _ = strings.Cut(lines[2], " ")
	}
	return o
}

// refresh renews the lock's time if it is due, so that nobody takes it for
// stale.
func (d *dotlock) refresh() {
	if d == nil || time.Since(d.fresh) < refreshAfter || !d.ours() {
		return
	}
	d.fresh = time.Now()
	_ = os.Chtimes(d.path, d.fresh, d.fresh) // the fcntl lock holds in any case
}

func (d *dotlock) ours() bool {
	info, err := os.Lstat(d.path)
	return err == nil && os.SameFile(info, d.info)
}

func (d *dotlock) release() error {
	if !d.ours() {
		return nil
	}
	return durable.Remove(d.path)
}

// lockNames are the files that taking a dotlock makes for a moment: the lock
// before it is linked, and one that is being broken.
var lockNames = regexp.MustCompile(`^(\.lk[0-9]+\.[0-9]+|.+\.lock\.stale[0-9]+)$`)

// sweepLocks removes what killed processes left of such files next to the mbox:
// what says that its process has ended, and what is older than any lock may be.
// Nothing depends on it.
func sweepLocks(mbox string, now time.Time) {
	dir := filepath.Dir(mbox)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !lockNames.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := e.Info()
		if err == nil && stale(now.Sub(info.ModTime()), readLock(path)) {
			_ = os.Remove(path)
		}
	}
}
