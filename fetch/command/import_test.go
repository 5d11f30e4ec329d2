package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// switching is a lab with a server and another program's files in its home.
type switching struct {
	*lab
	s *pop3test.Server
}

// newSwitching has an fdm that has fetched the first of ten letters.
func newSwitching(t *testing.T, known int) *switching {
	t.Helper()
	l := newLab(t)
	l.env = []string{"HOME=" + l.dir, "XDG_CONFIG_HOME="}
	w := &switching{l, serve(t, dropOf(letters(10)), pop3test.Options{Security: pop3test.Plain})}
	w.write(".fdm.conf", fmt.Appendf(nil, "set lock-file \"%[1]s/lock\"\naction \"in\" maildir \"%[1]s/Maildir\"\n"+
		"account \"a\" pop3 server \"127.0.0.1\" port %[2]d user \"alice\" pass \"%[3]s\" new-only cache \"%[1]s/cache\" no-apop "+
		"keep\nmatch all action \"in\"\n",
		l.dir, w.s.Port, password))
	w.cache(known)
	return w
}

// cache writes fdm's list of the first messages.
func (w *switching) cache(known int) {
	var b bytes.Buffer
	for i := 1; i <= known; i++ {
		uid := fmt.Sprintf("uid-%d", i)
		fmt.Fprintf(&b, "%d %s\n", len(uid), uid)
	}
	w.write("cache", b.Bytes())
}

// wantShown is wantOut for any exit code.
func wantShown(t *testing.T, o outcome, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(o.out, text) {
			t.Errorf("stdout lacks %q: %s", text, o)
		}
	}
}

