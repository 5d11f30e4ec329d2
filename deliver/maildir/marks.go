package maildir

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// marks is a file in tmp/ with one octet for each message of a Deliverer, set
// once the message was renamed into new/. It shows a recovery what the absence of
// a staged file means: that we published it, or that somebody removed it. It is
// never synced: it is believed only in the epoch in which it was written, and
// only while it is there itself. The file is locked as long as its process
// lives.
type marks struct{ f *os.File }

// marksName is the name of the marks of the Deliverer that staged a file: all
// its files have the random part in common.
func marksName(began int64, staged name, owner string) string {
	return fmt.Sprintf("%d.%sQ0%s%s", began, staged.random(), staged.rest, owner)
}

// ownerField is the end of a marks file's name, which says whose it is.
func ownerField(owner string) string {
	if owner == "" {
		return ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(owner)) // never fails
	return ownerMark + hex.EncodeToString(h.Sum(nil))
}

const ownerMark = ",O="

func isOwnerField(s string) bool {
	digits, ok := strings.CutPrefix(s, ownerMark)
	return s == "" || ok && len(digits) == 8 && strings.Trim(digits, "0123456789abcdef") == ""
}

// createMarks makes an empty one, which is locked until the returned file is
// closed. It is not open for writing: a volume can become read-only meanwhile.
func createMarks(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, err
	}
	f, err = os.Open(path)
	if err == nil {
		_ = lockShared(f) // without a lock it is swept by its age only
	}
	return f, err
}

// set notes that message n was published. What cannot be noted is looked up.
func (m *marks) set(n int64) {
	if m != nil {
		_, _ = m.f.WriteAt([]byte{1}, n)
	}
}

func (m *marks) close() error {
	if m == nil {
		return nil
	}
	return m.f.Close()
}

// openMarks opens a file that createMarks made; nil if it is not there.
func openMarks(path string) *marks {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	return &marks{f}
}

// has reports whether message n was published.
func (m *marks) has(n int64) bool {
	if m == nil {
		return false
	}
	var b [1]byte
	_, err := m.f.ReadAt(b[:], n)
	return err == nil && b[0] == 1
}

// number is the message's place in the marks: what follows Q in its name.
func (n name) number() int64 {
	_, digits, _ := strings.Cut(n.receipt, "Q")
	i, _ := strconv.ParseInt(digits, 10, 64) // parseName allows digits only
	return i
}

// random is the part of a name that all of a Deliverer's files share.
func (n name) random() string {
	_, r, _ := strings.Cut(n.receipt, ".")
	r, _, _ = strings.Cut(r, "Q")
	return r
}

// abandoned reports whether the process that had the marks has ended. Where
// that is not known, it was not.
func abandoned(tmp, base string) bool {
	f, err := os.OpenFile(filepath.Join(tmp, base), os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return lockAlone(f)
}
