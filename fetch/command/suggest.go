package command

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
)

// didYouMean returns `; did you mean "x"?` for the word that is closest to
// what was typed, or "" if none is close enough to be a slip of the finger.
func didYouMean(got string, words []string) string {
	const (
		close  = 0.85 // of 1, which is equality
		boost  = 0.7
		prefix = 4
	)
	best, most := "", close
	for _, w := range words {
		if s := smetrics.JaroWinkler(strings.ToLower(got), w, boost, prefix); s > most {
			best, most = w, s
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// badFlag says what is wrong with one of the flags, from the library's error.
func badFlag(err error, flags []cli.Flag) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return exit.Usagef("no option --%s%s", name, didYouMean(name, namesOf(flags)))
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
