package spool

import (
	"errors"
	"os"
)

// File is a temporary file. It has no name, where the system allows that: a killed
// process leaves nothing.
type File struct {
	*os.File
	named bool // Windows removes no open file
}

// Create makes one; the pattern is that of os.CreateTemp.
func Create(dir, pattern string) (*File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	return &File{f, os.Remove(f.Name()) != nil}, nil
}

// Close ends the file.
func (f *File) Close() error {
	err := f.File.Close()
	if f.named {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
