package command

import (
	"errors"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deafPort is a port whose queue is full: the kernel drops what comes, as a
// firewall does.
func deafPort(t *testing.T, vars map[string]string) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	vars["DEAF"] = strconv.Itoa(sa.(*syscall.SockaddrInet4).Port)
	conn, err := net.Dial("tcp", "127.0.0.1:"+vars["DEAF"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
}

// onLinux: Linux refuses a connection to a multicast address as it does one to a
// network without a route, and root may not make a directory in /sys.
func onLinux(*testing.T, map[string]string) {}

func disk(t *testing.T, vars map[string]string, flags uintptr, options string) {
	if !canMount() {
		leaveOut(t, "cannot mount a tmpfs")
	}
	vars["DISK"] = t.TempDir()
	if err := syscall.Mount("mailhaul", vars["DISK"], "tmpfs", flags, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(vars["DISK"], syscall.MNT_DETACH) })
}

func fullDisk(t *testing.T, vars map[string]string)     { disk(t, vars, 0, "nr_inodes=2") }
func smallDisk(t *testing.T, vars map[string]string)    { disk(t, vars, 0, "size=256k") }
func readOnlyDisk(t *testing.T, vars map[string]string) { disk(t, vars, syscall.MS_RDONLY, "") }

// confined runs a command that a security module (Landlock) lets make no
// directory, whatever the file modes say. It is set on one thread, which ends
// with it, and the process that is started there keeps it.
func confined(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	const noLandlock = "no Landlock here"
	got := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		attr := struct{ fs uint64 }{unix.LANDLOCK_ACCESS_FS_MAKE_DIR}
		fd, _, no := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
		if no != 0 {
			got <- errors.New(noLandlock)
			return
		}
		_, _, no1 := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
		_, _, no2 := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
		_ = unix.Close(int(fd))
		if no1 != 0 || no2 != 0 {
			got <- errors.New(noLandlock)
			return
		}
		got <- cmd.Run()
	}()
	err := <-got
	if err != nil && err.Error() == noLandlock {
		leaveOut(t, noLandlock)
	}
	return err
}
