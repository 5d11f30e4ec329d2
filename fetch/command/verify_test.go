package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// targetsLab has fetched five letters into a Maildir, an mbox and a command.
func targetsLab(t *testing.T, n int) (*lab, *pop3test.Maildrop) {
	t.Helper()
	l := newLab(t)
	drop := dropOf(letters(n))
	s := serve(t, drop, pop3test.Options{Security: pop3test.Plain})
	l.account(append(l.to(s, pop3test.Options{Security: pop3test.Plain}), "password: "+password)...)
	conf, _ := os.ReadFile(l.path("config.yaml"))
	l.write("config.yaml", fmt.Appendf(conf, "      - mbox: %s\n", l.path("box")))
	l.want(l.run("fetch"), 0)
	return l, drop
}

// TestVerifyNamesWhatIsWrong: of a Maildir and an mbox that others work with,
// what is moved is found, and what is missing or altered is named.
func TestVerifyNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	l, _ := targetsLab(t, 5)
	wantOut(t, l.run("verify"), "lab: 5 messages delivered, 5 verified\n")

	// In the mbox a reader notes a status, and somebody edits the fourth letter.
	box, err := os.ReadFile(l.path("box"))
	if err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(l.path("Maildir"), "new", "*"))
	for _, err := range []error{
		os.Rename(names[0], filepath.Join(l.path("Maildir"), "cur", filepath.Base(names[0])+":2,FRS")),
		os.Remove(names[1]),
		os.WriteFile(names[2], []byte("Message-ID: <3@example.org>\n\nshort\n"), 0o600),
		os.WriteFile(l.path("box"), []byte(strings.NewReplacer("body 4", "edited", "Subject: number 5\n",
			"Subject: number 5\nStatus: RO\nX-UID: 5\n").Replace(string(box))), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	o := l.run("verify")
	l.want(o, 65)
	wantShown(t, o, "missing in maildir:", "altered in maildir:", filepath.Base(names[2]), "altered in mbox:", "uid-4",
		"5 messages delivered")
	if strings.Contains(o.out, filepath.Base(names[0])) {
		t.Errorf("what was moved is not found: %s", o)
	}
	o = l.run("verify", "--json")
	l.want(o, 65)
	findings := make(map[string]int)
	for line := range strings.Lines(o.out) {
		var c jsonline.Finding
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		findings[c.Finding]++
	}
	if findings["missing"] != 1 || findings["altered"] != 2 || findings[""] != 1 {
		t.Errorf("findings %v: %s", findings, o)
	}
	o = l.run("purge", "lab")
	l.want(o, 65)
	wantShown(t, o, "5 delivered and old enough, 2 of these verified", "2 deleted and confirmed")
}

// TestVerifySharedHeader: what has the header of two messages of different content is
// no copy of either that a person could accept: no deletion follows from it.
func TestVerifySharedHeader(t *testing.T) {
	t.Parallel()
	const head = "Message-ID: <a@b>\r\nSubject: x\r\n\r\n"
	l := newLab(t)
	drop := dropOf([][]byte{[]byte(head + "first body\r\n"), []byte(head + "second body\r\n")})
	o := pop3test.Options{Security: pop3test.Plain}
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "user: alice", "password: "+password,
		"deliver:\n  - mbox: "+l.path("box")))))
	l.want(l.run("fetch"), 0)
	box, err := os.ReadFile(l.path("box"))
	if err != nil {
		t.Fatal(err)
	}
	first := string(box[:bytes.LastIndex(box, []byte("\nFrom "))+1])
	l.write("box", []byte(strings.Replace(first, "first body", "edited", 1)))
	l.want(l.run("verify", "--accept-altered"), 65, "2 delivered copies missing")
	l.want(l.run("purge", "--yes", "lab"), 65, "not verified stays on the server")
	if drop.Len() != 2 {
		t.Errorf("%d on the server", drop.Len())
	}
}

// TestVerifyMboxRewritten: a reader that takes a message out and adds one of
// its own moves the rest; all are found by their content.
func TestVerifyMboxRewritten(t *testing.T) {
	t.Parallel()
	l, _ := targetsLab(t, 5)
	box, _ := os.ReadFile(l.path("box"))
	at := bytes.Index(box[1:], []byte("\nFrom ")) + 2
	rest := append([]byte("From me Mon Jan  1 00:00:00 2024\nSubject: mine\n\nnote\n\n"), box[at:]...)
	l.write("box", rest)
	o := l.run("verify")
	l.want(o, 65)
	if n := strings.Count(o.out, "missing in mbox:"); n != 1 || !strings.Contains(o.out, "4 verified") {
		t.Error(o)
	}
}

