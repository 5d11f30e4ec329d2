package command

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// tellHelp gives commands, and those below them, the help that is shown for
// them: their example, and the names of the global options.
func tellHelp(list []*cli.Command) {
	for _, c := range list {
		c.CustomHelpTemplate = helpTemplate(c)
		hideFalse(c.Flags)
		tellHelp(c.Subcommands)
	}
}

// hideFalse leaves out that a switch is false by default.
func hideFalse(flags []cli.Flag) []cli.Flag {
	for _, f := range flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true
		}
	}
	return flags
}

// helpTemplate is the template for the help of c. The Description of a command
// is its example: a sentence and a command line.
func helpTemplate(c *cli.Command) string {
	var global []string
	note := "These can be placed before or after the command"
	for _, name := range namesOf(globalFlags()) {
		if find(c.Flags, name) == nil {
			global = append(global, "--"+name)
		} else {
			note += ", --" + name + " only before it"
		}
	}
	return `NAME:
   {{template "helpNameTemplate" .}}

USAGE:
   {{template "usageTemplate" .}}

EXAMPLE:
   {{template "descriptionTemplate" .}}{{if .VisibleCommands}}

COMMANDS:{{template "visibleCommandCategoryTemplate" .}}{{end}}

OPTIONS:{{template "visibleFlagTemplate" .}}

GLOBAL OPTIONS:
   ` + strings.Join(global, ", ") + `
   ` + note + `; mailhaul --help describes them.
`
}

// badFlag says what is wrong with one of the flags, from the library's error.
func badFlag(err error, flags []cli.Flag) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return exit.Usagef("no option --%s%s", name, strings.Replace(config.DidYouMean(name, namesOf(flags)), `"`, `"--`, 1))
	}
	if rest, ok := strings.CutPrefix(text, "invalid value "); ok {
		val, rest, _ := strings.Cut(rest, " for flag -")
		name, _, _ := strings.Cut(rest, ": ")
		return exit.Usagef("--%s wants %s, not %s", name, wantedBy(find(flags, name)), val)
	}
	return exit.Usage(err)
}

// wantedBy says which values a flag takes.
func wantedBy(f cli.Flag) string {
	switch f.(type) {
	case *cli.IntFlag:
		return "a number"
	case *cli.DurationFlag:
		return "a duration such as 90s, 10m or 12h"
	}
	return "another value"
}
