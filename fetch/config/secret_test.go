package config_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/target"
	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
)

// secretFrom parses one secret with the given environment.
func secretFrom(t *testing.T, text string, env map[string]string) Secret {
	t.Helper()
	c, err := Parse("/etc/m.yaml", []byte(account("password: "+text)), Options{
		Targets:   target.Rows().Kinds(),
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Keyring: func(service, user string) (string, error) {
			return service + "/" + user, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Accounts[0].Password
}

// write makes a file with a mode.
func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResolve(t *testing.T) {
	file := write(t, "pw", "from file\r\n", 0o600)
	netrc := write(t, "netrc", "machine pop.example.org login alice password fromnetrc\n", 0o600)
	env := map[string]string{"PW": "from env", "CREDENTIALS_DIRECTORY": filepath.Dir(file), "NETRC": netrc}
	for text, want := range map[string]string{
		"hunter2":                              "hunter2",
		"12345":                                "12345",
		"{env: PW}":                            "from env",
		"{file: " + file + "}":                 "from file",
		"{credential: pw}":                     "from file",
		"{keyring: mail}":                      "mail/alice",
		"{netrc: true}":                        "fromnetrc",
		`{command: [printf, "line one\ntwo"]}`: "line one",
		`{command: [sh, -c, "echo $0", a b]}`:  "a b",
		`{command: [sh, -c, "echo x; exec cat /dev/zero | head -c 200000"]}`: "x",
	} {
		got, err := secretFrom(t, text, env).Resolve(context.Background())
		if got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestResolveErrors(t *testing.T) {
	for text, want := range map[string]string{
		"{env: PW}":                  "env PW: the variable is not set (cron and systemd set few)",
		"{env: EMPTY}":               "env EMPTY: is empty",
		"{env: LINES}":               "env LINES: has more than one line, or a NUL",
		"{env: BOM}":                 "env BOM: begins with a byte order mark, which some editors add: save it as UTF-8 without one",
		"{env: WIDE}":                "env WIDE: is UTF-16: save it as UTF-8",
		"{credential: pw}":           "credential pw: $CREDENTIALS_DIRECTORY is not set: not started by systemd with LoadCredential=?",
		"{netrc: true}":              "netrc: /nonexistent/netrc: no such file or directory",
		"{command: [true]}":          "command true: printed nothing",
		"{command: [no-such-thing]}": "command no-such-thing: executable file not found in $PATH",
		`{command: [sh, -c, "echo hunter2; echo bad hunter2 >&2; exit 3"]}`: `command sh: exit status 3: "bad REDACTED"`,
		`{command: [sh, -c, 'printf "\033[31mred" >&2; exit 1']}`:           `command sh: exit status 1: "\x1b[31mred"`,
	} {
		_, err := secretFrom(t, text, map[string]string{"EMPTY": "", "LINES": "a\nb", "BOM": "\ufeffhunter2",
			"WIDE": "\xff\xfeh\x00", "NETRC": "/nonexistent/netrc"}).Resolve(context.Background())
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	if _, err := (Secret{}).Resolve(context.Background()); err != ErrNoSecret {
		t.Error(err)
	}
}

func TestResolveStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := CommandSecret([]string{"sleep", "60"}).Resolve(ctx)
	if err == nil || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestSecretFileModes(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false} {
		path := write(t, "pw", "hunter2\n", mode)
		_, err := FileSecret(path).Resolve(context.Background())
		who, way := "others", ""
		if mode&0o007 == 0 {
			who, way = "its group", ", or set secrets: group if the group is trusted"
		}
		want := fmt.Sprintf("file %s: %s can use it (mode %04o): run chmod 600 %s%s", path, who, mode, path, way)
		if ok && err != nil || !ok && (err == nil || err.Error() != want) {
			t.Errorf("%04o: %v", mode, err)
		}
		_, err = parse("secrets: group\n" + account("password: {file: "+path+"}"))
		if (mode&0o007 == 0) != (err == nil) {
			t.Errorf("%04o for the group, too: %v", mode, err)
		}
		_, err = parse(account("password: {file: " + path + "}"))
		if ok != (err == nil) {
			t.Errorf("%04o at load: %v", mode, err)
		}
		if _, err = parse(account("enabled: false\npassword: {file: " + path + "}")); err != nil {
			t.Errorf("disabled: %v", err)
		}
	}
	if _, err := FileSecret(t.TempDir()).Resolve(context.Background()); err == nil {
		t.Error("a directory was read")
	}
}

func TestSecretNeverPrints(t *testing.T) {
	type holder struct {
		Public  Secret
		private Secret
	}
	s := PlainSecret("hunter2")
	h := holder{s, s}
	var out bytes.Buffer
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, f+f+f, s, &s, h)
	}
	if err := json.NewEncoder(&out).Encode(h); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "h", h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "h", h)
	out.WriteString(s.Source())
	if got := out.String(); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74657232") ||
		!strings.Contains(got, Redacted) {
		t.Error(got)
	}
}

func TestSecretSource(t *testing.T) {
	if got := CommandSecret([]string{"pass", "hunter2"}).Source(); got != "command pass" {
		t.Error(got)
	}
	if got := EnvSecret("PW").Source(); got != "env PW" {
		t.Error(got)
	}
	if (Secret{}).Kind() != SecretNone || !PlainSecret("a").Equal(PlainSecret("a")) || PlainSecret("a").Equal(PlainSecret("b")) {
		t.Error("kind or equality")
	}
}
