package mbox

import (
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// lockNames are the files that taking a dotlock makes for a moment: the lock
// before it is linked, and one that is being broken.
var lockNames = regexp.MustCompile(`^(\.lk[0-9]+\.[0-9]+|.+\.lock\.stale[0-9]+)$`)

// sweepLocks removes what killed processes left of such files beside the mbox:
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
