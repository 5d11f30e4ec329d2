package maildir

import "io/fs"

// fileID: Go does not tell these numbers here, so tmp/ is trusted by its path.
func fileID(fs.FileInfo) (inode, device uint64) { return 0, 0 }

// writable: access lists have no quick answer; the first message finds out.
func writable(string) error { return nil }
