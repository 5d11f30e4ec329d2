package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// secretTimeout is how long a command may take: long enough for a person to
// unlock a password store.
const secretTimeout = time.Minute

// runSecret runs a command without a shell and returns the first line that it
// prints.
func runSecret(ctx context.Context, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// A grandchild that holds the pipe open must not hold us.
	cmd.WaitDelay = 2 * time.Second
	stdout, stderr := &capped{max: maxSecret}, &capped{max: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	line, _, _ := strings.Cut(stdout.String(), "\n")
	line = strings.TrimSuffix(line, "\r")
	if err != nil {
		return "", commandError(ctx, err, stderr.String(), line)
	}
	if line == "" {
		return "", errors.New("printed nothing")
	}
	return line, nil
}

// commandError says why a command failed, with the end of what it wrote to
// stderr, from which a secret that it also printed is removed.
func commandError(ctx context.Context, err error, stderr, secret string) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = errors.New("took too long: does it wait for somebody?")
	case ctx.Err() != nil:
		err = ctx.Err()
	}
	if xe, ok := errors.AsType[*exec.Error](err); ok {
		err = xe.Err
	}
	said := strings.TrimSpace(stderr)
	if secret != "" {
		said = strings.ReplaceAll(said, secret, redacted)
	}
	if said == "" {
		return err
	}
	if len(said) > 300 {
		said = "..." + said[len(said)-300:]
	}
	return fmt.Errorf("%w: %q", err, said)
}

// capped keeps the first max bytes and swallows the rest, so that the command
// is not ended by a closed pipe.
type capped struct {
	bytes.Buffer
	max int
}

func (c *capped) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), c.max-c.Len())])
	return len(p), nil
}
