package command

import (
	"os"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdMount mounts a small disk: mount DIR SIZE. Later, mount DIR ro and mount
// DIR rw change it, and mount DIR SIZE remount gives it another size.
func cmdMount(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	switch {
	case args[1] == "ro":
		ts.Check(syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		return
	case args[1] == "rw":
		ts.Check(syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
		return
	case len(args) == 3:
		ts.Check(syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size="+args[1]))
		return
	}
	ts.Check(os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("mailhaul", dir, "tmpfs", 0, "mode=700,size="+args[1]); err != nil {
		ts.Fatalf("mount: %v (guard the script with [!mount] skip)", err)
	}
	w := worldOf(ts)
	w.undo = append(w.undo, func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// canMount reports whether this process may mount a tmpfs.
func canMount() bool {
	dir, err := os.MkdirTemp("", "mailhaul")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if err := syscall.Mount("mailhaul", dir, "tmpfs", 0, "size=64k"); err != nil {
		return false
	}
	return syscall.Unmount(dir, syscall.MNT_DETACH) == nil
}
