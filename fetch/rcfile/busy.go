package rcfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fmPidFiles are where fetchmail's lock may be.
func fmPidFiles(o Options, set string) []string {
	if set != "" {
		return []string{set}
	}
	files := []string{under(o.env("FETCHMAILHOME"), "fetchmail.pid"), under(o.env("HOME_ETC"), ".fetchmail.pid"), under(o.Home, ".fetchmail.pid")}
	if o.Root {
		files = append(files, "/var/run/fetchmail.pid", "/var/run/fetchmail/fetchmail.pid")
	}
	return nonEmpty(files)
}

// busyFetchmail looks for the process that a pidfile names.
func busyFetchmail(r *Result) (string, bool) {
	for _, file := range r.locks {
		data, err := load(file, 4096)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data))
		if len(fields) == 0 {
			continue
		}
		pid, err := strconv.Atoi(fields[0])
		if err == nil && alive(pid, "fetchmail") {
			return fmt.Sprintf("fetchmail runs as process %d (%s): stop it with fetchmail --quit, so that it writes its list", pid, file), true
		}
	}
	return "", false
}

// busyGetmail: there is no lock.
func busyGetmail(*Result) (string, bool) {
	return "getmail has no lock: make sure that it does not run", false
}

// busyMpop asks for the lock that mpop holds on its lists while it polls.
func busyMpop(r *Result) (string, bool) {
	for _, file := range r.StateFiles() {
		if locked(file) {
			return fmt.Sprintf("mpop holds %s locked: wait until it is done", file), true
		}
	}
	return "", false
}

// busyFdm looks for the lock file; that it exists is the lock.
func busyFdm(r *Result) (string, bool) {
	for _, file := range r.locks {
		if _, err := os.Lstat(file); err == nil {
			return fmt.Sprintf("%s exists: fdm runs, or was killed; then remove it", file), true
		}
	}
	return r.nolock, false
}

// busyThunderbird looks at the profile's locks: a symbolic link to
// "ADDRESS:+PID", and a file that is locked while it runs.
func busyThunderbird(r *Result) (string, bool) {
	for _, file := range r.locks {
		if target, err := os.Readlink(file); err == nil {
			_, pid, _ := strings.Cut(target, "+")
			n, err := strconv.Atoi(pid)
			if err == nil && alive(n, "") {
				return fmt.Sprintf("Thunderbird runs as process %d (%s): close it", n, file), true
			}
			continue
		}
		if filepath.Base(file) != "lock" && locked(file) {
			return fmt.Sprintf("Thunderbird holds %s locked: close it", file), true
		}
	}
	return "", false
}
