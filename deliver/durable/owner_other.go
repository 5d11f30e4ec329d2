//go:build !unix

package durable

import "io/fs"

func foreignOwner(fs.FileInfo, string) (string, bool) { return "", false }
