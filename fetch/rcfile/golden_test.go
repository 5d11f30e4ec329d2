package rcfile_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/rcfile"
	"github.com/mailhaul/mailhaul/fetch/rcfile/programs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// unpack writes the files of a case into a home directory. The first file is
// the configuration.
func unpack(t testing.TB, a *txtar.Archive) (home, main string) {
	t.Helper()
	home = t.TempDir()
	for i, f := range a.Files {
		name := filepath.Join(home, f.Name)
		if i == 0 {
			main = name
		}
		if i > 0 && filepath.Dir(name) == filepath.Dir(main) && strings.HasPrefix(f.Name, "rc/") {
			main = filepath.Dir(name) // several files are read as a directory
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		data := bytes.ReplaceAll(f.Data, []byte("<NUL>"), []byte{0})
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home, main
}

func options(home string) rcfile.Options {
	return rcfile.Options{Targets: target.Rows().Kinds(), Home: home, User: "al", SecretDir: filepath.Join(home, "secrets"),
		HomeOf: func(name string) string {
			return map[string]string{"root": "/root"}[name]
		}}
}

// read is rcfile.Read for the name of a program.
func read(name, path string, o rcfile.Options) (*rcfile.Result, error) {
	f, err := programs.Find(name)
	if err != nil {
		return nil, err
	}
	return rcfile.Read(f, path, o)
}

// render is everything that a case yields, with home as $HOME.
func render(r *rcfile.Result, home string) string {
	var b strings.Builder
	b.Write(r.YAML())
	for _, s := range r.Secrets {
		fmt.Fprintf(&b, "\nsecret %s: %q", s.Path, s.Value)
	}
	if len(r.Secrets) > 0 {
		b.WriteByte('\n')
	}
	for _, n := range r.Notes {
		if n.Kind == rcfile.Carried {
			fmt.Fprintf(&b, "%s\n", n)
		}
	}
	for _, a := range r.Accounts {
		for _, n := range a.Notes {
			if n.Kind == rcfile.Carried {
				fmt.Fprintf(&b, "%s: %s\n", a.Name, n)
			}
		}
	}
	lists, err := r.Seen()
	for _, l := range lists {
		fmt.Fprintf(&b, "list %s:%d %q %q account %q rule %d skipped %d\n", l.Source, l.Line, l.User, l.Host, l.Account, l.Rule, l.Skipped)
		for _, u := range l.UIDs {
			fmt.Fprintf(&b, "  %q", u.UID)
			if !u.FirstSeen.IsZero() {
				fmt.Fprintf(&b, " %d", u.FirstSeen.Unix())
			}
			for _, f := range []struct {
				on   bool
				name string
			}{{u.Truncated, "truncated"}, {u.Ambiguous, "ambiguous"}, {u.MessageID, "message-id"}, {u.Delete, "delete"}} {
				if f.on {
					b.WriteString(" " + f.name)
				}
			}
			b.WriteByte('\n')
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "seen: %v\n", err)
	}
	// Comments are wrapped by length, which must not depend on the directory.
	return strings.ReplaceAll(b.String(), home, "$HOME")
}

// accepts parses the YAML with package config and compares what matters.
func accepts(t testing.TB, r *rcfile.Result, home string) {
	t.Helper()
	if len(r.Accounts) == 0 {
		return
	}
	if err := os.MkdirAll(filepath.Join(home, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Secrets {
		if err := os.WriteFile(s.Path, []byte(s.Value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Parse(filepath.Join(home, "config.yaml"), r.YAML(),
		config.Options{Targets: target.Rows().Kinds(), LookupEnv: func(n string) (string, bool) {
			return home, n == "HOME"
		}})
	if err != nil {
		t.Fatalf("config does not accept the output: %v\n%s", err, r.YAML())
	}
	for i, a := range r.Accounts {
		got := c.Accounts[i]
		if got.Name != a.Name || got.Server.Host != strings.ToLower(strings.Trim(a.Host, "[]")) && !strings.Contains(a.Host, ":") ||
			got.Server.Port != a.Port || got.User != a.User || got.Server.Security != a.Security || got.Enabled != a.Enabled ||
			len(got.Deliver) != len(a.Targets) {
			t.Errorf("config reads %+v from %+v", got, a)
		}
		if keep := a.Value("keep"); (keep == config.Word("all")) != got.Policy.Keep.All() ||
			(keep == config.Word("none")) != got.Policy.Keep.None {
			t.Errorf("%s: keep %v became %+v", a.Name, keep, got.Policy.Keep)
		}
	}
}

// TestGolden reads each case of testdata/FORMAT and compares the YAML, the
// notes, the secrets and the lists.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range cases {
		format := filepath.Base(filepath.Dir(file))
		t.Run(format+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			home, main := unpack(t, a)
			var got string
			// The path is given as short as $HOME so that lines wrap alike.
			r, err := read(format, main, options(home))
			if err != nil {
				got = "error: " + strings.ReplaceAll(err.Error(), home, "$HOME") + "\n"
			} else {
				for _, n := range r.Accounts {
					shorten(n.Notes, home)
				}
				shorten(r.Notes, home)
				for i, f := range r.Files {
					r.Files[i] = strings.ReplaceAll(f, home, "$HOME")
				}
				got = render(r, home)
				accepts(t, r, home)
				noSecrets(t, r)
			}
			golden := strings.TrimSuffix(file, ".txtar") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(golden)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func shorten(notes []rcfile.Note, home string) {
	for i := range notes {
		notes[i].File = strings.ReplaceAll(notes[i].File, home, "$HOME")
		notes[i].Option = strings.ReplaceAll(notes[i].Option, home, "$HOME")
	}
}

// noSecrets checks that no password went into the YAML. Not for arbitrary
// input, where a password may be the user's name as well.
func noSecrets(t *testing.T, r *rcfile.Result) {
	t.Helper()
	for _, s := range r.Secrets {
		if bytes.Contains(r.YAML(), []byte(s.Value)) && len(s.Value) > 8 {
			t.Errorf("a secret is in the YAML")
		}
	}
}
