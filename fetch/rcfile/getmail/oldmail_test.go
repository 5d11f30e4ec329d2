package getmail

import (
	"slices"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

func TestOldmailName(t *testing.T) {
	for _, tc := range [][2]string{
		{"a.b@x", "oldmail-h-995-a.b@x"}, {"a//b:;c", "oldmail-h-995-a-b-c"}, {`a\b`, `oldmail-h-995-a\b`}, {"<|>", "oldmail-h-995--"},
	} {
		if got := oldmailName("h", 995, tc[0]); got != tc[1] {
			t.Errorf("%q: %q", tc[0], got)
		}
	}
	if got := rcfile.UnixTime(1784500000); !got.Equal(time.Unix(1784500000, 0)) {
		t.Error(got)
	}
}

func TestTuple(t *testing.T) {
	for in, want := range map[string][]string{
		`("a", "b")`:             {"a", "b"},
		`("a", )`:                {"a"},
		`"a", 'b'`:               {"a", "b"},
		`("a" 'b', r"\n", "\n")`: {"ab", `\n`, "\n"},
		`("""x"y""", 5)`:         {`x"y`, "5"},
		``:                       {},
		`()`:                     {},
		`("a")`:                  nil,
		`"a"`:                    nil,
		`("a" , , "b")`:          nil,
		`("a", f())`:             nil,
		`("a", "b"`:              nil,
	} {
		got, ok := parseTuple(in)
		if ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
}
