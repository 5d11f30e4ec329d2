package config

import "testing"

func TestNetrc(t *testing.T) {
	const text = `# comment password no
default login anonymous password fallback
machine a.example login alice password one   machine a.example
  login bob
  password "two \"words\" \\ \n#x" account ignored
machine b.example password #three
macdef init
machine a.example login carol password macro

# after the macro
machine C.example login "alice" password pass\word
machine d.example login alice
`
	entries, err := parseNetrc(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ host, user, want string }{
		{"a.example", "alice", "one"},
		{"A.EXAMPLE", "bob", "two \"words\" \\ \n#x"},
		{"a.example", "carol", ""},
		{"b.example", "anyone", "#three"},
		{"c.example", "alice", `pass\word`},
		{"d.example", "alice", ""},
		{"e.example", "anonymous", "fallback"},
		{"e.example", "alice", ""},
	} {
		got := ""
		for _, e := range entries {
			if e.matches(tc.host, tc.user) && e.password != "" {
				got = e.password
				break
			}
		}
		if got != tc.want {
			t.Errorf("%s@%s: %q, want %q", tc.user, tc.host, got, tc.want)
		}
	}
}

func TestNetrcBad(t *testing.T) {
	for text, want := range map[string]string{
		"machine":                           "ends where a value is expected",
		"machine a\nlogin b passwd hunter2": "line 2: unknown word where a keyword is expected",
		"machine a password \"hunter2":      "line 1: a quote is not closed",
	} {
		if _, err := parseNetrc(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine a login b password \"c\\")
	f.Add("macdef x\n\ndefault password y")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseNetrc(text); err != nil {
			return
		}
	})
}
