package command

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

// TestMessagesOfState: each way in which the list of seen messages cannot be
// used names the file and says what to do.
func TestMessagesOfState(t *testing.T) {
	runMishaps(t, []mishap{
		{name: "no state file: fetch", ground: garbage, exit: 73, broken: true, names: "work: the state ${DB} ", says: "cannot be used: not a mailhaul state file, or damaged", hint: "Put it back from a backup; or save what can be read with `mailhaul state export --salvage`, move the damaged file away", mail: mended},
		{name: "no state file: plan", args: "plan", ground: garbage, exit: 73, broken: true, names: "work: the state ${DB} ", says: "not a mailhaul state file", hint: "Put it back", mail: unchanged},
		{name: "no state file: verify", args: "verify", ground: garbage, exit: 73, broken: true, names: "work: the state ${DB} ", says: "not a mailhaul state file", hint: "Put it back", mail: untouched},
		{name: "no state file: purge", args: "purge work", ground: garbage, exit: 73, broken: true, names: "work: the state ${DB} ", says: "not a mailhaul state file", hint: "Put it back", mail: "mail: purge deleted nothing from the server"},
		{name: "no state file: mark-seen", args: "state mark-seen work --all", ground: garbage, exit: 73, broken: true, names: "work: the state ${DB} ", says: "not a mailhaul state file", hint: "Put it back", mail: "mail: nothing was marked, and no mail was fetched or deleted"},
		{name: "no state file: forget", args: "state forget work --all", ground: garbage, exit: 73, broken: true, names: "work: the state ${DB} ", says: "not a mailhaul state file", hint: "Put it back", mail: "finds in a Maildir what is missing"},
		{name: "cut short", ground: grounds(first("fetch"), cutState), exit: 73, broken: true, names: "work: the state ${DB} ", says: `damaged \(.*\)`, hint: "Put it back", mail: mended},
		{name: "pages overwritten", ground: grounds(first("fetch"), noiseInState), exit: 73, broken: true, names: "work: the state ${DB} ", says: "cannot be used: not a mailhaul state file, or damaged", hint: "Put it back", mail: mended},
		{name: "a damaged record", ground: grounds(first("fetch"), intend("gone:"), breakRecord), exit: 73, broken: true, names: "work: the state ${DB} ", says: `a damaged record`, hint: "Put it back", mail: mended},
		{name: "a damaged record: purge", args: "purge work", ground: grounds(first("fetch"), intend("gone:"), breakRecord), exit: 73, broken: true, names: "work: the state ${DB} ", says: `a damaged record`, hint: "Put it back", mail: "mail: purge deleted nothing from the server"},
		{name: "a delivery of a newer version", ground: grounds(first("fetch"), intend("gone:")), exit: 73, broken: true, names: "work: ", says: `an interrupted delivery cannot be completed yet: .*"gone:".* this version does not know`, hint: "A newer mailhaul wrote it", mail: mended},
		{name: "a defect", ground: grounds(first("fetch"), intend("maildir")), exit: 70, broken: true, names: "work: ", says: `an interrupted delivery cannot be completed yet`, hint: "This should not happen, and nothing was deleted that is not delivered. Please report it with .* -vv", mail: "(?m)^  mail: this run deleted nothing from the server$"},
		{name: "newer version", ground: grounds(first("fetch"), newerState), exit: 73, broken: true, names: "work: the state ${DB} ", says: `cannot be used: state format \d+ is newer than this program's \d+`, hint: "Use the mailhaul that wrote it", mail: mended},
		{name: "newer version: plan", args: "plan", ground: grounds(first("fetch"), newerState), exit: 73, broken: true, names: "work: the state ${DB} ", says: `is newer`, hint: "Use the mailhaul that wrote it", mail: unchanged},
		{name: "locked", ground: holdState, exit: 75, broken: true, names: "work: ", says: "another run is working on this maildrop", hint: "Wait for it, or use --wait 10m; `mailhaul status` shows it", mail: goesOn},
		{name: "locked: ls", args: "state ls work", ground: holdState, exit: 75, broken: true, names: "work: ", says: "another run is working on this maildrop", hint: "Wait for it", mail: ""},
		{name: "not allowed", args: "--state /sys/mailhaul-test fetch", ground: with(onLinux), exit: 73, names: "work: the state /sys/mailhaul-test/alice@", says: "cannot be used: .*(permission denied|not permitted)", hint: "Run it as the user who owns that directory, or name another directory with --state", mail: mended},
		{name: "read-only", args: "--state ${DISK}/state fetch", ground: with(readOnlyDisk), exit: 73, names: "work: the state ${DISK}/state/alice@", says: "cannot be used: .*read-only", hint: "mount it writable, or name another directory with --state", mail: mended},
		{name: "disk full", args: "--state ${DISK}/a/state fetch", ground: with(fullDisk), exit: 74, names: "work: the state ${DISK}/a/state/alice@", says: "cannot be used: .*no space left", hint: "The disk of the state is full: make room", mail: mended},
		{name: "under a file", args: "--state ${FILE}/state fetch", ground: with(plainFile), exit: 73, names: "work: the state ${FILE}/state/alice@", says: "cannot be used: .*not a directory", hint: "A part of that path is a file", mail: mended},
		{name: "disk full later", args: "--state ${DISK}/state fetch", msgs: 40, ground: fillUp, exit: 74, names: "work: the state ${DISK}/state/alice@", says: "cannot be written: .*no space left", hint: "The disk of the state is full: make room", mail: `mail: this run deleted nothing from the server; once this is mended`},
	})
}

