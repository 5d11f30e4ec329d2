package rcfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestOddValues: whatever stands where a host, a port, a user or a proxy
// should, the account is there and config accepts it.
func TestOddValues(t *testing.T) {
	for _, odd := range []string{"", ":", "/", "://", "http://", "socks://:", "http://h:0", "http://[::1", "-1", "99999",
		"a b", "%", "~", "[]", "\u00a0", "x.invalid:"} {
		for format, conf := range map[string]string{
			"fdm": `set proxy "` + odd + `"` + "\naction \"in\" maildir \"" + odd + "\"\naccount \"" + odd + "\" pop3 server \"" +
				odd + `" port "` + odd + `" user "` +
				odd + `" pass "` + odd + "\"\naccount \"b\" pop3s server \"h\" port \"" + odd + "\" user \"u\"\nmatch all action \"in\"\n",
			"fetchmail": `poll "` + odd + `" proto pop3 port "110" user "` + odd + `" pass "` + odd + `" smtphost "` + odd + `"` + "\n" +
				"poll h.example proto pop3 plugin \"" + odd + "\" user u pass p to a here\n",
			"mpop": "account a\nhost " + odd + "\nport " + odd + "\nuser " + odd + "\npassword " + odd + "\nproxy_host " + odd +
				"\nproxy_port " + odd + "\ndelivery maildir " + odd + "\n",
			"getmail": "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = " + odd + "\nport = " + odd + "\nusername = " + odd +
				"\npassword = " + odd + "\n[destination]\ntype = Maildir\npath = " + odd + "\n",
		} {
			home := t.TempDir()
			file := filepath.Join(home, "conf")
			if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := read(format, file, options(home))
			if err != nil {
				t.Errorf("%s, %q: %v", format, odd, err)
				continue
			}
			if len(r.Accounts) == 0 {
				t.Errorf("%s, %q: the account has vanished", format, odd)
			}
			accepts(t, r, home)
		}
	}
}

// TestTornLines: a file that ends anywhere within a statement is read or
// refused; the fuzzer found an fdm account without a name that panicked.
func TestTornLines(t *testing.T) {
	cases, _ := filepath.Glob("testdata/*/*.txtar")
	home := t.TempDir()
	file := filepath.Join(home, "conf")
	seen := map[string]bool{}
	for _, name := range cases {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(a.Files[0].Data)) {
			words := strings.Fields(line)
			for i := range words {
				for _, torn := range []string{strings.Join(words[:i], " "), strings.Join(slices.Delete(slices.Clone(words), i, i+1), " ")} {
					if format := filepath.Base(filepath.Dir(name)); !seen[format+torn] {
						seen[format+torn] = true
						tryTorn(t, format, file, torn)
					}
				}
			}
		}
	}
}

func tryTorn(t *testing.T, format, file, text string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s: %q: %v", format, text, p)
		}
	}()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := read(format, file, options(filepath.Dir(file))); err == nil {
		accepts(t, r, filepath.Dir(file))
	}
}
