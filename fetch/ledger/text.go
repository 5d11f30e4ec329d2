package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MessageError is what went wrong with one message, and which one it is.
type MessageError struct {
	UID  string
	Size int64 // octets as LIST says, -1 if it does not
	Err  error
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("message %s (%s): %v", shownUID(e.UID), shownSize(e.Size), e.Err)
}

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Err }

// unnamed is err without the name of its message, for where that has a place of
// its own.
func unnamed(err error) error {
	var named *MessageError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// shownUID is a unique-id, which is foreign text, as an error shows it.
func shownUID(uid string) string {
	const most = 100
	if len(uid) > most {
		return strconv.QuoteToASCII(uid[:most]) + "..."
	}
	if q := strconv.QuoteToASCII(uid); len(q) != len(uid)+2 || uid == "" {
		return q
	}
	return uid
}

func shownSize(n int64) string {
	switch {
	case n < 0:
		return "of unknown size"
	case n < 10<<10:
		return Counted(int(n), "octet")
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// Counted is a number with its noun.
func Counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// IsAre is the verb of a number.
func IsAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// Brief is a duration without its zeros: 15m, not 15m0s.
func Brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Deleted is what the server confirmed, and what it may have done besides.
type Deleted struct {
	Sure, Open int
	Kind       string // of the messages: why they may be deleted
}

// By is the sentence that who did this.
func (d Deleted) By(who string) string {
	switch {
	case d.Sure == 0 && d.Open == 0:
		return who + " deleted nothing from the server"
	case d.Open == 0:
		return fmt.Sprintf("%s deleted %s from the server, nothing else", who, Counted(d.Sure, d.Kind+" message"))
	case d.Sure == 0:
		return fmt.Sprintf("%s may have deleted %s from the server, nothing else", who, Counted(d.Open, d.Kind+" message"))
	}
	return fmt.Sprintf("%s deleted %s from the server and perhaps %d more of them, nothing else", who, Counted(d.Sure, d.Kind+" message"), d.Open)
}

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
