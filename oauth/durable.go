package oauth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// newSuffix names the next version of a token file while it is written. It is
// one fixed name, since the lock is held: a killed process leaves no others.
const newSuffix = ".new"

// replace puts data at path such that after a crash the old or the new content
// is there, whole.
func (s *Store) replace(path string, data []byte) error {
	s.at("write")
	f, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = f.Chmod(0o600) // one that was left behind may be anyhow
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		s.at("sync")
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.at("rename")
	if err := os.Rename(path+newSuffix, path); err != nil {
		return err
	}
	s.at("sync-dir")
	return syncDir(filepath.Dir(path))
}

// makeDir creates the directory and, durably, its entry.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// errReadable means that others could have read a token file.
var errReadable = errors.New("others may read it: chmod 600 it, and log in again if they did")

func checkMode(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if modesMatter && info.Mode().Perm()&0o077 != 0 {
		return errReadable
	}
	return nil
}
