package config

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver/process"
)

// Limits of getting a secret, where the configuration sets none: a person may have
// to unlock a password store; the prompt of a keyring may wait where nobody sees it.
const (
	commandLimit = time.Minute
	keyringLimit = 15 * time.Second
)

// runSecret runs a command without a shell and returns the first line that it
// prints.
func runSecret(ctx context.Context, limit time.Duration, argv []string) (string, error) {
	stdout, stderr := &process.Output{Max: maxSecret}, &process.Output{Max: 4 << 10}
	err := process.Run(ctx, limit, argv, func(cmd *process.Cmd) { cmd.Stdout, cmd.Stderr = stdout, stderr })
	line, _, _ := strings.Cut(stdout.String(), "\n")
	line = strings.TrimSuffix(line, "\r")
	if err != nil {
		return "", commandError(err, stderr.String(), line)
	}
	if line == "" {
		return "", errors.New("printed nothing")
	}
	return line, nil
}

// commandError is why a command failed, with the end of its stderr. A secret that the
// command also printed is removed from it.
func commandError(err error, stderr, secret string) error {
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
