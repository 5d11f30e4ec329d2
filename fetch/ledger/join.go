package ledger

import (
	"slices"
	"strings"
)

// Errors is more than one thing that went wrong in one run.
type Errors []error

func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; also: ")
}

// Unwrap returns all of them.
func (e Errors) Unwrap() []error { return e }

// Join is nil for no error, and one error as it is. Nil errors do not count.
func Join(errs ...error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return Errors(errs)
}
