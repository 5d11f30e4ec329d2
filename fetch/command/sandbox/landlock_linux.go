package sandbox

import (
	"errors"
	"io/fs"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// What files and directories may be used for. Nothing may be executed.
const (
	readFile  = landlock.AccessFSSet(ll.AccessFSReadFile)
	readDir   = readFile | landlock.AccessFSSet(ll.AccessFSReadDir)
	writeFile = readFile | landlock.AccessFSSet(ll.AccessFSWriteFile|ll.AccessFSTruncate)
	writeDir  = readDir | writeFile | landlock.AccessFSSet(ll.AccessFSMakeDir|ll.AccessFSMakeReg|ll.AccessFSRemoveDir|ll.AccessFSRemoveFile|ll.AccessFSRefer)
)

// Confines reports whether the kernel can confine us.
func Confines() bool {
	abi, err := ll.LandlockGetABIVersion()
	return err == nil && abi >= 2
}

// landlocked confines this process, and reports whether the kernel could. A
// kernel before 5.19 cannot: there, no confined process may move a file to
// another directory, and that is how Maildirs are written.
func landlocked(c Confinement) (bool, error) {
	if !Confines() {
		return false, nil
	}
	var rules []landlock.Rule
	for _, list := range []struct {
		paths     []string
		file, dir landlock.AccessFSSet
	}{{c.read, readFile, readDir}, {c.write, writeFile, writeDir}, {[]string{"/dev/null"}, writeFile, writeFile}} {
		for _, p := range list.paths {
			switch info, err := os.Stat(p); {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			case err != nil:
				return false, err
			case info.IsDir():
				rules = append(rules, landlock.PathAccess(list.dir, p).IgnoreIfMissing())
			default:
				rules = append(rules, landlock.PathAccess(list.file, p).IgnoreIfMissing())
			}
		}
	}
	return true, landlock.V5.BestEffort().RestrictPaths(rules...)
}
