// Command zip packs a directory for Windows: zip OUT DIR. As with the other
// archives, the bytes depend on the files, on SOURCE_DATE_EPOCH and on the Go
// release alone; the times and owners of the files do not count.
package main

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: zip OUT DIR")
		os.Exit(64)
	}
	if err := pack(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "zip:", err)
		os.Exit(1)
	}
}

func pack(out, dir string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	w := zip.NewWriter(f)
	tree := os.DirFS(dir)
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error { // in the order of names
		if err != nil || d.IsDir() {
			return err
		}
		return add(w, tree, name, path.Join(filepath.Base(dir), name), time.Unix(epoch, 0).UTC())
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// add packs one file.
func add(w *zip.Writer, tree fs.FS, name, as string, at time.Time) error {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	part, err := w.CreateHeader(&zip.FileHeader{Name: as, Method: zip.Deflate, Modified: at})
	if err != nil {
		return err
	}
	_, err = part.Write(text)
	return err
}
