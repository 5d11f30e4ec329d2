package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// helperEnv makes a process the helper of its parent.
const helperEnv = "MAILHAUL_COMMAND_HELPER"

// maxRequest bounds a request: its arguments and environment.
const maxRequest = 128 << 10

// request asks the helper for a command. With it come the socket for the answers, and
// the command's standard input, output and error.
type request struct {
	Args, Env []string
	// Inherit: before Env comes the helper's own environment, which may be a large one.
	Inherit, Leads bool
}

// answer is what the helper sends twice: after the start, and after the end.
type answer struct {
	PID             int    `json:",omitempty"`
	Failed          string `json:",omitempty"` // why it was not started
	Missing, Denied bool   `json:",omitempty"` // of Failed
	End             *ExitError
}

// Delegate starts the helper: a process that runs commands for this one, those allowed
// and no others, so that this one can confine itself and they are not confined. The
// helper ends with this process; the commands do not.
func Delegate(allowed []Allowed) error {
	table, err := json.Marshal(allowed)
	if err != nil {
		return err
	}
	ours, theirs, err := socketPair("helper")
	if err != nil {
		return err
	}
	defer theirs.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.Args = os.Args[:1]
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	cmd.Stdin, cmd.Stderr, cmd.ExtraFiles = bytes.NewReader(table), os.Stderr, []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // it ends after us, or is missed at the next command
	conn, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	_ = ours.Close()
	delegate = func(c *Cmd, files [3]*os.File) (running, error) { return ask(conn.(*net.UnixConn), c, files) }
	return nil
}

// socketPair returns two connected sockets that keep messages apart.
func socketPair(name string) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// remote is a command of the helper.
type remote struct {
	answers *os.File
	id      int
}

func ask(helper *net.UnixConn, c *Cmd, files [3]*os.File) (running, error) {
	env, own := c.Env, os.Environ()
	inherit := env == nil || len(env) >= len(own) && slices.Equal(env[:len(own)], own)
	if env != nil && inherit {
		env = env[len(own):]
	}
	message, err := json.Marshal(request{c.Args, env, inherit, c.Leads})
	if err == nil && len(message) > maxRequest {
		err = syscall.E2BIG
	}
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair("answers")
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	rights := unix.UnixRights(int(theirs.Fd()), int(files[0].Fd()), int(files[1].Fd()), int(files[2].Fd()))
	if _, _, err = helper.WriteMsgUnix(message, rights, nil); err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("the process that runs commands: %w", err)
	}
	r := remote{answers: ours}
	begun, err := r.read()
	switch {
	case err != nil:
	case begun.Missing:
		err = &startError{begun.Failed, fs.ErrNotExist}
	case begun.Denied:
		err = &startError{begun.Failed, fs.ErrPermission}
	case begun.Failed != "":
		err = &startError{begun.Failed, nil}
	}
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	r.id = begun.PID
	return r, nil
}

// startError is why the helper did not start a command.
type startError struct {
	text  string
	cause error
}

func (e *startError) Error() string { return e.text }

func (e *startError) Unwrap() error { return e.cause }

func (r remote) pid() int { return r.id }

func (r remote) wait() (*ExitError, error) {
	defer r.answers.Close()
	a, err := r.read()
	return a.End, err
}

func (r remote) read() (a answer, err error) {
	b := make([]byte, 4<<10)
	n, err := r.answers.Read(b)
	if err == nil {
		err = json.Unmarshal(b[:n], &a)
	}
	if err != nil {
		err = fmt.Errorf("the process that runs commands has ended: %w", err)
	}
	return a, err
}

// Help makes this process the helper of its parent, if that asked for it, and
// returns when the parent is gone. It is called before anything else.
func Help() bool {
	if os.Getenv(helperEnv) == "" {
		return false
	}
	os.Unsetenv(helperEnv)
	// A signal for all of us is obeyed by the parent, who may still need commands.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	var allowed []Allowed
	conn, err := net.FileConn(os.NewFile(3, "parent"))
	if err == nil {
		syscall.CloseOnExec(3)
		err = json.NewDecoder(os.Stdin).Decode(&allowed)
	}
	if err != nil {
		return true
	}
	for b, oob := make([]byte, maxRequest), make([]byte, 1<<10); ; {
		n, oobn, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(b, oob)
		if err != nil || n == 0 {
			return true
		}
		files, err := received(oob[:oobn])
		var r request
		if err == nil {
			err = json.Unmarshal(b[:n], &r)
		}
		if err != nil || len(files) != 4 {
			return true
		}
		go serve(allowed, r, files)
	}
}

// received are the files of a message.
func received(oob []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	for _, m := range messages {
		fds, ferr := unix.ParseUnixRights(&m)
		err = errors.Join(err, ferr)
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, err
}

// serve runs one command.
func serve(allowed []Allowed, r request, files []*os.File) {
	answers := files[0]
	defer answers.Close()
	send := func(a answer) {
		b, _ := json.Marshal(a)
		_, _ = answers.Write(b)
	}
	cmd, err := prepare(allowed, r)
	if err == nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = files[1], files[2], files[3]
		err = cmd.Start()
	}
	for _, f := range files[1:] {
		_ = f.Close()
	}
	if err != nil {
		missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound)
		send(answer{Failed: err.Error(), Missing: missing, Denied: errors.Is(err, fs.ErrPermission)})
		return
	}
	send(answer{PID: cmd.Process.Pid})
	_ = cmd.Wait()
	send(answer{End: exitError(cmd.ProcessState)})
}

func prepare(allowed []Allowed, r request) (*exec.Cmd, error) {
	for _, a := range allowed {
		if len(r.Args) > 0 && a.permits(r.Args) {
			cmd := exec.Command(r.Args[0], r.Args[1:]...)
			if cmd.Env = a.environment(r.Env); r.Inherit {
				cmd.Env = append(os.Environ(), cmd.Env...)
			}
			if r.Leads {
				lead(cmd)
			}
			return cmd, nil
		}
	}
	return nil, errors.New("the configuration had no such command when the process confined itself")
}
