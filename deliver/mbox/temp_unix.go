//go:build unix

package mbox

import (
	"errors"
	"os"
)

// openTemp opens a temporary file without a name.
func openTemp(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "mailhaul-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func removeTemp(string) error { return nil }
