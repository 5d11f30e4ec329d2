package command

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// tableRules is the rule of the table of messages that package recipient keeps.
const tableRules = `to:
  headers: [X-Envelope-To, Delivered-To, To, Cc]
  strip: shop-
  domains: [example.org, bücher.example]
  map: MAP
  unknown: lost@example.org`

// tableMap is its map, as a file.
const tableMap = `# aliases
sales: alice, bob@example.org
info@old.example  carol@example.org
@old.example      @example.org
ping: pong
pong: ping
keeper: keeper, dave
`

// receiver is a Dovecot that takes mail for whom it may be, by LMTP.
func receiver(t *testing.T) *pop3test.Dovecot {
	t.Helper()
	return pop3test.StartDovecot(t, pop3test.DovecotOptions{LMTP: true, Config: "auth_username_chars =\n"})
}

// arrived lists who got which message, "recipient number" each, sorted.
func arrived(t *testing.T, d *pop3test.Dovecot) (list []string) {
	t.Helper()
	number := regexp.MustCompile(`(?m)^X-Nr: (.*)$`)
	names, _ := filepath.Glob(filepath.Join(d.Dir, "mail", "*", "Maildir", "new", "*"))
	for _, n := range names {
		text, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		user := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(n))))
		list = append(list, strings.TrimSuffix(user, "@example.org")+" "+string(number.FindSubmatch(text)[1]))
	}
	slices.Sort(list)
	return list
}

// numbered is a message of the table: with a number, which comes last in its header.
func numbered(f txtar.File, nr int) []byte {
	head, body, _ := bytes.Cut(f.Data, []byte("\n\n"))
	text := fmt.Appendf(nil, "%s\nX-Nr: %d\nMessage-ID: <%d@table>\n\n%s\n", bytes.TrimRight(head, "\n"), nr, nr, body)
	return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
}

// TestSharedMailboxTable: each message of the table reaches its recipients, and
// nobody else, at a Dovecot.
func TestSharedMailboxTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../recipient/testdata/messages.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	drop := &pop3test.Maildrop{}
	for i, f := range txtar.Parse(text).Files {
		drop.Add("", numbered(f, i+1))
		_, to, _ := strings.Cut(f.Name, " => ")
		for _, rcpt := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(to, -1) {
			want = append(want, fmt.Sprintf("%s %d", strings.Trim(rcpt, `"`), i+1))
		}
	}
	slices.Sort(want)
	d := receiver(t)
	o := pop3test.Options{Security: pop3test.Plain, Password: password}
	l := newLab(t)
	rules := strings.Replace(tableRules, "MAP", l.write("map", []byte(tableMap)), 1)
	s := pop3test.NewServer(drop, o)
	t.Cleanup(s.Close)
	l.shared(s, o, rules, d)
	if o := l.run("fetch"); o.code != 0 {
		t.Fatal(o)
	}
	if got := arrived(t, d); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if drop.Len() != 0 {
		t.Errorf("%d messages stay on the server", drop.Len())
	}
}

// TestSharedMailboxCopies: a provider puts one copy for each recipient into the mailbox,
// or one that names all of them; each person gets one, over several runs.
func TestSharedMailboxCopies(t *testing.T) {
	t.Parallel()
	d, l, drop := receiver(t), newLab(t), &pop3test.Maildrop{}
	o := pop3test.Options{Security: pop3test.Plain, Password: password}
	s := pop3test.NewServer(drop, o)
	t.Cleanup(s.Close)
	l.shared(s, o, "to: {headers: [X-Envelope-To, To], domains: example.org, map: {info: alice}, unknown: quarantine}", d)
	copyOf := func(nr int, field string) {
		drop.Add("", fmt.Appendf(nil, "%s\r\nTo: alice@example.org, bob@example.org\r\nMessage-ID: <%d@x>\r\nX-Nr: %[2]d\r\n\r\nx\r\n", field,
			nr))
	}
	copyOf(1, "X-Envelope-To: alice@example.org")
	copyOf(1, "X-Envelope-To: bob@example.org")
	copyOf(1, "X-Envelope-To: info@example.org")
	copyOf(2, "X-One: 1")
	for _, later := range []func(){
		func() { copyOf(2, "X-Two: 2"); copyOf(1, "X-Envelope-To: carol@example.org") },
		func() { drop.Add("", []byte("X-Nr: 3\r\nTo: bob@example.net\r\n\r\nx\r\n")) },
		func() {},
	} {
		l.run("fetch")
		later()
	}
	if got := strings.Join(arrived(t, d), ", "); got != "alice 1, alice 2, bob 1, bob 2, carol 1" {
		t.Errorf("got %s", got)
	}
	held, _ := filepath.Glob(filepath.Join(l.path("state"), "quarantine", "lab", "new", "*"))
	if len(held) != 1 || drop.Len() != 1 {
		t.Errorf("%d in the quarantine, %d on the server", len(held), drop.Len())
	}
}

// shared writes the configuration of a shared mailbox that is delivered to d.
func (l *lab) shared(s *pop3test.Server, o pop3test.Options, to string, d *pop3test.Dovecot) {
	l.t.Helper()
	lines := append([]string{"id: lab", "user: alice", "password: " + password, "keep: none", to}, l.to(s, o)...)
	l.write("config.yaml", []byte(accountYAML("lab", append(lines, "deliver: [{lmtp: {server: "+d.LMTPSocket+"}}]"))))
}
