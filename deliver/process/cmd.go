package process

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Cmd is a command without a shell. It is run by this process or, after Delegate, by
// the helper. The fields are those of exec.Cmd, and are set before Start.
type Cmd struct {
	// Args are the program, which is looked up, and its arguments.
	Args []string
	// Env is its environment; nil is that of this process.
	Env            []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// WaitDelay is how long its output may be open after its end.
	WaitDelay time.Duration
	// Leads makes it the leader of a process group, so that End ends its descendants too.
	Leads bool

	running running
	copied  sync.WaitGroup
	ours    []*os.File // ends of pipes
}

// running is a command that has been started.
type running interface {
	wait() (*ExitError, error) // once; nil, nil is status 0
	pid() int
}

// ExitError says that a command ended with a status other than 0; -1 is a signal.
type ExitError struct {
	Code int
	Text string
}

// Error implements error.
func (e *ExitError) Error() string { return e.Text }

// exitError is how a process ended.
func exitError(s *os.ProcessState) *ExitError {
	if s.Success() {
		return nil
	}
	return &ExitError{s.ExitCode(), s.String()}
}

// Start starts the command.
func (c *Cmd) Start() (err error) {
	var theirs [3]*os.File
	var close []*os.File
	defer func() {
		for _, f := range close {
			_ = f.Close()
		}
		if err != nil {
			c.closeOurs()
		}
	}()
	give := func(i int, file *os.File, err error) error {
		if err == nil {
			theirs[i], close = file, append(close, file)
		}
		return err
	}
	if err := c.input(&theirs, give); err != nil {
		return err
	}
	if err := c.output(&theirs, 1, c.Stdout, give); err != nil {
		return err
	}
	if c.Stderr != nil && c.Stderr == c.Stdout {
		theirs[2] = theirs[1]
	} else if err := c.output(&theirs, 2, c.Stderr, give); err != nil {
		return err
	}
	start := startLocal
	if delegate != nil {
		start = delegate
	}
	c.running, err = start(c, theirs)
	return err
}

func (c *Cmd) input(theirs *[3]*os.File, give func(int, *os.File, error) error) error {
	if f, ok := c.Stdin.(*os.File); ok {
		theirs[0] = f
		return nil
	}
	if c.Stdin == nil {
		f, err := os.Open(os.DevNull)
		return give(0, f, err)
	}
	r, w, err := os.Pipe()
	if err == nil {
		c.ours = append(c.ours, w)
		c.copied.Go(func() {
			_, _ = io.Copy(w, c.Stdin) // a command need not read it
			_ = w.Close()
		})
	}
	return give(0, r, err)
}

func (c *Cmd) output(theirs *[3]*os.File, i int, to io.Writer, give func(int, *os.File, error) error) error {
	if f, ok := to.(*os.File); ok {
		theirs[i] = f
		return nil
	}
	if to == nil {
		f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		return give(i, f, err)
	}
	r, w, err := os.Pipe()
	if err == nil {
		c.ours = append(c.ours, r)
		c.copied.Go(func() { _, _ = io.Copy(to, r) })
	}
	return give(i, w, err)
}

func (c *Cmd) closeOurs() {
	for _, f := range c.ours {
		_ = f.Close()
	}
}

// Wait waits for the end of the command, and of its output. The error is an
// *ExitError, or exec.ErrWaitDelay if another process holds the output.
func (c *Cmd) Wait() error {
	status, err := c.running.wait()
	copied := make(chan struct{})
	go func() { c.copied.Wait(); close(copied) }()
	late := time.NewTimer(c.WaitDelay)
	defer late.Stop()
	var held error
	select {
	case <-copied:
	case <-late.C:
		held = exec.ErrWaitDelay
	}
	c.closeOurs()
	<-copied
	switch {
	case err != nil:
		return err
	case status != nil:
		return status
	}
	return held
}

// End sends SIGTERM, or SIGKILL, to the command, and to its group if it leads one.
// They may have ended already, so an error means little.
func (c *Cmd) End(kill bool) error { return end(c.running.pid(), c.Leads, kill) }

// local is a command of this process.
type local struct{ *exec.Cmd }

func startLocal(c *Cmd, files [3]*os.File) (running, error) {
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Env, files[0], files[1], files[2]
	if c.Leads {
		lead(cmd)
	}
	return local{cmd}, cmd.Start()
}

func (l local) pid() int { return l.Process.Pid }

func (l local) wait() (*ExitError, error) {
	err := l.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		err = nil
	}
	if err != nil || l.ProcessState == nil {
		return nil, err
	}
	return exitError(l.ProcessState), nil
}

// delegate starts a command at the helper; nil: there is none.
var delegate func(c *Cmd, files [3]*os.File) (running, error)
