package command

import (
	"cmp"
	"log/slog"

	"github.com/mailhaul/mailhaul/fetch/config"
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
func parallel(c *config.Config, log *slog.Logger) int {
	files := openFiles()
	n := atOnce(c.Parallel, files)
	if n < c.Parallel && len(c.Accounts) > n {
		log.Warn("too few open files are allowed for so many accounts at a time: raise the limit (ulimit -n, LimitNOFILE= of systemd)",
			"parallel", c.Parallel, "files", files, "uses", n)
	}
	return n
}