// stdin is run with something on standard input.
func (l *lab) stdin(text string, args ...string) outcome {
	l.t.Helper()
	cmd := l.command(l.t.Context(), args...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &out, &stderr
	_ = cmd.Run()
	return outcome{code: cmd.ProcessState.ExitCode(), out: out.String(), err: stderr.String()}
}

// TestImportPrints: the YAML, and nothing but it, is on standard output, and
// what it says works; secrets are files of their own.
func TestImportPrints(t *testing.T) {
	t.Parallel()
	w := newSwitching(t, 4)
	o := w.run("import", "fdm")
	w.want(o, 0, "wrote the password to "+w.path("secrets/a.password"))
	if strings.Contains(o.out, password) || strings.Contains(o.err, password) {
		t.Errorf("the password is shown: %s", o)
	}
	st, err := os.Stat(w.path("secrets/a.password"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("secret: %v, %v", st, err)
	}
	if dir, err := os.Stat(w.path("secrets")); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v, %v", dir, err)
	}
	if _, err := os.Stat(w.path("state")); err == nil {
		t.Error("printing has made a state")
	}
	w.write("config.yaml", []byte(o.out))
	w.want(w.run("check", "--connect"), 0)
	w.want(w.run("fetch"), 0)
	w.wantMail(letters(10))

	text, _ := os.ReadFile(w.path(".fdm.conf"))
	same := strings.NewReplacer(w.path(".fdm.conf"), "-").Replace(o.out)
	if piped := w.stdin(string(text), "import", "fdm", "-"); piped.code != 0 || withoutNotes(piped.out) != withoutNotes(same) {
		t.Errorf("from standard input: %s\nwant %s", piped, same)
	}
	if file := w.run("import", "fdm", w.path(".fdm.conf")); file.out != o.out {
		t.Errorf("by name: %s", file)
	}
	w.write("secrets/a.password", []byte("of something else\n"))
	w.want(w.run("import", "fdm"), 73, "already holds another password")
}

// withoutNotes leaves out the comments, which are broken by width.
func withoutNotes(yaml string) string {
	var b strings.Builder
	for line := range strings.Lines(yaml) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestImportWrites: --write makes the configuration and never touches one.
func TestImportWrites(t *testing.T) {
	t.Parallel()
	w := newSwitching(t, 4)
	if err := os.Remove(w.path("config.yaml")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	want := w.run("import", "fdm").out
	o := w.run("import", "fdm", "--write")
	w.want(o, 0, "wrote 1 account to "+w.path("config.yaml"), "check --connect")
	text, err := os.ReadFile(w.path("config.yaml"))
	if err != nil || string(text) != want || o.out != "" {
		t.Errorf("%v: %s\nprinted %s", err, text, o)
	}
	if st, err := os.Stat(w.path("config.yaml")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	w.want(w.run("check", "--connect"), 0)

	w.write("config.yaml", []byte("mine"))
	w.want(w.run("import", "fdm", "--write"), 73, "exists already and was not changed", "--config")
	if text, err := os.ReadFile(w.path("config.yaml")); err != nil || string(text) != "mine" {
		t.Errorf("%v: %s", err, text)
	}
	w.want(w.run("import", "fdm", "--write", "--state"), 64, "--write conflicts with")
}

// TestImportFromDirectory reads where the program has a directory.
func TestImportFromDirectory(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.env = []string{"HOME=" + l.dir}
	if err := os.MkdirAll(l.path("g"), 0o700); err != nil {
		t.Fatal(err)
	}
	rc := "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = pop.example.org\nusername = alice\npassword = x\n[destination]\ntype " +
		"= Maildir\npath = ~/m/\n"
	l.write("g/getmailrc", []byte(rc))
	o := l.run("import", "getmail", l.path("g"))
	l.want(o, 0)
	wantOut(t, o, "server: pop.example.org", "maildir: ~/m")
	piped := l.stdin(rc, "import", "getmail", "-")
	l.want(piped, 0)
	wantOut(t, piped, "server: pop.example.org", "maildir: ~/m")
}

// TestImportState takes the list over without the network, into the directory
// that the global option names.
func TestImportState(t *testing.T) {
	t.Parallel()
	w := newSwitching(t, 4)
	w.write("config.yaml", []byte(w.run("import", "fdm").out))
	o := w.run("import", "--state", "fdm") // and --state DIR before it
	w.want(o, 0)
	if o.out != "a: imported 4 messages as seen\n" || w.s.Sessions() != 0 {
		t.Errorf("%d sessions: %s", w.s.Sessions(), o)
	}
	if names, _ := filepath.Glob(w.path("state/*.db")); len(names) != 1 {
		t.Errorf("state: %v", names)
	}
	o = w.run("--json", "import", "fdm", "--state")
	if o.out != `{"account":"a","taken_over":0}`+"\n" {
		t.Errorf("again: %s", o)
	}
	ls := w.run("state", "ls", "a")
	if n := strings.Count(ls.out, "imported"); n != 4 {
		t.Errorf("state ls: %s", ls)
	}
	w.want(w.run("fetch"), 0)
	w.wantMail(letters(10)[4:])
	again := w.write("more", []byte("6 uid-50\n"))
	o = w.run("import", "fdm", "--state-file", again)
	w.want(o, 0)
	wantOut(t, o, "imported 1 message as seen")
}

// TestImportVerify compares the list with the server and stops if it is not of
// this maildrop.
func TestImportVerify(t *testing.T) {
	t.Parallel()
	w := newSwitching(t, 4)
	w.write("config.yaml", []byte(w.run("import", "fdm").out))
	o := w.run("--json", "import", "fdm", "--verify")
	w.want(o, 0)
	var row struct {
		Listed, Known, Unknown int
		OK                     bool
	}
	if err := json.Unmarshal([]byte(o.out), &row); err != nil || row.Listed != 10 || row.Known != 4 || row.Unknown != 6 || !row.OK {
		t.Errorf("%+v, %v: %s", row, err, o)
	}
	if ls := w.run("state", "ls", "a"); strings.Contains(ls.out, "imported") {
		t.Errorf("verify alone has imported: %s", ls)
	}

	w.write("cache", []byte("7 other-1\n7 other-2\n7 other-3\n"))
	o = w.run("import", "fdm", "--verify", "--state")
	w.want(o, 65, "the seen-list does not match the server; nothing was imported", "--force")
	wantShown(t, o, "10 on the server, 0 known, 10 unknown", "is that this maildrop")
	o = w.run("import", "fdm", "--verify", "--state", "--force")
	w.want(o, 0)
	wantOut(t, o, "imported 3 messages as seen")
	w.want(w.run("fetch"), 0)
	w.wantMail(letters(10))
}

// TestImportRefusals: what cannot be imported is an error with a hint.
func TestImportRefusals(t *testing.T) {
	t.Parallel()
	w := newSwitching(t, 4)
	w.want(w.run("import"), 64, "wants a format (fetchmail, getmail, mpop, fdm, thunderbird)")
	w.want(w.run("import", "outlook"), 64, `unknown format "outlook"`)
	w.want(w.run("import", "fdm", "a", "b"), 64)
	w.want(w.run("import", "fdm", w.path("absent")), 64, "no such file")
	w.want(w.run("import", "fdm", "--force"), 64, "need --state or --verify")
	w.want(w.run("import", "fdm", "--state", "--only", "b"), 64, `no account "b"`, "there is: a")
	w.want(w.run("import", "fdm", "--state", "--only", "a"), 0)
	w.want(w.run("import", "fdm", "--state-file", w.path("absent")), 64, "no such file")
	w.want(w.run("import", "fdm", w.write("empty", nil)), 78, "no POP3 account")
	w.want(w.run("import", "fdm", w.write("broken", []byte("account \"a"))), 78, "broken:1")

	if err := os.Remove(w.path("cache")); err != nil {
		t.Fatal(err)
	}
	w.want(w.run("import", "fdm", "--state"), 65, "no seen-list", w.path("cache"), "--state-file")
	w.want(w.run("import", "fdm", "--state", "--force"), 0)

	w.write("lock", nil)
	w.want(w.run("import", "fdm", "--state"), 75, w.path("lock"), "Stop it first")
	w.want(w.run("import", "fdm"), 0, "note: "+w.path("lock"))
	w.cache(2)
	w.want(w.run("import", "fdm", "--state", "--force"), 0)
}

// TestImportedIsNotDeleted: what only the other program has fetched stays on
// the server, unless we are told to trust its list.
func TestImportedIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newSwitching(t, 4)
	yaml := w.run("import", "fdm").out
	w.write("config.yaml", []byte(yaml))
	w.want(w.run("import", "fdm", "--state"), 0)
	w.want(w.run("fetch"), 0)
	wantOut(t, w.run("plan", "--delete"), "delete 6,")
	o := w.run("plan", "--delete", "--trust-imported", "--save", w.path("plan"))
	wantOut(t, o, "delete 10,")
	o = w.run("purge", "a")
	w.want(o, 0)
	wantOut(t, o, "10 on the server, 6 delivered and old enough", "6 deleted and confirmed", "4 messages left on the server")
	w.want(w.run("fetch", "--delete"), 0)
	if n := w.s.Count("DELE"); n != 6 {
		t.Errorf("%d deleted", n)
	}
	w.want(w.run("fetch", "--plan", w.path("plan")), 75, "only in the saved plan: 6 to delete")
	w.want(w.run("fetch", "--plan", w.path("plan"), "--trust-imported"), 64, "--trust-imported goes with plan --save")
	w.want(w.run("plan", "--delete", "--trust-imported", "--save", w.path("plan")), 0)
	o = w.run("fetch", "--plan", w.path("plan"))
	w.want(o, 0)
	wantOut(t, o, "4 deleted")
	if n := w.s.Count("DELE"); n != 10 {
		t.Errorf("%d deleted in the end", n)
	}
}

// TestImportThunderbird takes over a profile's list; entries that Thunderbird
// has not fetched whole are not seen.
func TestImportThunderbird(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.env = []string{"HOME=" + l.dir}
	s := serve(t, dropOf(letters(6)), pop3test.Options{Security: pop3test.Plain})
	if err := os.MkdirAll(l.path("profile/Mail/pop"), 0o700); err != nil {
		t.Fatal(err)
	}
	var prefs strings.Builder
	for _, p := range [][2]string{{"mail.accountmanager.accounts", `"account1"`}, {"mail.account.account1.server", `"server1"`},
		{"mail.server.server1.type", `"pop3"`}, {"mail.server.server1.hostname", `"127.0.0.1"`},
		{"mail.server.server1.userName", `"alice"`},
		{"mail.server.server1.port", fmt.Sprint(s.Port)}, {"mail.server.server1.socketType", "0"},
		{"mail.server.server1.leave_on_server", "true"},
		{"mail.server.server1.directory-rel", `"[ProfD]Mail/pop"`}} {
		fmt.Fprintf(&prefs, "user_pref(%q, %s);\n", p[0], p[1])
	}
	l.write("profile/prefs.js", []byte(prefs.String()))
	l.write("profile/Mail/pop/popstate.dat",
		[]byte("# POP3 State File\n\n*127.0.0.1 alice\nk uid-1 1784500000\nk uid-2 1784500001\nk uid-3 1784500002\n"))
	l.want(l.run("import", "thunderbird", l.path("profile")), 0)
	o := l.run("import", "thunderbird", l.path("profile"), "--state")
	l.want(o, 0)
	wantOut(t, o, "imported 3 messages as seen")
}
