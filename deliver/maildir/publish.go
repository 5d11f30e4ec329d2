package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// publish moves a message from tmp/ to new/; syncNew then makes it durable.
// The mtime, which mail readers show as the date of receipt, is set just
// before and not when the file is made: there are sweepers that go by it.
func publish(path, tmp, new string) error {
	from, to := filepath.Join(path, "tmp", tmp), filepath.Join(path, "new", new)
	if err := fault.Error("maildir.rename"); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if n, ok := parseName(new); ok {
		_ = os.Chtimes(from, time.Time{}, n.date()) // a missing file is the rename's to tell
	}
	if fault.Mutated("link-unlink") {
		return linkUnlink(from, to)
	}
	return durable.RenameNew(from, to)
}

// linkUnlink is a defect that many programs have, for the crash test.
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
