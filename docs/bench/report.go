//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// writeReport puts each table between its marks in the page, and leaves the
// words around them, which people write, as they are.
func writeReport(path string, l *lab, tables []*table) error {
	page, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		page, err = []byte("# Performance\n"), nil
	}
	if err != nil {
		return err
	}
	page = replace(page, "machine", machine(l))
	for _, t := range tables {
		page = replace(page, fmt.Sprintf("table %d", t.number), t.String())
	}
	return os.WriteFile(path, page, 0o644)
}

// replace exchanges what is between the marks of that name, which it adds at
// the end if they are missing.
func replace(page []byte, name, text string) []byte {
	begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- end of "+name+" -->\n")
	before, rest, ok := bytes.Cut(page, begin)
	if !ok {
		before, rest = append(page, '\n'), end
	}
	_, after, _ := bytes.Cut(rest, end)
	return bytes.Join([][]byte{before, begin, []byte(strings.TrimSpace(text) + "\n"), end, after}, nil)
}

// machine says in one line where the figures come from; it names no host.
func machine(l *lab) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	add("%s, %d processors", cpuModel(), runtime.NumCPU())
	if k, err := os.ReadFile("/proc/sys/kernel/ostype"); err == nil {
		release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
		version, _, _ := strings.Cut(string(release), "-")
		add("%s %s", bytes.TrimSpace(k), strings.TrimSpace(version))
	}
	add("%s", fileSystem(l.dir))
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		add("load at the end %s", strings.Fields(string(load))[0])
	}
	for _, p := range []string{"dovecot-core", "mpop", "fdm", "fetchmail", "procmail", "getmail6", "isync"} {
		out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", p).Output()
		if err == nil {
			v, _, _ := strings.Cut(string(out), "+")
			add("%s %s", strings.TrimSuffix(p, "-core"), v)
		}
	}
	add("%s", runtime.Version())
	return fmt.Sprintf("Measured by `make bench` on: %s. Medians of %d runs, in turn.", strings.Join(parts, "; "), l.rounds)
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

// fileSystem names the kind of file system by its magic number (statfs(2)).
func fileSystem(dir string) string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return "unknown file system"
	}
	names := map[int64]string{0xef53: "ext4", 0x01021994: "tmpfs", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x794c7630: "overlayfs"}
	if n, ok := names[int64(st.Type)]; ok {
		return n
	}
	return fmt.Sprintf("file system %#x", st.Type)
}

// chownLike gives path to the owner of another file.
func chownLike(path string, like os.FileInfo) error {
	st, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Getuid() != 0 {
		return nil
	}
	return os.Chown(path, int(st.Uid), int(st.Gid))
}
