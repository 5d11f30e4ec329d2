//go:build faults

package fetch_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
)

// newCrashOfCopies is a shared mailbox with two copies of a message for the same two
// people, who are to get one each.
func newCrashOfCopies(t *testing.T) *crash {
	r := smtptest.StartRelay(t, true)
	c := newCrashOf(t, 0, "none", "")
	for i := range 2 {
		c.drop.Add(fmt.Sprint(i), copyFor(1, "a@x, b@x"))
	}
	c.want[sha256.Sum256([]byte("1"))] = 1
	c.target = &crashKind{kind: "copies", arg: r.Addr, copies: func(*crash) []string {
		got := r.Copies()
		if got["a@x 1"] == 0 || got["b@x 1"] == 0 {
			return nil
		}
		return slices.Repeat([]string{"1"}, max(got["a@x 1"], got["b@x 1"]))
	}}
	return c
}

// TestCrashOfCopies kills the fetch at each step: nobody lacks the message, and it comes
// twice only if the kill came between the final dot and the record of its reply.
func TestCrashOfCopies(t *testing.T) {
	steps, _ := newCrashOfCopies(t).run(0)
	t.Logf("%d steps", len(steps))
	for k := 1; k <= len(steps); k++ {
		t.Run(fmt.Sprintf("%03d-%s", k, steps[k-1]), func(t *testing.T) {
			t.Parallel()
			c := newCrashOfCopies(t)
			c.run(k)
			if !inDoubt(steps[:k]) {
				c.kills = 0
			}
			if err := c.rest(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// inDoubt reports whether a message was sent and its reply is not on record.
func inDoubt(steps []string) (doubt bool) {
	for _, step := range steps {
		doubt = step == "smtp.dot" || doubt && step != "commit.applied"
	}
	return doubt
}