// TestVerifyCannotReadBack: a command has no copies, so that nothing is
// verified, nothing is purged, and the answer is no.
func TestVerifyCannotReadBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	drop := dropOf(letters(3))
	s := serve(t, drop, pop3test.Options{Security: pop3test.Plain})
	l.account(append(l.to(s, pop3test.Options{Security: pop3test.Plain}), "password: "+password)...)
	conf, _ := os.ReadFile(l.path("config.yaml"))
	maildir := "maildir: " + l.path("Maildir")
	l.write("config.yaml", []byte(strings.Replace(string(conf), maildir, "pipe: {command: [sh, -c, 'cat > /dev/null']}", 1)))
	l.want(l.run("fetch"), 0)
	wantOut(t, l.run("verify"), "3 messages delivered, 0 verified, 3 copies cannot be read back (relay, command, or no target any more)")
	wantOut(t, l.run("purge", "lab"), "3 delivered and old enough, 0 of these verified", "0 deleted")
	if drop.Len() != 3 {
		t.Errorf("%d on the server", drop.Len())
	}
	wantOut(t, l.run("report", "lab"), "Safe to close this account: no, because", "cannot", "3 messages are delivered but not verified")
}

// TestPurgeOlderThan and its refusals.
func TestPurgeOlderThan(t *testing.T) {
	t.Parallel()
	l, drop := targetsLab(t, 3)
	wantOut(t, l.run("purge", "lab", "--older-than", "1d"), "0 delivered and old enough")
	l.want(l.run("purge", "lab", "--older-than", "soon"), 64, "--older-than")
	l.want(l.run("purge"), 64, "name one account")
	wantOut(t, l.run("purge", "lab", "--dry-run"), "would delete 3 messages")
	if drop.Len() != 3 {
		t.Errorf("%d on the server", drop.Len())
	}
}

// TestPlanFiles: a plan of several accounts, and files that are none.
func TestPlanFiles(t *testing.T) {
	t.Parallel()
	l, drop := targetsLab(t, 3)
	plan := l.path("plan")
	drop.Add("uid-x", letters(9)[8])
	l.want(l.run("plan", "--delete", "--save", plan), 0)
	drop.Add("uid-y", letters(8)[7])
	o := l.run("fetch", "--plan", plan)
	l.want(o, 75, "changed since the plan was saved", `not in the saved plan: 1 to fetch ["uid-y"]`,
		"this run deleted nothing from the server")
	if drop.Len() != 5 {
		t.Errorf("%d left", drop.Len())
	}
	l.want(l.run("plan", "--delete", "--save", plan), 0)
	st, err := os.Stat(plan)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	wantOut(t, l.run("fetch", "--plan", plan), "2 messages fetched", "5 deleted")
	if drop.Len() != 0 {
		t.Errorf("%d left", drop.Len())
	}
	l.want(l.run("fetch", "--plan", plan, "nobody"), 64, `no account "nobody"`)
	l.want(l.run("fetch", "--plan", plan, "--keep"), 64, "--keep goes with plan --save")
	for text, want := range map[string]string{
		"":                           "is not a saved plan",
		"[]":                         "is not a saved plan",
		"{}":                         "was saved in form 0, this version reads 1",
		`{"version":2,"plans":[{}]}`: "was saved in form 2",
		`{"version":1,"plans":[]}`:   "holds no plan",
		`{"version":1,"plans":[{"account":"other","id":"bob@elsewhere"}]}`: "the plan is for account other (bob@elsewhere), which is " +
			"not in the configuration",
	} {
		l.want(l.run("fetch", "--plan", l.write("bad", []byte(text))), 64, want)
	}
	l.want(l.run("fetch", "--plan", l.path("absent")), 64, "absent")
}

// TestPlanSaysWhy: the rule that orders each deletion.
func TestPlanSaysWhy(t *testing.T) {
	t.Parallel()
	l, _ := targetsLab(t, 6)
	conf, _ := os.ReadFile(l.path("config.yaml"))
	for keep, want := range map[string]string{
		"{days: 14, newest: 4}":      "delivered before; not among the newest 4",
		"{days: 14, below: 600}":     "delivered before; over 600 B",
		"{newest: 500, below: 1GiB}": "delete 0,",
		"none":                       "delivered before\n",
	} {
		l.write("config.yaml", []byte(strings.Replace(string(conf), "    user: alice\n", "    user: alice\n    keep: "+keep+"\n", 1)))
		wantOut(t, l.run("plan"), want)
	}
}
