package rcfile_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestFetchmailAgrees compares how fetchmail itself reads each case, as it
// tells with -V, with how we do: who, where, by which password, and what is
// kept. What it refuses, we refuse.
func TestFetchmailAgrees(t *testing.T) {
	program, err := exec.LookPath("fetchmail")
	if err != nil {
		if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip("fetchmail is not installed")
	}
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	cases, _ := filepath.Glob("testdata/fetchmail/*.txtar")
	for _, file := range cases {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			home, main := unpack(t, a)
			cmd := exec.Command(program, "-f", main, "-V", "-v")
			cmd.Env = []string{"HOME=" + home, "LC_ALL=C", "PATH=" + os.Getenv("PATH"), "USER=" + me.Username, "LOGNAME=" + me.Username}
			out, refused := cmd.CombinedOutput()
			o := options(home)
			o.User = me.Username
			r, err := read("fetchmail", main, o)
			if strings.HasPrefix(filepath.Base(file), "lenient") {
				if refused == nil || err != nil {
					t.Errorf("fetchmail: %v; we: %v", refused, err)
				}
				return // what can be imported although fetchmail would not run it
			}
			if (refused != nil) != (err != nil) {
				t.Fatalf("fetchmail: %v; we: %v\n%s", refused, err, out)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(slices.Compact(fetchmailSays(string(out))), slices.Compact(weSay(r))); diff != "" {
				t.Errorf("fetchmail - we +\n%s", diff)
			}
		})
	}
}

// fetchmailSays picks the facts from fetchmail -V -v, for POP3 only.
func fetchmailSays(out string) []string {
	var facts []string
	for _, block := range strings.Split(out, "Options for retrieving from ")[1:] {
		who, rest, _ := strings.Cut(block, ":\n")
		if strings.Contains(rest, "Protocol is IMAP") {
			continue
		}
		fact := who
		rest = strings.Replace(rest, "APOP secret = ", "Password = ", 1)
		if _, p, ok := strings.Cut(rest, "Password = "); ok {
			quoted, _, _ := strings.Cut(p, ".\n")
			password, err := strconv.Unquote(quoted)
			if err != nil {
				password = quoted
			}
			fact += " password " + strconv.Quote(password)
		}
		for _, line := range []string{"(--keep on)", "SSL encrypted sessions enabled", "Multi-drop mode", "(forcing UIDL use)"} {
			if strings.Contains(rest, line) {
				fact += " " + strings.Trim(line, "()")
			}
		}
		facts = append(facts, fact)
	}
	return facts
}

func weSay(r *rcfile.Result) []string {
	var facts []string
	for _, a := range r.Accounts {
		skip, uidl := false, false
		for _, n := range a.Notes {
			skip = skip || strings.HasPrefix(n.Option, "skip ")
			uidl = uidl || n.Option == "uidl"
		}
		if skip {
			continue // fetchmail does not tell of these
		}
		fact := a.User + "@" + a.Start.Name
		for _, s := range r.Secrets {
			if s.Path == filepath.Join(r.Options.SecretDir, a.Name+".password") {
				fact += " password " + strconv.Quote(s.Value)
			}
		}
		for _, f := range []struct {
			on   bool
			text string
		}{{a.Value("keep") == config.Word("all"), "--keep on"},
			{a.Security == pop3.ImplicitTLS, "SSL encrypted sessions enabled"}, {a.Has("to"), "Multi-drop mode"}, {uidl,
				"forcing UIDL use"}} {
			if f.on {
				fact += " " + f.text
			}
		}
		facts = append(facts, fact)
	}
	return facts
}
