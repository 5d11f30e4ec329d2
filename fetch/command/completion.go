package command

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"github.com/zalando/go-keyring"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
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
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		ArgsUsage: "bash | zsh | fish",
		Action: func(c *cli.Context) error {
			script, ok := scripts[c.Args().First()]
			if !ok || c.NArg() != 1 {
				return usagef("completion wants one of bash, zsh, fish")
			}
			fmt.Fprint(c.App.Writer, script)
			return nil
		},
		BashComplete: func(c *cli.Context) {
			for _, s := range []string{"bash", "zsh", "fish"} {
				fmt.Fprintln(c.App.Writer, s)
			}
		},
	}
}

// completeAccounts prints the account names of the configuration, for a shell.
func completeAccounts(c *cli.Context) {
	path := c.String("config")
	if path == "" {
		path = config.DefaultPath()
	}
	conf, err := config.Load(path, configOptions())
	if err != nil {
		return
	}
	for _, a := range conf.Accounts {
		fmt.Fprintln(c.App.Writer, a.Name)
	}
}

// configOptions are how this program reads a configuration.
func configOptions() config.Options {
	return config.Options{
		Providers: oauth.Names(),
		Keyring:   keyring.Get,
		Cron:      checkCron,
	}
}

// countMaildir counts the messages in a Maildir; 0 if there is none.
func countMaildir(path string) (n int) {
	for _, sub := range []string{"new", "cur"} {
		entries, _ := os.ReadDir(filepath.Join(path, sub))
		n += len(entries)
	}
	return n
}
