//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// lab is one disk with its loop device and mount point, and the programs.
type lab struct {
	fs       *fileSystem
	dir      string // of this process, outside the disk
	mnt      string
	disk     *disk
	dev      *device
	program  string
	ca       *pop3test.CA
	provider *provider
	recorder string // the program that is recorded
	mutation string // the defect that is switched on while recording
}

// errDisk is an error of the file system itself: it could not be mounted.
var errDisk = errors.New("the file system")

func newLab(dir string, f *fileSystem, o options) (*lab, error) {
	l := &lab{fs: f, dir: dir, mnt: filepath.Join(dir, "mnt"), ca: pop3test.NewCA(),
		program: o.Program, recorder: o.Recorder, mutation: o.Mutation}
	shelf := filepath.Join(dir, "fuse")
	for _, d := range []string{l.mnt, shelf} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	var err error
	if l.provider, err = newProvider(); err != nil {
		return nil, err
	}
	if l.disk, err = serve(shelf, f.size<<20); err != nil {
		return nil, fmt.Errorf("fuse: %w", err)
	}
	l.dev, err = attach(filepath.Join(shelf, "disk"))
	return l, err
}

// The state and the mail have no directory in common but the root: what is
// synced for one of them must not hide what is missing for the other.
func (l *lab) state() string { return filepath.Join(l.mnt, "var", "lib", "state") }

func (l *lab) target(name string) string { return filepath.Join(l.mnt, "home", "mail", name) }

// on mounts an image and calls fn. The image is not changed.
func (l *lab) on(im image, repair bool, fn func() error) error {
	l.disk.load(im)
	return l.mounted(repair, fn)
}

func (l *lab) mounted(repair bool, fn func() error) error {
	if err := l.dev.mount(l.fs, l.mnt, repair); err != nil {
		return errors.Join(errDisk, err, l.dev.forget())
	}
	err := fn()
	return errors.Join(err, l.dev.unmount(l.mnt))
}

// run runs mailhaul against the world and returns its exit status and output.
func (l *lab) run(w *site, program string, mutate string, args ...string) (int, string, error) {
	config := filepath.Join(l.dir, "config.yaml")
	if err := os.WriteFile(config, []byte(w.config()), 0o600); err != nil {
		return 0, "", err
	}
	cmd := exec.Command(program, append([]string{"--config", config}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+l.dir, "MAILHAUL_FAULT_MUTATE="+mutate)
	cmd.Dir = l.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it would keep the mounts of a dead worker
	cmd.WaitDelay = time.Second
	timeout := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, "", err
	}
	return cmd.ProcessState.ExitCode(), string(out), nil
}

// must runs the mailhaul that recovers, and it must succeed.
func (l *lab) must(s *site, args ...string) error {
	code, out, err := l.run(s, l.program, "", args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: exit status %d:\n%s", args[0], code, out)
	}
	return err
}

// record prepares a file system for the job and records the job on it.
func (l *lab) record(j *job, rng *rand.Rand) (*recording, error) {
	empty, err := l.fs.make(l.dir)
	if err != nil {
		return nil, err
	}
	w := j.begin()
	if err := l.on(empty, false, func() error { return j.prepare(l, &w) }); err != nil {
		return nil, err
	}
	r := &recording{}
	l.disk.load(l.disk.snapshot())
	err = l.mounted(false, func() error {
		site := open(l, j, w)
		defer site.close()
		r.base, r.outside = l.disk.snapshot(), []world{site.now()}
		calm := l.disturb(rng)
		l.disk.record(func() int { return r.saw(site) })
		code, out, err := l.run(site, l.recorder, l.mutation, j.args(l)...)
		r.log, site.done = l.disk.stop(), code == 0
		r.saw(site)
		if err := errors.Join(err, calm()); err != nil {
			return err
		}
		if code != 0 && l.mutation == "" {
			return fmt.Errorf("the recorded run ended with %d:\n%s", code, out)
		}
		return nil
	})
	return r, err
}

// saw notes the world if it has changed, and returns its index.
func (r *recording) saw(s *site) int {
	if now := s.now(); !now.equal(r.outside[len(r.outside)-1]) {
		r.outside = append(r.outside, now)
	}
	return len(r.outside) - 1
}

// disturb is another program that writes and syncs a file of its own now and
// then, in one half of the recordings: journals then commit what is ours, too.
func (l *lab) disturb(rng *rand.Rand) (calm func() error) {
	if rng.IntN(2) == 0 {
		return func() error { return nil }
	}
	stop, done := make(chan struct{}), make(chan error)
	pause := time.Duration(1+rng.IntN(8)) * time.Millisecond
	go func() {
		f, err := os.Create(filepath.Join(l.mnt, "other"))
		for err == nil {
			if _, err = f.WriteString("another program\n"); err == nil {
				err = unix.Fsync(int(f.Fd()))
			}
			select {
			case <-stop:
				done <- errors.Join(err, f.Close())
				return
			case <-time.After(pause):
			}
		}
		<-stop
		done <- err
	}()
	return func() error { close(stop); return <-done }
}
