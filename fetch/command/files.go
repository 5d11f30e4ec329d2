package command

import (
	"cmp"

	"github.com/mailhaul/mailhaul/fetch/schedule"
)

// What a process has open besides its accounts, and what one of these has at most: the
// connection and its tunnel, the state, a status that is written, and for each target
// a connection or a directory, its marks and the files of a batch that are synced.
const (
	filesOfProcess = 64
	filesOfAccount = 10
)

// atOnce is how many accounts may run at a time with so many open files.
func atOnce(parallel, files int) int {
	parallel = cmp.Or(parallel, schedule.DefaultParallel)
	if files == 0 {
		return parallel
	}
	return max(1, min(parallel, (files-filesOfProcess)/filesOfAccount))
}

// parallel is the setting, or less if this process may not open enough files, which it
// then says: a run that cannot open a file ends with an error.
func (e *call) parallel() int {
	files := openFiles()
	n := atOnce(e.conf.Parallel, files)
	if n < e.conf.Parallel && len(e.conf.Accounts) > n {
		e.log.Warn("too few open files are allowed for so many accounts at a time: raise the limit (ulimit -n, LimitNOFILE= of systemd)",
			"parallel", e.conf.Parallel, "files", files, "uses", n)
	}
	return n
}
