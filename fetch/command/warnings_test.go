package command

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// warning is what check --connect has to warn of, made for real: one step, and
// no other, is marked so.
type warning struct {
	name   string
	server pop3test.Options
	config string
	ground func(t *testing.T, stateFile string)
	step   string
	detail string // is in the detail
	advice string // begins the advice; empty: there is none
}

// long is a certificate that does not end soon.
func long(ca *pop3test.CA) pop3test.Options {
	cert := ca.Issue(pop3test.Leaf{Names: []string{"localhost"}, NotAfter: time.Now().Add(90 * 24 * time.Hour)})
	return pop3test.Options{CA: ca, Certificate: &cert}
}

func warnings() []warning {
	ca := pop3test.NewCA()
	with := func(change func(o *pop3test.Options)) pop3test.Options {
		o := long(ca)
		change(&o)
		return o
	}
	saying := func(command, reply string) pop3test.Options {
		return with(func(o *pop3test.Options) {
			o.Faults = []pop3test.Fault{{On: command, Do: pop3test.Raw(reply), Always: true}}
		})
	}
	return []warning{
		{name: "certificate ends soon", server: pop3test.Options{CA: ca}, step: "tls", detail: "0 days left",
			advice: "the certificate ends soon"},
		{name: "no TLS", server: pop3test.Options{Security: pop3test.Plain}, config: "    tls: none # and so no ca_file:\n",
			step: "tls", detail: "none: anyone on the way"},
		{name: "STAT counts more", server: saying("STAT", "+OK 5 500\r\n"), step: "stat",
			detail: "5 messages, 500 octets, but the list has 3", advice: "the list counts"},
		{name: "STAT without numbers", server: saying("STAT", "+OK fine\r\n"), step: "stat", detail: "makes no sense",
			advice: "it is not needed"},
		{name: "malformed lines", server: with(func(o *pop3test.Options) {
			o.ListLine = func(num int, size int64) string {
				return strings.Repeat("x", num/3) + fmt.Sprint(num, " ", size)
			}
		}), step: "list", detail: "1 malformed sizes, the first: x3", advice: "a size is only a hint"},
		{name: "no UIDL", server: with(func(o *pop3test.Options) { o.NoUIDL = true }), step: "uidl", detail: "the server has none",
			advice: "messages are distinguished by their headers"},
		{name: "TOP refused", server: with(func(o *pop3test.Options) { o.NoTOP = true }), step: "top", detail: "bad command",
			advice: "state mark-seen --before"},
		{name: "TOP without a header", server: saying("TOP", "+OK\r\nnothing of the kind\r\n.\r\n"), step: "top",
			detail: "no header field in the 20 bytes", advice: "state mark-seen --before"},
		{name: "TOP with an empty reply", server: saying("TOP", "+OK\r\n.\r\n"), step: "top",
			detail: "no header field in the 0 bytes", advice: "state mark-seen --before"},
		{name: "TOP sends the message", server: saying("TOP", "+OK\r\nSubject: x\r\n\r\n"+strings.Repeat("body\r\n", 500)+".\r\n"),
			step: "top", detail: "12 bytes of header, and 2500 bytes that were not asked for",
			advice: "the server sends more of a message"},
		{name: "other UIDs each time", server: with(func(o *pop3test.Options) { o.UIDLLine = newUIDs(1) }), step: "uidl twice",
			detail: "other UIDs for all messages", advice: "each fetch would take everything again"},
		{name: "some other UIDs", server: with(func(o *pop3test.Options) { o.UIDLLine = newUIDs(3) }), step: "uidl twice",
			detail: "2 of 3 UIDs the same", advice: "another program deleted messages in between"},
		{name: "one login an hour", server: with(func(o *pop3test.Options) { o.LoginDelay = time.Hour }), step: "uidl twice",
			detail: "one login every 1h;", advice: "Run later, or use --wait 1h to wait for it."},
		{name: "state in use", server: long(ca), ground: underWay, step: "state", detail: "a run is working on this maildrop",
			advice: "the server is looked at all the same"},
	}
}

// newUIDs gives each message from a number on another UID in each session.
func newUIDs(from int) func(num int, uid string) string {
	var session atomic.Int32
	return func(num int, uid string) string {
		if num == 1 {
			session.Add(1)
		}
		if num >= from {
			uid = fmt.Sprint(uid, "-", session.Load())
		}
		return fmt.Sprint(num, " ", uid)
	}
}

