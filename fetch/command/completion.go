package command

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"github.com/zalando/go-keyring"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
)

//go:embed completion.bash
var bashCompletion string

//go:embed completion.zsh
var zshCompletion string

//go:embed completion.fish
var fishCompletion string

func completionCommand() *cli.Command {
	scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	return &cli.Command{
		Name:        "completion",
		Usage:       "print the completion script of a shell",
		Description: "Complete commands and options in a running bash:\n  source <(mailhaul completion bash)",
		ArgsUsage:   "bash | zsh | fish",
		Action: func(c *cli.Context) error {
			script, ok := scripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return exit.Usagef("completion wants one of bash, zsh, fish")
			}
			fmt.Fprint(c.App.Writer, script)
			return nil
		},
	}
}

// configOptions are how this program reads a configuration.
func configOptions() config.Options {
	return config.Options{Targets: target.Rows().Kinds(), Keyring: keyring.Get}
}

// countMaildir counts the messages in a Maildir; 0 if there is none.
func countMaildir(path string) (n int) {
	for _, sub := range []string{"new", "cur"} {
		entries, _ := os.ReadDir(filepath.Join(path, sub))
		n += len(entries)
	}
	return n
}
