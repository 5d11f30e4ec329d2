package rcfile_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
)

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func environment(m map[string]string) func(string) (string, bool) {
	return func(n string) (string, bool) { v, ok := m[n]; return v, ok }
}

const (
	fmMinimal   = "poll h proto pop3 user u pass p ssl"
	mpopMinimal = "account a\nhost h\nuser u\n"
	getMinimal  = "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = h%s\nusername = u\npassword = p\n[destination]\n" +
		"type = Maildir\npath = ~/m/\n"
)

// TestFind puts one file at a time where the program looks, the last place
// first: each one found takes precedence over those before.
func TestFind(t *testing.T) {
	home := t.TempDir()
	o := options(home)
	o.LookupEnv = environment(map[string]string{"FETCHMAILHOME": home + "/fmh", "HOME_ETC": home + "/he", "XDG_CONFIG_HOME": home + "/xdg"})
	for _, tc := range []struct{ format, file, text string }{
		{"fetchmail", ".fetchmailrc", fmMinimal}, {"fetchmail", "he/.fetchmailrc", fmMinimal}, {"fetchmail", "fmh/fetchmailrc", fmMinimal},
		{"mpop", "xdg/mpop/config", mpopMinimal}, {"mpop", ".mpoprc", mpopMinimal},
		{"getmail", ".getmail/getmailrc", fmt.Sprintf(getMinimal, "1")}, {"getmail", "xdg/getmail/getmailrc", fmt.Sprintf(getMinimal, "2")},
	} {
		writeFiles(t, home, map[string]string{tc.file: tc.text})
		r, err := read(tc.format, "", o)
		if err != nil || r.Files[0] != filepath.Join(home, tc.file) || len(r.Accounts) != 1 {
			t.Errorf("%s: %v %+v", tc.file, err, r)
		}
	}
	o.LookupEnv = nil
	if _, err := read("fdm", "", rcfile.Options{Targets: target.Rows().Kinds(), Home: t.TempDir()}); err == nil ||
		!strings.Contains(err.Error(), ".fdm.conf") {
		t.Error(err)
	}
	if _, err := read("procmail", "", o); err == nil || !strings.Contains(err.Error(), "wants one of fetchmail") {
		t.Error(err)
	}
}

// TestGetmailDirectory: without getmailrc, every file that can be one is read.
func TestGetmailDirectory(t *testing.T) {
	home := t.TempDir()
	writeFiles(t, home, map[string]string{
		".getmail/one": fmt.Sprintf(getMinimal, "1"), ".getmail/two": fmt.Sprintf(getMinimal, "2"),
		".getmail/oldmail-h1-995-u": "U\x001784500000\n", ".getmail/x.json": "{}", ".getmail/.hidden": "x",
	})
	r, err := read("getmail", "", options(home))
	if err != nil || len(r.Accounts) != 2 || r.Accounts[0].Name != "one" {
		t.Fatal(err, r)
	}
	accepts(t, r, home)
	lists, err := r.Seen()
	if err != nil || len(lists) != 1 || lists[0].Account != "one" {
		t.Error(err, lists)
	}
	// A list named by hand, from a backup.
	writeFiles(t, home, map[string]string{"backup/oldmail-h2-995-u": "V\x001784500000\n"})
	if lists, err = r.Seen(filepath.Join(home, "backup/oldmail-h2-995-u")); err != nil || len(lists) != 1 || lists[0].Account != "two" {
		t.Error(err, lists)
	}
	if _, err = r.Seen(filepath.Join(home, "missing")); err == nil {
		t.Error("a list that was named must exist")
	}
}

func TestSharedUidls(t *testing.T) {
	home := t.TempDir()
	writeFiles(t, home, map[string]string{
		".mpoprc": "defaults\nuidls_file ~/ids\nhost h\naccount a\nuser u\naccount b\nuser U\n",
		"ids":     " 1 h u\nx\n 1 h U\ny\n",
	})
	r, err := read("mpop", "", options(home))
	if err != nil {
		t.Fatal(err)
	}
	lists, err := r.Seen()
	if err != nil || len(lists) != 2 || lists[0].Account != "a" || lists[1].Account != "b" {
		t.Errorf("%v %+v", err, lists)
	}
}

// TestNoSecrets: neither notes, errors nor the YAML repeat a secret.
func TestNoSecrets(t *testing.T) {
	for format, text := range map[string]string{
		"fetchmail":  "poll h proto pop3 esmtppassword hunter2 esmtpname x user u pass 'hunter2' ssl",
		"fetchmail ": "poll h proto pop3 user u pass hunter2 hunter2",
		"mpop":       "account a\nhost h\nuser u\npassword hunter2\n",
		"getmail":    "[retriever]\ntype=SimplePOP3Retriever\nserver=h\nusername=u\npassword=hunter2\n",
		"fdm":        `account "a" pop3s server "h" user "u" pass "hunter2" bogus`,
		"fdm ":       `account "a" imaps server "h" user "u" pass "hunter2"`,
	} {
		home := t.TempDir()
		writeFiles(t, home, map[string]string{"rc": text})
		r, err := read(strings.TrimSpace(format), filepath.Join(home, "rc"), options(home))
		if err != nil {
			if strings.Contains(err.Error(), "hunter2") {
				t.Error(err)
			}
			continue
		}
		all := append(r.YAML(), fmt.Sprint(r.Notes, r.Secrets)...)
		for _, a := range r.Accounts {
			all = append(all, fmt.Sprintf("%v %#v", a.Notes, r.Secrets)...)
		}
		if bytes.Contains(all, []byte("hunter2")) {
			t.Errorf("%s: %s", format, all)
		}
		if again, _ := read(strings.TrimSpace(format), filepath.Join(home, "rc"), options(home)); !bytes.Equal(again.YAML(), r.YAML()) {
			t.Errorf("%s: two readings differ", format)
		}
	}
}

// TestMpopAgrees compares with what mpop -P says about accounts that inherit.
func TestMpopAgrees(t *testing.T) {
	program, err := exec.LookPath("mpop")
	if err != nil {
		if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip("mpop is not installed")
	}
	home := t.TempDir()
	writeFiles(t, home, map[string]string{".mpoprc": "defaults\ndelivery maildir ~/m\ntls on\nkeep on\nskipsize 0x10k\n\n" +
		"# c\naccount a\nhost a.example\nuser \"a b\"\n" +
		"account b : a\nuser u\ntls_starttls off\nkeep off\nuidls_file ~/%U-%H\ndefaults\ndelivery maildir ~/m\n" +
		"account c : b , a\nport 1100\nskipsize 1m\n" +
		"account d\nhost d.example\nuser \"\"quoted\"\"\nkeep\n"})
	r, err := read("mpop", "", options(home))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Accounts) != 4 {
		t.Fatalf("%d accounts", len(r.Accounts))
	}
	for _, a := range r.Accounts {
		cmd := exec.Command(program, "-P", a.Start.Name)
		cmd.Env = []string{"HOME=" + home, "LC_ALL=C"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		keep := "off"
		if a.Value("keep") == config.Word("all") {
			keep = "on"
		}
		for _, line := range []string{"host = " + a.Host, fmt.Sprintf("port = %d", a.Port), "user = " + a.User, "keep = " + keep,
			"uidls file = " + a.SeenFile, "tls = " + map[bool]string{true: "off", false: "on"}[a.Security == pop3.Plain]} {
			if !strings.Contains(string(out), line+"\n") {
				t.Errorf("%s: %q is not in\n%s", a.Start.Name, line, out)
			}
		}
	}
}
