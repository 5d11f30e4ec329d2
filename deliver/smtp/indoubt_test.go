package smtp

import "testing"

// TestInDoubt: where QUIT's answer is not known for one, only who has the
// message by both readings of the replies has it.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	r := func(codes ...int) (out []reply) {
		for _, c := range codes {
			out = append(out, reply{code: c})
		}
		return out
	}
	for name, c := range map[string]struct{ replies, late, want []reply }{
		"nothing came":           {r(550), nil, r(550)},
		"250 to QUIT":            {r(550), r(250), r(550)},
		"one early, no answer":   {r(500, 250), r(452), r(500, 452)},
		"one early, 250 to QUIT": {r(500, 250), r(250, 250), r(500, 500)},
	} {
		got := inDoubt(c.replies, c.late)
		for i := range c.want {
			if got[i].code != c.want[i].code {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}
