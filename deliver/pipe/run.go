package pipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/process"
)

// run gives one message to the command and waits for its end. The command's
// input is a file and no pipe: if we are killed while it reads, it still sees
// the whole message, and delivers no half of it.
func (d *Deliverer) run(ctx context.Context, e *deliver.Envelope, m *staging) error {
	in, size, err := m.File()
	if err != nil {
		return d.failure(deliver.IOError, fmt.Errorf("spool: %w", err))
	}
	out := &capped{}
	cmd := &process.Cmd{
		Args:  d.o.Command,
		Env:   environ(os.Getenv, &d.o, e),
		Stdin: in, Stdout: out, Stderr: out,
		WaitDelay: d.o.Grace, Leads: true,
	}

	fault.Point("pipe.start")
	if err := cmd.Start(); err != nil {
		return d.startError(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	why, err := d.await(ctx, cmd, ended)
	fault.Point("pipe.ended")
	if why != nil {
		class := deliver.Failed
		if ctx.Err() != nil {
			class = deliver.Later
		}
		return d.failure(class, fmt.Errorf("%w; the message may have been delivered%s", why, said(out)))
	}
	return d.judge(err, e.Recipients == nil && !d.took.Load(), readTo(in) >= size, out)
}

// readTo is how far the command has read: it shares the file's position.
func readTo(f *os.File) int64 {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0
	}
	return at
}

// await waits for the command and ends it when its time is over: why says
// so. err is the command's own end.
func (d *Deliverer) await(ctx context.Context, cmd *process.Cmd, ended <-chan error) (why, err error) {
	select {
	case err := <-ended:
		return nil, err
	case <-time.After(d.o.Timeout):
		why = fmt.Errorf("not done after %s", d.o.Timeout)
	case <-ctx.Done():
		why = fmt.Errorf("interrupted: %w", ctx.Err())
	}
	_ = cmd.End(false)
	select {
	case err = <-ended:
		_ = cmd.End(true) // children that outlived it
	case <-time.After(d.o.Grace):
		_ = cmd.End(true)
		err = <-ended
	}
	return why, err
}

// judge turns the command's end into the message's outcome. fixed: see verdict.
func (d *Deliverer) judge(err error, fixed, whole bool, out *capped) error {
	if errors.Is(err, exec.ErrWaitDelay) {
		d.o.Logger.Warn("command left a process behind that holds its input or output", "command", d.o.Command[0])
		err = nil
	}
	if err == nil {
		d.took.Store(true)
		if !whole {
			d.o.Logger.Warn("command ended well without reading the whole message", "command", d.o.Command[0])
		}
		return nil
	}
	end, ok := errors.AsType[*process.ExitError](err)
	if !ok { // how it ended is not known
		return d.failure(deliver.Later, err)
	}
	status := end.Code // -1: a signal
	failed := d.failure(verdict(status, fixed, out.String()), &StatusError{status, fmt.Sprintf("%s%s%s", end.Text, statusName(status), said(out))})
	failed.Refused = status > 0 && status != 64 && status != 78 // EX_USAGE, EX_CONFIG: no matter of a message
	return failed
}

// said is the command's output as the end of an error text.
func said(out *capped) string {
	if s := out.String(); s != "" {
		return ": " + s
	}
	return ""
}

func (d *Deliverer) startError(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, exec.ErrNotFound) {
		return d.failure(deliver.CannotCreate, &StartError{err})
	}
	return d.failure(deliver.Unavailable, err)
}

func (d *Deliverer) failure(c deliver.Class, err error) *deliver.Error {
	return &deliver.Error{Class: c, Err: fmt.Errorf("pipe %s: %w", d.o.Command[0], err)}
}

// StartError says that the command is missing or may not be executed.
type StartError struct{ Err error }

func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// StatusError says that the command ended with a status other than 0; -1 is a
// signal. Text also holds what it said.
type StatusError struct {
	Status int
	Text   string
}

func (e *StatusError) Error() string { return e.Text }

// defaultPath is what commands get if we have no PATH ourselves (cron).
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// BaseEnv is the environment that a command starts from, PATH included: nothing
// but these variables of ours and those named, so that no secret in the rest
// (MAILHAUL_PASSWORD and the like) reaches it.
func BaseEnv(getenv func(string) string, more ...string) []string {
	env := []string{"PATH=" + cmp.Or(getenv("PATH"), defaultPath)}
	for _, name := range append([]string{"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SystemRoot"}, more...) {
		if v := getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// environ builds a command's environment for one message.
func environ(getenv func(string) string, o *Options, e *deliver.Envelope) []string {
	env := append(BaseEnv(getenv), o.Env...)
	to := o.To
	if e.Recipients != nil {
		to = e.Recipients
	}
	return append(env,
		"SENDER="+printable(e.Sender),
		"RECIPIENT="+printable(strings.Join(to, ",")),
		"MAILHAUL_ACCOUNT="+printable(e.Account),
		"MAILHAUL_UID="+printable(e.UID))
}

// printable drops control characters, NUL among them, from foreign text:
// scripts put such values on terminals and in file names.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
