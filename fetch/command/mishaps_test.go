package command

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// mishap is one failure made for real by one command line: what a person must
// find in what it prints. ${...} are the words of a scene.
type mishap struct {
	name string
	// server serves so many messages (0: one) to an account with these lines.
	server pop3test.Options
	msgs   int
	config string
	// ground prepares, and may run commands before.
	ground func(s *scene)
	// args is the command line; with a word --from or bare set there is no
	// configuration. It is fetch if empty.
	args string
	bare bool
	// stop is the command at which the server is when a signal comes, and nth
	// how often it has received it then; 0 is once.
	stop string
	nth  int
	exit int
	// names is the account or file that must be named; says and hint are
	// patterns for the error and for a hint line, and mail for the line that
	// says what it means for the mail, or for the words that say the same.
	names, says, hint, mail string
	// gone is how many messages are off the server afterwards.
	gone int
	// broken: the state file was damaged by ground and must be as it was.
	broken bool
}

// scene is a server, an account and a place for one mishap.
type scene struct {
	t      *testing.T
	m      *mishap
	drop   *pop3test.Maildrop
	server *pop3test.Server
	vars   map[string]string
}

// thePassword is what must never be printed.
const thePassword = "tR0ub4dor-3"

// jargon is what no person should have to read.
var jargon = []string{"context canceled", "context deadline", "runtime error", "fallocate", "inappropriate ioctl", "i/o timeout",
	"dial tcp", "%!", "0x", "panic", "ACCOUNT", "failed to", "maildrop maildrop", "nil pointer", "invalid database", "EOF"}

func runMishaps(t *testing.T, rows []mishap) {
	for i := range rows {
		t.Run(rows[i].name, rows[i].run)
	}
}

func newScene(t *testing.T, m *mishap) *scene {
	drop := &pop3test.Maildrop{}
	for i := range max(m.msgs, 1) {
		drop.Add(fmt.Sprintf("uid-%d", i+1), fmt.Appendf(nil, "Subject: x%d\r\nMessage-ID: <%d@x>\r\n\r\nbody\r\n", i+1, i+1))
	}
	o := m.server
	o.Password = thePassword
	s := &scene{t: t, m: m, drop: drop, server: pop3test.NewServer(drop, o)}
	t.Cleanup(s.server.Close)
	dir := t.TempDir()
	ca, err := s.server.CA.WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.server.Addr())
	s.vars = map[string]string{"ADDR": s.server.Addr(), "PORT": port, "DIR": dir, "CA": ca,
		"DB": state.Path(filepath.Join(dir, "state"), "alice@localhost:"+port)}
	s.write("password", thePassword+"\n")
	return s
}

// write makes a file in the scene's directory and returns its path.
func (s *scene) write(name, text string) string {
	path := filepath.Join(s.vars["DIR"], name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
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
	if _, err := os.Stat(filepath.Join(s.vars["DIR"], "config.yaml")); err == nil || s.m.bare {
		return
	}
	lines := "accounts:\n  work:\n    user: alice\n" + s.m.config
	for _, l := range []string{"server: localhost:${PORT}", "ca_file: ${CA}", `password: {file: "${DIR}/password"}`, `deliver: [{maildir: "${DIR}/Mail"}]`} {
		if key, _, _ := strings.Cut(l, ":"); !strings.Contains("\n"+s.m.config, "\n    "+key+":") {
			lines += "    " + l + "\n"
		}
	}
	s.write("config.yaml", s.expand(lines))
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
	before := s.server.Count(event)
	go func() {
		defer close(signalled)
		for ; event != ""; time.Sleep(2 * time.Millisecond) {
			select {
			case <-ended:
				return
			default:
			}
			if s.server.Count(event) >= before+max(s.m.nth, 1) {
				cancel(exit.Signal{Signal: syscall.SIGINT})
				return
			}
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
	if m.ground != nil {
		m.ground(s)
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
	if got, want := s.drop.Len(), max(m.msgs, 1)-m.gone; got != want {
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

// Patterns of what a failure means for the mail.
const (
	goesOn    = `(?m)^  mail: this run deleted nothing from the server; the next run goes on from here$`
	mended    = `(?m)^  mail: this run deleted nothing from the server; once this is mended, the next run goes on from here$`
	unchanged = `(?m)^  mail: nothing was changed, here or on the server$`
	untouched = `(?m)^  mail: nothing was deleted, here or on the server$`
	notDone   = `(?m)^  hint: Nothing was (done|fetched|changed|imported|checked)`
)

// first runs a command that must work.
func first(args string) func(*scene) {
	return func(s *scene) {
		s.t.Helper()
		if code, out, log := s.mailhaul(args, ""); code != 0 {
			s.t.Fatalf("%s: exit %d: %s%s", args, code, out, log)
		}
	}
}

// grounds are several in their order.
func grounds(all ...func(*scene)) func(*scene) {
	return func(s *scene) {
		for _, g := range all {
			g(s)
		}
	}
}

// with is a ground of the meetings.
func with(ground func(*testing.T, map[string]string)) func(*scene) {
	return func(s *scene) { ground(s.t, s.vars) }
}
