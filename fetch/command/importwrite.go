package command

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/setup"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// write writes the YAML to the configuration file, which must not exist.
func (r *importRun) write(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		err = fmt.Errorf("%s: exists already and was not changed", path)
	case !errors.Is(err, fs.ErrNotExist):
	default:
		if err = r.writeSecrets(); err == nil {
			err = setup.WriteNew(path, r.result.YAML())
		}
	}
	if err != nil {
		return setup.CannotWrite(err, advice.WriteImport)
	}
	off := 0
	for _, a := range r.result.Accounts {
		if !a.Enabled {
			off++
		}
	}
	fmt.Fprintf(r.out.Err, "mailhaul: wrote %s to %s, %d of them not enabled: its comments say what could not be carried over; then: mailhaul check --connect\n",
		term.Plural(len(r.result.Accounts), "account"), term.Printable(path), off)
	return nil
}

// writeSecrets writes the passwords of the other configuration to files that
// only their owner can read.
func (r *importRun) writeSecrets() error {
	for _, s := range r.result.Secrets {
		if err := durable.MkdirAll(filepath.Dir(s.Path), 0o700); err != nil {
			return err
		}
		if old, err := os.ReadFile(s.Path); err == nil {
			if strings.TrimRight(string(old), "\n") == s.Value {
				continue
			}
			return setup.CannotWrite(fmt.Errorf("%s already holds another password", s.Path), advice.OtherPassword)
		}
		if err := durable.WriteFile(s.Path, []byte(s.Value+"\n")); err != nil {
			return err
		}
		fmt.Fprintf(r.out.Err, "mailhaul: wrote the password to %s (0600)\n", s.Path)
	}
	return nil
}

// secretDir is where imported passwords go: beside the configuration.
func secretDir(c *cli.Context) (string, error) {
	dir, err := filepath.Abs(filepath.Dir(configPath(c)))
	return filepath.Join(dir, "secrets"), err
}

func configPath(c *cli.Context) string { return cmp.Or(c.String("config"), config.DefaultPath()) }
