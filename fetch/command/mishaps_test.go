package command

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
	"github.com/rogpeppe/go-internal/txtar"
)

// mishap is one failure made for real by one command line: what a person must
// find in what it prints. It is a section of a file in testdata/mishaps, with one
// of these keys a line; server, config and ground may come more than once. ${...}
// are the words of a scene.
type mishap struct {
	name string
	// server are words of startServer, after msgs=1; config is one line of the
	// account.
	server, config []string
	// ground prepares, see grounds, and may run commands before.
	ground []string
	// args is the command line, fetch if empty; bare: there is no configuration.
	args string
	bare bool
	// stop is the command at which the server is when a signal comes, and nth
	// how often it has received it then; 0 is once.
	stop string
	nth  int
	exit int
	// names is the account or file that must be named; says and hint are
	// patterns for the error and for a hint line, and mail for the line that
	// says what it means for the mail, or for the words that say the same:
	// @NAME is one of meanings.
	names, says, hint, mail string
	// gone is how many messages are off the server afterwards.
	gone int
	// broken: the state file was damaged by ground and must be as it was.
	broken bool
}

// readMishaps reads a file of testdata/mishaps.
func readMishaps(t *testing.T, file string) (list []mishap) {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "mishaps", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		m := mishap{name: f.Name, server: []string{"msgs=1"}}
		for line := range strings.Lines(string(f.Data)) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			if err := m.set(key, value); err != nil {
				t.Fatalf("%s: %s: %v", file, f.Name, err)
			}
		}
		list = append(list, m)
	}
	return list
}

func (m *mishap) set(key, value string) (err error) {
	switch key {
	case "server":
		m.server = append(m.server, value)
	case "config":
		m.config = append(m.config, value)
	case "ground":
		m.ground = append(m.ground, value)
	case "args":
		m.args = value
	case "bare":
		m.bare = true
	case "broken":
		m.broken = true
	case "stop":
		m.stop = value
	case "nth":
		m.nth, err = strconv.Atoi(value)
	case "exit":
		m.exit, err = strconv.Atoi(value)
	case "gone":
		m.gone, err = strconv.Atoi(value)
	case "names":
		m.names = value
	case "says":
		m.says = value
	case "hint":
		m.hint = value
	case "mail":
		if m.mail = value; value[0] == '@' {
			m.mail = meanings[value[1:]]
		}
	default:
		err = fmt.Errorf("no key %q", key)
	}
	return err
}

// scene is a lab with a server, for one mishap.
type scene struct {
	*lab
	m      *mishap
	server *server
	vars   map[string]string
}

// thePassword is what must never be printed.
const thePassword = "tR0ub4dor-3"

// jargon is what no person should have to read.
var jargon = []string{"context canceled", "context deadline", "runtime error", "fallocate", "inappropriate ioctl", "i/o timeout",
	"dial tcp", "%!", "0x", "panic", "ACCOUNT", "failed to", "maildrop maildrop", "nil pointer", "invalid database", "EOF"}

func runMishaps(t *testing.T, file string) {
	rows := readMishaps(t, file)
	if len(rows) == 0 {
		t.Fatalf("%s is empty", file)
	}
	var cases []subtest
	for i := range rows {
		cases = append(cases, subtest{rows[i].name, rows[i].run})
	}
	together(t, cases)
}

func newScene(t *testing.T, m *mishap) *scene {
	s := &scene{lab: newLab(t), m: m}
	var err error
	if s.server, err = startServer(append(m.server, "password="+thePassword)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.server.Close)
	_, port, _ := net.SplitHostPort(s.server.Addr())
	s.vars = map[string]string{"ADDR": s.server.Addr(), "PORT": port, "DIR": s.dir, "CA": s.write("ca.pem", s.server.RootPEM()),
		"DB": state.Path(s.path("state"), "alice@localhost:"+port)}
	s.write("password", []byte(thePassword+"\n"))
	return s
}

func (s *scene) expand(text string) string {
	return os.Expand(text, func(k string) string {
		if v, ok := s.vars[k]; ok {
			return v
		}
		return "${" + k + "}"
	})
}

