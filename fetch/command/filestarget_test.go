package command

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestFilesTarget: attachments go to a directory beside the Maildir that gets the
// messages; what cannot be decoded goes to the quarantine in place of it.
func TestFilesTarget(t *testing.T) {
	t.Parallel()
	l, drop := newLab(t), &pop3test.Maildrop{}
	const mixed = "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n"
	invoice := func(name, text string) string {
		return "--b\nContent-Type: application/pdf\nContent-Disposition: inline; filename=\"" + name + "\"\n\n" + text + "\n"
	}
	for _, m := range []string{
		"Subject: no attachment\n\nhello\n",
		mixed + invoice("../invoice.PDF", "one") + invoice("terms.txt", "small print") + "--b--\n",
		mixed + invoice("invoice.PDF", "two") + "--b--\n",
		mixed + invoice("invoice.PDF", "one") + "--b--\n",
		mixed + "--b\nContent-Disposition: attachment; filename=bad.pdf\nContent-Transfer-Encoding: base64\n\nAAAAA\n--b--\n",
	} {
		drop.Add("", []byte(strings.ReplaceAll(m, "\n", "\r\n")))
	}
	o := pop3test.Options{Security: pop3test.Plain, Password: password}
	s := pop3test.NewServer(drop, o)
	t.Cleanup(s.Close)
	l.write("config.yaml", []byte(accountYAML("lab", append([]string{"id: lab", "user: alice", "password: " + password, "keep: none",
		"deliver:\n  - maildir: " + l.path("Maildir") + "\n  - files: {dir: " + l.path("Invoices") + ", match: ['*.pdf'], inline: true}"},
		l.to(s, o)...))))
	l.want(l.run("fetch"), 65, "an attachment cannot be decoded", "Look at the message in the quarantine")
	l.want(l.run("fetch"), 0)
	got := make(map[string]string)
	entries, _ := os.ReadDir(l.path("Invoices"))
	for _, e := range entries {
		text, _ := os.ReadFile(l.path("Invoices/" + e.Name()))
		got[e.Name()] = string(text)
	}
	if !maps.Equal(got, map[string]string{"invoice.PDF": "one", "invoice-2.PDF": "two"}) {
		t.Errorf("got %q", got)
	}
	l.wantCount(5)
	held, _ := filepath.Glob(filepath.Join(l.path("state"), "quarantine", "lab", "new", "*"))
	if len(held) != 1 || drop.Len() != 1 {
		t.Errorf("%d in the quarantine, %d on the server", len(held), drop.Len())
	}
}
