package recipient

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mailhaul/mailhaul/fetch/header"
)

// tableRule is the rule of the messages in testdata.
func tableRule() *Rule {
	return &Rule{
		Headers: []string{"X-Envelope-To", "Delivered-To", "To", "Cc"},
		Strip:   "shop-",
		Domains: []string{"example.org", "xn--bcher-kva.example"},
		Map: map[string][]string{
			"sales":            {"alice", "bob@example.org"},
			"info@old.example": {"carol@example.org"},
			"@old.example":     {"@example.org"},
			"ping":             {"pong"},
			"pong":             {"ping"},
			"keeper":           {"keeper", "dave"},
		},
		Unknown: Unknown{Fallback: "lost@example.org"},
	}
}

// TestTable: the recipients of each message of the table, and no other ones.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, f := range table(t) {
		name, want, _ := strings.Cut(f.Name, " => ")
		h, _ := header.Of(f.Data)
		r := tableRule()
		got := r.Of(h)
		if got == nil {
			got = []string{r.Unknown.Fallback}
		}
		if text := shown(got); text != want {
			t.Errorf("%s: %s, want %s", name, text, want)
		}
	}
}

func table(t testing.TB) []txtar.File {
	t.Helper()
	text, err := os.ReadFile("testdata/messages.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := txtar.Parse(text).Files
	if len(files) < 40 {
		t.Fatalf("%d messages", len(files))
	}
	return files
}

func shown(to []string) string {
	return strings.ReplaceAll(strings.Join(to, " "), "@example.org", "")
}

// TestOneField: header: with occurrence is one field, and without domains each
// address is a recipient.
func TestOneField(t *testing.T) {
	t.Parallel()
	const text = "Delivered-To: box@x\nTo: guess@x\nCc: guess@x\ndelivered-to: pre-bob@x\nX-Envelope-To: <carol@x>\n" +
		"X-Two: a@x, b@x\nX-Comment: a@x (for b)\nX-Empty:\nX-Null: <>\nX-Folded:\n\t<dave@x>\nX-Just: pre-\n" +
		"X-Name: eve\nX-Evil: <a@x>\x00 <b@x\r>\nX-8bit: \xff\xfe@x\nX-Smuggle: a@x> RCPT TO:<root\n\nDelivered-To: body@x\n"
	tests := []struct {
		field string
		nth   int
		strip string
		want  string
	}{
		{"Delivered-To", 1, "", "box@x"},
		{"Delivered-To", 1, "pre-", "box@x"},
		{"DELIVERED-TO", 2, "pre-", "bob@x"},
		{"Delivered-To", 2, "", "pre-bob@x"},
		{"Delivered-To", 3, "", ""},
		{"X-Envelope-To", 1, "", "carol@x"},
		{"X-Folded", 1, "", "dave@x"},
		{"X-Two", 1, "", "a@x b@x"},
		{"X-Comment", 1, "", "a@x"},
		{"X-Name", 1, "", "eve"},
		{"X-Empty", 1, "", ""},
		{"X-Null", 1, "", ""},
		{"X-Just", 1, "pre-", ""},
		{"X-Evil", 1, "", ""},
		{"X-8bit", 1, "", ""},
		{"X-Smuggle", 1, "", ""},
		{"X-Original-To", 1, "", ""},
	}
	h, _ := header.Of([]byte(text))
	for _, tt := range tests {
		r := &Rule{Headers: []string{tt.field}, Occurrence: tt.nth, Strip: tt.strip}
		if got := strings.Join(r.Of(h), " "); got != tt.want {
			t.Errorf("%s %d: %q, want %q", tt.field, tt.nth, got, tt.want)
		}
	}
}

// TestReceived: the clause for, of the topmost server that names one of ours.
func TestReceived(t *testing.T) {
	t.Parallel()
	const text = "Received: from a (b [192.0.2.1]) by store (Postfix) with LMTP id 4:F; Mon, 1 Jun 2020 10:00:00 +0000\n" +
		"Received: from a by mx (for <no@example.org>)\n\tfor <box@provider.example>; Mon, 1 Jun 2020 10:00:00 +0000\n" +
		"Received: from [IPv6:2001:db8::1] by mx (Exim 4)\n\t(envelope-from <x@y>) id 1a, for alice@example.org; Mon, 1 Jun\n" +
		"Received: by forged for <bob@example.org>; x\nTo: carol@example.org\n"
	r := tableRule()
	for _, tt := range []struct{ headers, want string }{
		{"Received", "alice"},
		{"To Received", "carol"},
		{"X-Original-To Received To", "alice"},
		{"Resent-To Resent-Cc To Cc", "carol"},
	} {
		r.Headers = strings.Fields(tt.headers)
		if got := shown(r.Of(header.Header(text))); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.headers, got, tt.want)
		}
	}
}

// TestCatchAll: * is every own address that nothing else replaces, and @ removes
// the domain.
func TestCatchAll(t *testing.T) {
	t.Parallel()
	r := &Rule{Headers: []string{"Delivered-To"}, Domains: []string{"example.org"}, Map: map[string][]string{
		"alice": {"alice"}, "*": {"postmaster@example.net"}, "@example.com": {"@"}}}
	for addr, want := range map[string]string{
		"alice@example.org": "alice", "x@example.org": "postmaster@example.net", "y@example.net": "", "z@example.com": "postmaster@example.net",
	} {
		if got := shown(r.Of(header.Header("Delivered-To: " + addr + "\n"))); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	delete(r.Map, "*")
	if got := r.Of(header.Header("Delivered-To: z@example.com\n")); !slices.Equal(got, []string{"z"}) {
		t.Errorf("%q", got)
	}
}

// TestManyRecipients: a message for thousands is a message for nobody.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range most + 1 {
		b.WriteString("X-Envelope-To: u" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + "@example.org\n")
	}
	if got := tableRule().Of(header.Header(b.String())); got != nil {
		t.Errorf("%d recipients", len(got))
	}
}

// FuzzOf: no header gives an address outside the domains, or one that RCPT cannot
// carry, or the same one twice.
func FuzzOf(f *testing.F) {
	for _, m := range table(f) {
		f.Add(m.Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seen := make(map[string]bool)
		for _, to := range tableRule().Of(header.Header(b)) {
			name, domain := cut(to)
			if domain != "" && !slices.Contains(tableRule().Domains, asciiDomain(domain)) || strings.ContainsAny(to, "\r\n\x00<>") &&
				name[0] != '"' || seen[Fold(to)] {
				t.Errorf("%q", to)
			}
			seen[Fold(to)] = true
		}
	})
}
