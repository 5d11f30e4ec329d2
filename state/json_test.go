package state

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func TestEscapeJSON(t *testing.T) {
	for _, s := range []string{"plain äö", "\x1b[31m", "\x7f", "\u009b2J", "\u202egpj.exe", "\u2066x\u2069", "a\tb",
		"\U000e0001", "\u00a0"} {
		text, err := json.Marshal(map[string]string{"s": s})
		if err != nil {
			t.Fatal(err)
		}
		got := EscapeJSON(text)
		if i := strings.IndexFunc(string(got), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q: %q is left", s, got[i:])
		}
		var back map[string]string
		if err := json.Unmarshal(got, &back); err != nil || back["s"] != s {
			t.Errorf("%q became %q (%v)", s, back["s"], err)
		}
	}
}
