//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// device is a loop device over the disk.
type device struct {
	path string
	file *os.File // kept open: it detaches itself when nobody has it open
}

// attach finds a free loop device and puts it over file.
func attach(file string) (*device, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	for range 50 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("a free loop device: %w", err)
		}
		d := &device{path: fmt.Sprintf("/dev/loop%d", n)}
		if d.file, err = os.OpenFile(d.path, os.O_RDWR, 0); err != nil {
			return nil, err
		}
		config := &unix.LoopConfig{Fd: uint32(backing.Fd()), Size: sectorSize, Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(d.file.Fd()), config)
		if err == nil {
			return d, nil
		}
		_ = d.file.Close()
		if err != unix.EBUSY { // another process took it
			return nil, fmt.Errorf("%s: %w", d.path, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, unix.EBUSY
}

// forget drops what the kernel has cached of the device, before its content is
// replaced.
func (d *device) forget() error {
	if _, err := unix.IoctlRetInt(int(d.file.Fd()), unix.BLKFLSBUF); err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return nil
}

// mount mounts the device, after the repair that this file system needs once
// the power has failed.
func (d *device) mount(f *fileSystem, dir string, repair bool) error {
	if repair && f.repair != nil {
		if err := f.repair(d.path); err != nil {
			return err
		}
	}
	if err := unix.Mount(d.path, dir, f.kind, 0, f.options); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}

// unmount tries again while something holds the file system.
func (d *device) unmount(dir string) (err error) {
	for range 200 {
		if err = unix.Unmount(dir, 0); err != unix.EBUSY {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	return d.forget()
}

// e2fsck does what the boot scripts do; its exit statuses 1 and 2 say that it
// repaired something.
func e2fsck(device string) error {
	out, err := exec.Command("e2fsck", "-fy", device).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); ok && exit.Sys().(syscall.WaitStatus).ExitStatus() <= 2 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("e2fsck: %w: %s", err, out)
	}
	return nil
}