// configure writes the configuration, unless ground wrote another.
func (s *scene) configure() {
	if _, err := os.Stat(s.path("config.yaml")); err == nil || s.m.bare {
		return
	}
	lines := append([]string{"user: alice"}, s.m.config...)
	for _, l := range []string{"server: localhost:${PORT}", "ca_file: ${CA}", `password: {file: "${DIR}/password"}`,
		`deliver: [{maildir: "${DIR}/Mail"}]`} {
		key, _, _ := strings.Cut(l, ":")
		if !slices.ContainsFunc(lines, func(own string) bool { return strings.HasPrefix(own, key+":") }) {
			lines = append(lines, l)
		}
	}
	s.write("config.yaml", []byte(s.expand(accountYAML("work", lines))))
}

// mailhaul runs one command line; a signal comes once the server has received
// the event, if there is one.
func (s *scene) mailhaul(args, event string) (code int, out, log string) {
	s.configure()
	words := []string{"mailhaul"}
	if !s.m.bare {
		words = append(words, "-c", s.vars["DIR"]+"/config.yaml")
	}
	if !strings.Contains(args, "--state") {
		words = append(words, "--state", s.vars["DIR"]+"/state")
	}
	for w := range strings.FieldsSeq(args) {
		words = append(words, s.expand(w))
	}
	ctx, cancel := context.WithCancelCause(s.t.Context())
	defer cancel(nil)
	ended := make(chan struct{})
	signalled := make(chan struct{})
	var received <-chan struct{}
	if event != "" {
		received = s.server.Received(event, max(s.m.nth, 1))
	}
	go func() {
		defer close(signalled)
		select {
		case <-ended:
		case <-received:
			cancel(exit.Signal{Signal: syscall.SIGINT})
		}
	}()
	var stdout, stderr bytes.Buffer
	code = Main(ctx, words, term.Streams{Out: &stdout, Err: &stderr})
	close(ended)
	<-signalled
	return code, stdout.String(), stderr.String()
}

func (m *mishap) run(t *testing.T) {
	s := newScene(t, m)
	for _, words := range m.ground {
		s.prepare(words)
	}
	before, _ := os.ReadFile(s.vars["DB"])
	args := m.args
	if args == "" {
		args = "fetch"
	}
	code, out, log := s.mailhaul(args, m.stop)
	t.Logf("%s%s", out, log)
	if code != m.exit {
		t.Errorf("exit %d, want %d", code, m.exit)
	}
	s.read(log)
	if strings.Contains(out+log, thePassword) {
		t.Error("shows the password")
	}
	prose := pinned.ReplaceAllString(out+log, "")
	for _, w := range jargon {
		if strings.Contains(prose, w) {
			t.Errorf("speaks of %q", w)
		}
	}
	if got, want := s.server.drop.Len(), len(s.server.sent)-m.gone; got != want {
		t.Errorf("%d messages on the server, want %d", got, want)
	}
	s.checkState(before)
}

// read looks for what a person needs to know.
func (s *scene) read(log string) {
	s.t.Helper()
	for what, pattern := range map[string]string{
		"name " + s.m.names: regexp.QuoteMeta(s.expand(s.m.names)),
		"say what happened": s.m.says,
		"say what to do":    `(?m)^  hint: .*` + s.m.hint,
		"say what it means": s.m.mail,
	} {
		if what == "say what to do" && s.m.hint == "" && s.m.stop != "" {
			continue // who stopped it knows
		}
		if ok, err := regexp.MatchString(pattern, log); err != nil || !ok {
			s.t.Errorf("does not %s: no %q (%v)", what, pattern, err)
		}
	}
	for line := range strings.Lines(log) {
		if hint, ok := strings.CutPrefix(line, "  hint: "); ok && s.m.bare {
			keys := regexp.MustCompile(`\b(tls|ca_file|pin|insecure|password|deliver): |ca_file|server_name|client_cert|min_version`)
			if keys.MatchString(hint) && !regexp.MustCompile(`--(from|to|ca-file|insecure)|configuration file`).MatchString(hint) {
				s.t.Errorf("names a key where there is no configuration: %s", hint)
			}
		}
	}
}

