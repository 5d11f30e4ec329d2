package setup

import (
	"os"
	"path/filepath"
	"slices"
)

// traces are directories that were not there before a test. It makes them where
// it has to write.
type traces []string

// before notes what is missing of some directories.
func (t *traces) before(dirs ...string) {
	for _, dir := range dirs {
		if top := missing(dir); top != "" && !slices.Contains(*t, top) {
			*t = append(*t, top)
		}
	}
}

// missing is the topmost part of a path that is not there; empty: all is there.
func missing(path string) (top string) {
	for {
		if _, err := os.Lstat(path); err == nil || path == filepath.Dir(path) {
			return top
		}
		top, path = path, filepath.Dir(path)
	}
}

// sweep removes them, unless something is in them.
func (t *traces) sweep() {
	for _, top := range *t {
		removeEmpty(top)
	}
}

// removeEmpty removes a directory in which there are only empty directories and
// empty files, such as locks.
func removeEmpty(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			removeEmpty(path)
		} else if st, err := e.Info(); err == nil && st.Mode().IsRegular() && st.Size() == 0 {
			_ = os.Remove(path)
		}
	}
	_ = os.Remove(dir)
}
