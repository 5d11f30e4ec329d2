package command

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/config"
)

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