// checkState wants a state that is sound and has nothing open, or, if it was
// broken before, that nobody touched it.
func (s *scene) checkState(before []byte) {
	s.t.Helper()
	after, err := os.ReadFile(s.vars["DB"])
	switch {
	case os.IsNotExist(err):
		return
	case s.m.broken:
		if !bytes.Equal(before, after) {
			s.t.Error("the broken state was changed")
		}
		return
	}
	db, err := state.Open(s.vars["DB"], state.Options{ReadOnly: true, Wait: 10 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if err := db.View(func(v *state.View) error {
		open, err := v.Intents()
		if len(open) > 0 {
			s.t.Errorf("%d deliveries are left open", len(open))
		}
		for k, rec := range v.Records() {
			v.Entry(k, rec)
		}
		return err
	}); err != nil {
		s.t.Error(err)
	}
}

// meanings are patterns of what a failure means for the mail.
var meanings = map[string]string{
	"goes on":   `(?m)^  mail: this run deleted nothing from the server; the next run goes on from here$`,
	"fixed":     `(?m)^  mail: this run deleted nothing from the server; once this is fixed, the next run goes on from here$`,
	"unchanged": `(?m)^  mail: nothing was changed, here or on the server$`,
	"untouched": `(?m)^  mail: nothing was deleted, here or on the server$`,
	"not done":  `(?m)^  hint: Nothing was (done|fetched|changed|imported|checked)`,
}

// grounds prepare a scene.
var grounds = map[string]func(*scene){
	"lose one":                     (*scene).loseOne,
	"taken over":                   (*scene).takenOver,
	"refusing proxy":               func(s *scene) { s.vars["PROXY"] = connectProxy(s.t, closedPort(s.t)) },
	"no password":                  (*scene).noPassword,
	"renamed":                      func(s *scene) { s.server.drop.Rename(func(uid string) string { return "new-" + uid }) },
	"one more":                     func(s *scene) { s.server.drop.Add("uid-more", []byte("Subject: more\r\n\r\nbody\r\n")) },
	"close the server":             func(s *scene) { s.server.Close() },
	"password for all":             func(s *scene) { _ = os.Chmod(s.path("password"), 0o644) },
	"configuration is a directory": func(s *scene) { _ = os.Mkdir(s.path("config.yaml"), 0o700) },
	"not YAML":                     func(s *scene) { s.write("config.yaml", []byte("accounts: {work: [\n")) },
	"garbage":                      (*scene).garbage,
	"cut the state":                func(s *scene) { s.change(func(b []byte) []byte { return b[:8192] }) },
	"noise in the state":           (*scene).noiseInState,
	"newer state":                  (*scene).newerState,
	"break a record":               (*scene).breakRecord,
	"hold the state":               (*scene).holdState,
	"fill up":                      (*scene).fillUp,
	"full disk":                    func(s *scene) { fullDisk(s.t, s.vars) },
	"read-only disk":               func(s *scene) { readOnlyDisk(s.t, s.vars) },
	"no listener":                  func(s *scene) { noListener(s.t, s.vars) },
	"plain file":                   func(s *scene) { plainFile(s.t, s.vars) },
	"on Linux":                     func(s *scene) { onLinux(s.t, s.vars) },
}

// prepare does what one line of ground says: one of grounds, "run ARGS" for a
// command that must work, or "intend KIND" for a delivery that is left open.
func (s *scene) prepare(words string) {
	s.t.Helper()
	if args, ok := strings.CutPrefix(words, "run "); ok {
		s.first(args)
	} else if kind, ok := strings.CutPrefix(words, "intend "); ok {
		s.intend(kind)
	} else if ground := grounds[words]; ground != nil {
		ground(s)
	} else {
		s.t.Fatalf("no ground %q", words)
	}
}

func (s *scene) first(args string) {
	s.t.Helper()
	if code, out, log := s.mailhaul(args, ""); code != 0 {
		s.t.Fatalf("%s: exit %d: %s%s", args, code, out, log)
	}
}
