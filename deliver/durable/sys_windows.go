package durable

import "os"

func open(path string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0o600) }

// syncDir: Windows has no way to flush a directory; NTFS journals its entries.
func syncDir(string) error { return nil }
