//go:build !unix

package durable

import "io/fs"

// FileID returns zeros: Go does not report these numbers here.
func FileID(fs.FileInfo) (inode, device, names uint64) { return 0, 0, 0 }

func foreignOwner(fs.FileInfo, string) (string, bool) { return "", false }
