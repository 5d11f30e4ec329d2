package fetch

import (
	"slices"
	"strings"
)

// severalError is more than one thing that went wrong in one run: the worst
// comes first, and is what a single exit code tells.
type severalError []error

func (e severalError) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; also: ")
}

// Unwrap returns all of them.
func (e severalError) Unwrap() []error { return e }

func (e severalError) exit() Exit {
	codes := make([]Exit, len(e))
	for i, err := range e {
		codes[i] = ExitOf(err)
	}
	return Worst(codes)
}

// joined is nil for no error, and one error as it is. Nil errors do not count.
func joined(errs ...error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	slices.SortStableFunc(errs, func(a, b error) int { return rank(a) - rank(b) })
	return severalError(errs)
}

// rank is the place of an error's exit code in the order of the worst.
func rank(err error) int {
	if i := slices.Index(worst[:], ExitOf(err)); i >= 0 {
		return i
	}
	return len(worst)
}
