package config_test

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	. "github.com/mailhaul/mailhaul/fetch/config"
)

// many are n accounts, each made from a pattern of its own.
func many(n int, patterns ...string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(patterns[i%len(patterns)], "#N", fmt.Sprint(i)))
	}
	return b.String()
}

const (
	blockForm = "  a#N:\n    server: pop.example.org\n    user: u#N\n    password: p\n    keep:\n      days: 3\n    deliver:\n" +
		"    - maildir: /m/#N\n"
	flowForm = "  a#N: {server: pop.example.org, user: u#N, deliver: [{mbox: /m/#N}]} # a: comment\n\n"
	textForm = "  \"a#N\":\n    server: pop.example.org\n    user: u#N\n    deliver: [{maildir: /m/#N}]\n    password: \"more\n  than: one\n" +
		"    line\"\n"
	blockText = "# accounts:\n  a#N:\n    user: u#N\n    deliver: [{maildir: /m/#N}]\n    server: |-\n      pop.example.org\n   # less\n"
	mergeForm = "  a#N:\n    <<: *common\n    user: u#N\n    deliver: [{maildir: /m/#N}]\n"
	common    = "x-common: &common\n  server: pop.example.org\n  password: p\n"
)

// TestManyAccounts asks that a file that is parsed in parts yields the accounts, and the
// mistakes, that it yields as a whole: with 'accounts': it is not divided.
func TestManyAccounts(t *testing.T) {
	bad := "  bad#N: {server: pop.example.org, user: u#N, colour: blue, deliver: [{maildir: /m/#N}]}\n"
	for name, text := range map[string]string{
		"forms":           "accounts:  # all\n" + many(250, blockForm, flowForm, blockText),
		"CRLF":            strings.ReplaceAll("accounts:\n"+many(250, blockForm, flowForm), "\n", "\r\n"),
		"more after":      "accounts:\n" + many(250, blockForm) + "\nparallel: 7\ndefaults:\n  every: 7m\n",
		"aliases":         common + "accounts:\n" + many(250, mergeForm),
		"merged into all": common + "x-all: &all\n  a0: {user: x}\naccounts:\n" + many(250, mergeForm) + "  <<: *all\n",
		"anchors below":   "accounts:\n  a: &common {server: pop.example.org, user: x, deliver: [{mbox: /x}]}\n" + many(250, mergeForm),
		"an anchor again": common + "accounts:\n  b: &common {server: pop.example.com, user: x, deliver: [{mbox: /x}]}\n" +
			many(250, mergeForm),
		"text of lines":         "accounts:\n" + many(250, textForm),
		"text with accounts":    "state: \"/x\naccounts:\n" + many(250, blockForm) + "y\"\naccounts:\n" + many(3, blockForm),
		"accounts only in text": "state: \"/x\naccounts:\n" + many(250, blockForm) + "y\"\naccounts:\n",
		"twice":                 "accounts:\n" + many(250, blockForm) + many(3, flowForm),
		"two sections":          "accounts:\n" + many(250, blockForm) + "accounts:\n" + many(3, flowForm),
		"same mailbox":          "accounts:\n" + many(250, blockForm) + strings.ReplaceAll(many(3, blockForm), "a", "b"),
		"mistakes":              "accounts:\n" + many(250, blockForm, bad),
		"mistakes with aliases": common + "accounts:\n" + many(250, mergeForm, bad),
		"a list":                "accounts:\n" + many(250, blockForm) + "  - a\n" + many(150, flowForm),
		"no indentation":        "accounts:\n" + many(250, blockForm) + "what: {\n" + many(150, flowForm),
		"tabs":                  "accounts:\n" + many(250, blockForm) + "\tb: {}\n",
		"an open quote":         "accounts:\n" + many(250, blockForm) + "  b: \"\n" + many(150, blockForm),
		"two documents":         "accounts:\n" + many(250, blockForm) + "---\n" + many(150, blockForm),
		"empty":                 "accounts:\n" + many(250, "  a#N:\n"),
	} {
		t.Run(name, func(t *testing.T) {
			parts, err := parse(text)
			whole, want := parse(strings.Replace(text, "\naccounts:", "\n'accounts':", 1))
			if strings.HasPrefix(text, "accounts:") {
				whole, want = parse(strings.Replace(text, "accounts:", "'accounts':", 1))
			}
			if messages(err) != messages(want) {
				t.Errorf("in parts:\n%.600s\nas a whole:\n%.600s", messages(err), messages(want))
			}
			if err == nil {
				sameAccounts(t, parts, whole)
			}
		})
	}
}

func sameAccounts(t *testing.T, got, want *Config) {
	if got.Parallel != want.Parallel || len(got.Accounts) != len(want.Accounts) {
		t.Fatalf("parallel %d, %d accounts, want %d, %d", got.Parallel, len(got.Accounts), want.Parallel, len(want.Accounts))
	}
	for i, a := range got.Accounts {
		b := want.Accounts[i]
		x := []any{a.Name, a.ID, a.User, a.Server.Address(), a.Policy, a.Schedule.Every, a.Deliver, a.Password.Equal(b.Password)}
		y := []any{b.Name, b.ID, b.User, b.Server.Address(), b.Policy, b.Schedule.Every, b.Deliver, true}
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("account %d: %v, want %v", i, x, y)
		}
	}
}

// TestAccountsAreSmall bounds what an account costs: allocations while it is read, and
// bytes that stay. It says nothing of time, so it holds on any machine.
func TestAccountsAreSmall(t *testing.T) {
	const n = 2000
	text := "accounts:\n" + many(n, blockForm, flowForm)
	var before, read, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&read)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(c)
	if all := (read.TotalAlloc - before.TotalAlloc) / n; all > 20<<10 {
		t.Errorf("reading an account allocates %d bytes", all)
	}
	if kept := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; kept > 2<<10 {
		t.Errorf("an account keeps %d bytes", kept)
	}
	t.Logf("%d bytes and %d allocations while it is read, %d bytes kept", (read.TotalAlloc-before.TotalAlloc)/n,
		(read.Mallocs-before.Mallocs)/n, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/n)
}
