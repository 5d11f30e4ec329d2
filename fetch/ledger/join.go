package ledger

import (
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

// Join is nil for no error, and one error as it is. Nil errors do not count, and
// joined ones count one by one.
func Join(errs ...error) error {
	var all Errors
	for _, err := range errs {
		if more, ok := err.(Errors); ok {
			all = append(all, more...)
		} else if err != nil {
			all = append(all, err)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}
