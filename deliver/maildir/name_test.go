package maildir

import (
	"strings"
	"testing"
	"time"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	const u = "R0123456789abcdefQ12"
	for s, want := range map[string]string{ // name -> receipt; "" for not ours
		"1700000000." + u:                    "1700000000." + u,
		"1700000000." + u + ".host,S=12":     "1700000000." + u,
		"1700000000." + u + ".host,S=12:2,S": "1700000000." + u,
		"0." + u + ".h":                      "0." + u,
		"01." + u:                            "",
		"-1." + u:                            "",
		"." + u:                              "",
		"1700000000." + u + "x":              "",
		"1700000000.R0123456789abcdeQ12":     "",
		"1700000000.R0123456789abcdefQ":      "",
		"1700000000.R0123456789ABCDEFQ1":     "",
		"1700000000.M1P2Q3.host":             "",
		"99999999999999999999999." + u:       "",
		"":                                   "",
	} {
		n, ok := parseName(s)
		if ok != (want != "") || ok && n.receipt != want {
			t.Errorf("%q: got %q, %v, want %q", s, n.receipt, ok, want)
		}
	}
}

func TestSizeInName(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]int64{
		".h,S=12": 12, ".h,S=0:2,": 0, ".h,S=7,W=9:2,S": 7, ".h": -1, ".h,S=": -1, ".h,S=-3": -1, ".h,S=x": -1,
	} {
		got, ok := name{rest: rest}.size()
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: got %d, %v, want %d", rest, got, ok, want)
		}
	}
}

func TestEscapeHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"mx1.example.org": "mx1.example.org", "a/b:c": `a\057b\072c`, "": "localhost", "x y,\x1b": `x\040y\054\033`,
	} {
		if got := escapeHost(host); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
	if got := escapeHost(strings.Repeat("/", 300)); len(got) > maxHost+4 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	for age, want := range map[time.Duration]bool{
		0: false, 36 * time.Hour: false, 36*time.Hour + time.Second: true, -99 * time.Hour: false,
	} {
		if got := stale(now.Add(-age).Unix(), now); got != want {
			t.Errorf("%v: got %v, want %v", age, got, want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("1700000000.R0123456789abcdefQ12.host,S=12:2,S")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseName(s)
		if !ok {
			return
		}
		if n.receipt+n.rest != s {
			t.Errorf("%q parses to %q and %q", s, n.receipt, n.rest)
		}
		if again, ok := parseName(n.receipt); !ok || again.receipt != n.receipt {
			t.Errorf("the receipt %q does not parse", n.receipt)
		}
	})
}