func keepOpen(t *testing.T, file string) {
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(file, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
}

// underWay is a run at work, which has made the Maildir.
func underWay(t *testing.T, file string) {
	keepOpen(t, file)
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(filepath.Dir(filepath.Dir(file)), "Mail", sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, w := range warnings() {
		t.Run(w.name, w.run)
	}
}

// check runs check --connect against a server with three messages.
func (w *warning) check(t *testing.T) ([]jsonline.Step, int) {
	t.Helper()
	drop := &pop3test.Maildrop{}
	for i := range 3 {
		drop.Add(fmt.Sprint("uid-", i), []byte("Subject: x\r\nTo: y\r\n\r\nbody\r\n"))
	}
	s := pop3test.NewServer(drop, w.server)
	defer s.Close()
	dir := t.TempDir()
	root, err := s.CA.WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := meeting{config: w.config + "    id: it\n"}
	if w.ground != nil {
		w.ground(t, state.Path(filepath.Join(dir, "state"), "it"))
	}
	return checkSteps(t, dir, strings.NewReplacer("${CA}", root, "${DIR}", dir).Replace(m.yaml(s)))
}

func (w *warning) run(t *testing.T) {
	steps, code := w.check(t)
	steps = slices.DeleteFunc(steps, func(s jsonline.Step) bool { return s.Mark == jsonline.OK })
	if code != 0 || len(steps) != 1 {
		t.Fatalf("exit %d, %+v; want one warning", code, steps)
	}
	got := steps[0]
	if got.Mark != jsonline.Warn || got.Step != w.step || !strings.Contains(got.Detail, w.detail) {
		t.Errorf("%+v; want a warning at %s that says %q", got, w.step, w.detail)
	}
	if (got.Advice == "") != (w.advice == "") || !strings.HasPrefix(got.Advice, w.advice) {
		t.Errorf("advice %q, want %q", got.Advice, w.advice)
	}
}

// TestDamagedStateFailsTheCheck: it is the exit status that a fetch would have.
func TestDamagedStateFailsTheCheck(t *testing.T) {
	t.Parallel()
	w := warning{server: long(pop3test.NewCA()), ground: func(t *testing.T, file string) {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Repeat("not a database ", 4096)), 0o600); err != nil {
			t.Fatal(err)
		}
	}}
	steps, code := w.check(t)
	if got := steps[0]; got.Step != "state" || got.Mark != jsonline.Fail || got.Advice == "" || code != 73 {
		t.Errorf("exit %d, %+v", code, got)
	}
	if last := steps[len(steps)-1]; last.Step != "uidl twice" || last.Mark != jsonline.OK {
		t.Errorf("the rest was not looked at: %+v", last)
	}
}

// TestBrokenTopIsOneFailure: what breaks the session is not told again of QUIT.
func TestBrokenTopIsOneFailure(t *testing.T) {
	t.Parallel()
	o := long(pop3test.NewCA())
	o.Faults = []pop3test.Fault{{On: "TOP", Do: pop3test.Cut(), Always: true}}
	w := warning{server: o}
	steps, code := w.check(t)
	steps = slices.DeleteFunc(steps, func(s jsonline.Step) bool { return s.Mark != jsonline.Fail })
	if code != 69 || len(steps) != 1 || steps[0].Step != "top" {
		t.Errorf("exit %d, %+v; want one failure, at top", code, steps)
	}
}

// TestCheckTells: the certificates up to the root, and what CAPA says before
// STLS, after it and after the login.
func TestCheckTells(t *testing.T) {
	t.Parallel()
	ca := pop3test.NewCA()
	cert := ca.Intermediate("between").Issue(pop3test.Leaf{Names: []string{"localhost"}, CommonName: "pop",
		NotAfter: time.Now().Add(90 * 24 * time.Hour)})
	w := warning{config: "    tls: stls\n", server: pop3test.Options{CA: ca, Certificate: &cert, Security: pop3test.STLS,
		CapaAfterLogin: []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "EXPIRE 30 USER", "IMPLEMENTATION pop3test"}}}
	steps, code := w.check(t)
	var got strings.Builder
	for _, s := range steps {
		if slices.Contains([]string{"capa", "chain", "stat", "list", "top", "uidl twice", "quit"}, s.Step) {
			fmt.Fprintf(&got, "%s %s: %s\n", s.Mark, s.Step, s.Detail)
		}
	}
	want := `ok capa: RESP-CODES, AUTH-RESP-CODE, TOP, UIDL, PIPELINING, STLS, IMPLEMENTATION pop3test
ok chain: pop by between; between by pop3test root; pop3test root by itself
ok capa: RESP-CODES, AUTH-RESP-CODE, TOP, UIDL, PIPELINING, USER, SASL PLAIN, IMPLEMENTATION pop3test
ok capa: after the login, new: EXPIRE 30 USER; gone: PIPELINING, USER, SASL PLAIN
ok stat: 3 messages, 81 octets
ok list: 3 messages, 81 bytes, by PLAIN
ok top: 18 bytes of header
ok quit: 
ok uidl twice: 3 of 3 UIDs the same in a second session
`
	if code != 0 || got.String() != want {
		t.Errorf("exit %d\n%s\nwant\n%s", code, &got, want)
	}
}
