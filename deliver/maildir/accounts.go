package maildir

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/fault"
)

// accountsFile names the accounts that have delivered here, one a line. Its name begins
// with no dot: mail readers take a directory with one for a folder.
const accountsFile = "mailhaul-accounts"

// Marked implements deliver.Marker.
func (d *Deliverer) Marked(account string) (file string, err error) {
	path, err := filepath.Abs(filepath.Join(d.path, accountsFile))
	if err != nil {
		return "", d.failure("", err)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", d.failure("", err)
	}
	if slices.Contains(strings.Split(string(text), "\n"), url.PathEscape(account)) {
		return path, nil
	}
	return "", nil
}

// Mark implements deliver.Marker. A line that a crash cut is one of its own: the next
// begins with a line end.
func (d *Deliverer) Mark(account string) error {
	fault.Point("maildir.account")
	f, err := os.OpenFile(filepath.Join(d.path, accountsFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever delivered here
	} else if err != nil {
		return d.failure("", err)
	}
	_, err = f.WriteString("\n" + url.PathEscape(account) + "\n")
	if err == nil {
		err = durable.Sync(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = durable.SyncDir(d.path)
	}
	if err != nil {
		return d.failure("", err)
	}
	return nil
}
