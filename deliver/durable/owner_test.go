//go:build unix

package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckOwner(t *testing.T) {
	root := os.Geteuid() == 0
	for _, c := range []struct {
		name      string
		dir, file os.FileMode
		uid       int // -1: ours
		base      string
		want      string // of the error
	}{
		{"ours", 0o777 | os.ModeSticky, 0o600, -1, "mail", ""},
		{"another's", 0o777 | os.ModeSticky, 0o600, 65534, "mail", "made by another user (65534)"},
		{"another's, no sticky bit", 0o777, 0o666, 65534, "mail", "made by another user"},
		{"another's, for anybody to write", 0o777 | os.ModeSticky, 0o666, 65534, "mail", "made by another user"},
		{"ours, for anybody to write", 0o777 | os.ModeSticky, 0o666, -1, "mail", "anybody may write to it"},
		{"a file system without modes", 0o777, 0o777, -1, "mail", ""},
		{"private directory", 0o755, 0o666, 65534, "mail", ""},
		{"root, a user's own spool", 0o777 | os.ModeSticky, 0o600, 65534, "nobody", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.uid >= 0 && !root {
				t.Skip("needs root to make another user's file")
			}
			dir := filepath.Join(t.TempDir(), "spool")
			path := filepath.Join(dir, c.base)
			err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, nil, 0o600), os.Chmod(path, c.file))
			if c.uid >= 0 {
				err = errors.Join(err, os.Chown(path, c.uid, -1))
			}
			info, serr := os.Lstat(path)
			if err = errors.Join(err, serr, os.Chmod(dir, c.dir)); err != nil {
				t.Fatal(err)
			}
			err = CheckOwner(path, info)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
