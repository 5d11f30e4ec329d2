package config_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/recipient"
)

func shared(to string) string {
	return "accounts:\n  work:\n    server: h\n    user: u\n    deliver: [{lmtp: {server: /x}}]\n    to: " + to
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	file := write(t, "map", `# aliases of the domain
sales:  alice, bob
@old.example  @example.org
"info@Old.Example": carol@BÜCHER.example,
	dave@example.org

*: postmaster@example.org
`, 0o644)
	inFile := map[string][]string{"sales": {"alice", "bob"}, "@old.example": {"@example.org"},
		"info@old.example": {"carol@xn--bcher-kva.example", "dave@example.org"}, "*": {"postmaster@example.org"}}
	for to, want := range map[string]recipient.Rule{
		"{header: Delivered-To}":                            {Headers: []string{"Delivered-To"}, Occurrence: 1},
		"{occurrence: 3, header: A, unknown: keep}":         {Headers: []string{"A"}, Occurrence: 3},
		"{headers: A, domains: '@Bücher.example'}":          {Headers: []string{"A"}, Domains: []string{"xn--bcher-kva.example"}},
		"{headers: [A, B], unknown: quarantine}":            {Headers: []string{"A", "B"}, Unknown: recipient.Unknown{Quarantine: true}},
		"{headers: [A], unknown: p@example.org}":            {Headers: []string{"A"}, Unknown: recipient.Unknown{Fallback: "p@example.org"}},
		"{headers: [To, Cc], domains: [b.example, a.test]}": {Headers: []string{"To", "Cc"}, Domains: []string{"b.example", "a.test"}},
		"{headers: A, map: {Sales: [a, b@c], '*@X.example': '@y.example'}}": {Headers: []string{"A"},
			Map: map[string][]string{"sales": {"a", "b@c"}, "@x.example": {"@y.example"}}},
		"{headers: A, map: " + file + "}": {Headers: []string{"A"}, Map: inFile, MapFile: file},
	} {
		c, err := parse(shared(to))
		if err != nil {
			t.Errorf("%s: %v", to, err)
			continue
		}
		if got := c.Accounts[0].Policy.Recipients; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: (-want +got)\n%s", to, cmp.Diff(want, got))
		}
	}
}

func TestBadRecipients(t *testing.T) {
	t.Parallel()
	file := write(t, "map", "a: b\n\n# c\na d\n", 0o644)
	for _, tc := range []struct{ to, want string }{
		{"{header: A, headers: B}",
			"6:9: accounts.work.to: has header and headers: use one of them"},
		{"{headers: [A, B], occurrence: 2}",
			"6:9: accounts.work.to: occurrence counts fields of one name: it needs header, not headers"},
		{"{headers: [X-Envelope-To, Cc]}",
			"6:9: accounts.work.to: wants domains: To, Cc and Received have addresses of other people too, who would get the mail again"},
		{"{headers: A, domains: 'a b', unknown: quarantined}",
			"6:31: accounts.work.to.domains: is not a domain\n" +
				"6:47: accounts.work.to.unknown: wants keep, quarantine or an address (did you mean \"quarantine\"?)"},
		{"{headers: A, unknown: quarantine}\n    on_reject: keep",
			"6:31: accounts.work.to.unknown: conflicts with on_reject: keep, without which there is no quarantine"},
		{"{headers: A, map: {'x y': z, b: [], 'c*': d, 'e@f': 'g h', SALES: a, sales: b}}",
			"6:28: accounts.work.to.map: a rule replaces an address, a name, a @domain, or * for the rest\n" +
				"6:41: accounts.work.to.map: is empty\n" +
				"6:45: accounts.work.to.map: a rule replaces an address, a name, a @domain, or * for the rest\n" +
				"6:54: accounts.work.to.map: e@f is replaced by an address, a name or a @domain\n" +
				"6:78: accounts.work.to.map: sales is replaced twice"},
		{"{headers: A, map: /no/such/file}", "6:27: accounts.work.to.map: /no/such/file: no such file or directory"},
		{"{headers: A, map: " + file + "}", "6:27: accounts.work.to.map: " + file + ":4: a is replaced twice"},
	} {
		_, err := parse(shared(tc.to))
		if diff := cmp.Diff(tc.want, messages(err)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.to, diff)
		}
	}
}
