package command

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
		BashComplete: func(c *cli.Context) {
			for _, s := range []string{"bash", "zsh", "fish"} {
				fmt.Fprintln(c.App.Writer, s)
			}
		},
	}
}

// completeOption prints the options that the last word may become, if a shell
// asks for that: the library gives up at an option that is not whole.
func completeOption(app *cli.App, args []string) bool {
	n := len(args)
	if n < 3 || args[n-1] != completionFlag || !strings.HasPrefix(args[n-2], "-") {
		return false
	}
	flags, list := slices.Clone(app.Flags), app.Commands
	for _, word := range args[1 : n-2] {
		if i := slices.IndexFunc(list, func(c *cli.Command) bool { return c.HasName(word) }); i >= 0 {
			flags, list = append(flags, list[i].Flags...), list[i].Subcommands
		}
	}
	for _, name := range namesOf(flags) {
		if strings.HasPrefix("--"+name, args[n-2]) {
			fmt.Fprintln(app.Writer, "--"+name)
		}
	}
	return true
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
