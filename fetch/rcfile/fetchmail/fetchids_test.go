package fetchmail

import "testing"

func TestFetchidsLine(t *testing.T) {
	for in, want := range map[string][3]string{
		"u@h X":                  {"u", "h", "X"},
		" \tu@h X":               {"u", "h", "X"},
		"a@b@h X@Y":              {"a@b", "h", "X@Y"},
		"lotus user@h <a@b> c":   {"lotus user", "h", "<a@b>"},
		"u@h  two blanks":        {"u", "h", "two"},
		"u@h X\tY":               {"u", "h", "X"},
		"u@h \xff\xfe":           {"u", "h", "\xff\xfe"},
		"no at":                  {},
		"u@h":                    {},
		"u@h ":                   {},
		"@h X":                   {},
		"u@ X":                   {},
		"u@h\tX":                 {},
		"blank after@a b@h  UID": {"blank after", "a", "b@h"},
	} {
		user, host, uid, ok := fetchidsLine(in)
		if got := [3]string{user, host, uid}; ok != (want[0] != "") || ok && got != want {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
}
