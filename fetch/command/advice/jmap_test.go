package advice

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/jmap"
	"github.com/mailhaul/mailhaul/deliver/web"
	"github.com/mailhaul/mailhaul/fetch/commit"
)

// TestJMAP: whatever the server of a JMAP target says or lacks, the advice says that it
// is about that one, and nothing of POP3.
func TestJMAP(t *testing.T) {
	at := Situation{Account: "work", Host: "pop.example.org", Implicit: true}
	check := func(err error, says string) {
		t.Helper()
		for _, e := range []error{err, &commit.RecoveryError{Err: err}} {
			if text := Text(e, at); !strings.HasPrefix(text, otherSide) || !strings.Contains(text, says) || strings.Contains(text, "POP3") {
				t.Errorf("%v: %q, want %q", err, text, says)
			}
		}
	}
	of := func(e *jmap.Error) error {
		return &deliver.Error{Class: deliver.Unavailable, Err: e}
	}
	for cause := jmap.NotJMAP; cause <= jmap.InDoubt; cause++ {
		check(of(&jmap.Error{Cause: cause, Err: errors.New("jmap h: x")}), ".")
	}
	for cause := web.Unreachable; cause <= web.Silent; cause++ {
		check(of(&jmap.Error{Err: &web.Error{Cause: cause, Err: errors.New("jmap h: x")}}), "")
	}
	check(of(&jmap.Error{Err: &web.Error{Cause: web.NoLogin, Err: errors.New("jmap h: x")}}), "the token of the target")
	check(of(&jmap.Error{Cause: jmap.OtherHost, Host: "cdn.example", Err: errors.New("x")}), "cdn.example belongs to your provider")
	check(of(&jmap.Error{Cause: jmap.Throttled, Pause: 5 * time.Minute, Err: errors.New("x")}), "a pause of 5m.")
}
