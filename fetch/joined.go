package fetch

import (
	"slices"

	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// worstOf is the exit code that stands for all of the errors.
func worstOf(errs []error) Exit {
	codes := make([]Exit, len(errs))
	for i, err := range errs {
		codes[i] = ExitOf(err)
	}
	return Worst(codes)
}

// joined is ledger.Join with the worst error first, by its exit code.
func joined(errs ...error) error {
	all, more := ledger.Join(errs...).(ledger.Errors)
	if !more {
		return ledger.Join(errs...)
	}
	slices.SortStableFunc(all, func(a, b error) int { return rank(a) - rank(b) })
	return all
}

// rank is the place of an error's exit code in the order of the worst.
func rank(err error) int {
	if i := slices.Index(worst[:], ExitOf(err)); i >= 0 {
		return i
	}
	return len(worst)
}
