//go:build faults

package fetch_test

import (
	"fmt"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop2/pop2test"
)

// pop2Server counts what a client acknowledges as RETR: the rest was only looked at.
type pop2Server struct{ *pop2test.Server }

func (s pop2Server) Count(command string) int {
	return s.Server.Count(map[string]string{"RETR": "ACKS"}[command])
}

// TestCrashPOP2 kills a fetch from a POP2 server at each step; some of these servers
// delete although the connection was lost.
func TestCrashPOP2(t *testing.T) {
	for _, keep := range []string{"all", "none"} {
		for _, hasty := range []bool{false, true} {
			if !full() && hasty == (keep == "all") {
				continue // nothing is deleted, or less may go wrong
			}
			crash := func(t *testing.T) (*crash, *pop2test.Server) {
				c := newCrash(t, keep, "")
				s := pop2test.Start(t, &pop2test.Server{Drop: c.drop, Hasty: hasty})
				c.server, c.pop2 = pop2Server{s}, "yes"
				return c, s
			}
			t.Run(fmt.Sprintf("%s hasty %t", keep, hasty), func(t *testing.T) {
				c, _ := crash(t)
				steps, _ := c.run(0)
				for k := 1; k <= len(steps); k++ {
					t.Run(fmt.Sprintf("%03d-%s", k, steps[k-1]), func(t *testing.T) {
						t.Parallel()
						c, s := crash(t)
						if _, killed := c.run(k); !killed {
							t.Fatal("the step was not reached")
						}
						c.read()
						if err := c.rest(); err != nil {
							t.Fatalf("%v: %q", err, s.Commands())
						}
						if n := c.drop.Len(); n > 0 == (keep == "none") {
							t.Fatalf("%d messages are left", n)
						}
					})
				}
			})
		}
	}
}
