package maildir

import "io/fs"

// inode: Go does not tell a file's number here, so tmp/ is trusted by its path.
func inode(fs.FileInfo) uint64 { return 0 }

// writable: access lists have no quick answer; the first message finds out.
func writable(string) error { return nil }