func garbage(s *scene) {
	if err := os.MkdirAll(filepath.Dir(s.vars["DB"]), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.overwrite([]byte("hello\n"))
}

func (s *scene) overwrite(data []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.vars["DB"], data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// change rewrites the state file.
func (s *scene) change(fn func([]byte) []byte) {
	s.t.Helper()
	data, err := os.ReadFile(s.vars["DB"])
	if err != nil {
		s.t.Fatal(err)
	}
	s.overwrite(fn(data))
}

func cutState(s *scene) { s.change(func(b []byte) []byte { return b[:8192] }) }

// noiseInState leaves bbolt's two meta pages.
func noiseInState(s *scene) {
	s.change(func(b []byte) []byte {
		for i := 2 * os.Getpagesize(); i < len(b); i++ {
			b[i] = 0xa5
		}
		return b
	})
}

// intend leaves a delivery open as a run that was killed does.
func intend(kind string) func(*scene) {
	return func(s *scene) {
		db, err := state.Open(s.vars["DB"], state.Options{})
		if err != nil {
			s.t.Fatal(err)
		}
		defer db.Close()
		in := state.Intent{Key: state.NewKey("uid-9", 0), Target: "maildir:x", Kind: kind, Data: []byte("?"), At: time.Now()}
		if err := db.Apply(&state.Change{Intend: []state.Intent{in}}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// breakRecord makes what intend("gone:") wrote longer than it is.
func breakRecord(s *scene) {
	s.change(func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\x05gone:"), []byte("\x7fgone:"))
	})
}

func newerState(s *scene) {
	s.change(func(b []byte) []byte {
		at := bytes.LastIndex(b, []byte("version"))
		if at < 0 {
			s.t.Fatal("no version in the state")
		}
		for ; at >= 0; at = bytes.LastIndex(b[:at], []byte("version")) {
			if c := b[at+len("version")]; '1' <= c && c <= '9' {
				b[at+len("version")] = '9'
			}
		}
		return b
	})
}

// holdState is another run.
func holdState(s *scene) {
	db, err := state.Open(s.vars["DB"], state.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
}

// fillUp leaves the state's disk no room to grow.
func fillUp(s *scene) {
	smallDisk(s.t, s.vars)
	first("--state ${DISK}/state fetch --limit 1")(s)
	f, err := os.Create(filepath.Join(s.vars["DISK"], "filler"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 4096); ; {
		if _, err := f.Write(chunk); err != nil {
			return
		}
	}
}
