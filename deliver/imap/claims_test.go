package imap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// sharing are two accounts that deliver to the mailbox of f.
func sharing(t *testing.T, f *fake) (a, b *Target) {
	o := f.options()
	o.Claims = Claims(filepath.Join(t.TempDir(), "imap", "box"))
	a, b = New(o), New(o)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func fates(t *testing.T, d *Target, intents []deliver.Intent) (out []deliver.Fate) {
	t.Helper()
	for _, in := range intents {
		fate, err := d.Recover(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fate)
	}
	return out
}

// TestClaims: two accounts deliver the same bytes into one mailbox. One copy stands for
// one message: what the other account has delivered, or recovered, proves nothing.
func TestClaims(t *testing.T) {
	t.Parallel()
	letter := letters(1)
	visible, absent := []deliver.Fate{deliver.Visible}, []deliver.Fate{deliver.Absent}
	expect := func(t *testing.T, what string, got, want []deliver.Fate) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	t.Run("delivered by the other", func(t *testing.T) {
		a, b := sharing(t, startFake(t, &fake{}))
		_, ours := prepared(t, a, letter...)
		_, results := deliverAll(t, b, letter...)
		if results[0].Err != nil {
			t.Fatal(results[0].Err)
		}
		expect(t, "ours", fates(t, a, ours), absent)
	})
	t.Run("delivered by us, not yet on record", func(t *testing.T) {
		a, _ := sharing(t, startFake(t, &fake{}))
		ours, _ := deliverAll(t, a, letter...)
		expect(t, "ours", fates(t, a, ours), visible)
	})
	t.Run("both killed, one copy", func(t *testing.T) {
		f := startFake(t, &fake{})
		a, b := sharing(t, f)
		_, ours := prepared(t, a, letter...)
		_, theirs := prepared(t, b, letter...)
		text := bytes.ReplaceAll(letter[0], []byte("\n"), []byte("\r\n"))
		(&fakeSession{f: f}).store([]fakeMessage{{text: text, date: `" 5-Oct-2015 22:33:11 +0000"`}})
		for range 2 { // a recovery may be killed
			expect(t, "first", fates(t, b, theirs), visible)
			expect(t, "second", fates(t, a, ours), absent)
		}
	})
	t.Run("recovered before it is written down", func(t *testing.T) {
		f := startFake(t, &fake{})
		a, b := sharing(t, f)
		_, ours := prepared(t, a, letter...)
		f.after = func(s *fakeSession, n int, msgs []fakeMessage) bool {
			uids := s.store(msgs)
			expect(t, "ours", fates(t, a, ours), visible)
			s.ok(uids)
			return true
		}
		_, results := deliverAll(t, b, letter...)
		if e, ok := results[0].Err.(*deliver.Error); !ok || e.Class != deliver.Later { //nolint:errorlint // the contract
			t.Errorf("%v, want later", results[0].Err)
		}
	})
	t.Run("half a line", func(t *testing.T) {
		a, b := sharing(t, startFake(t, &fake{}))
		_, ours := prepared(t, a, letter...)
		if err := os.MkdirAll(filepath.Dir(string(a.o.Claims)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(string(a.o.Claims), []byte("7 1:3"), 0o600); err != nil {
			t.Fatal(err)
		}
		deliverAll(t, b, letter...)
		expect(t, "ours", fates(t, a, ours), absent)
	})
	t.Run("each part of a line", func(t *testing.T) {
		a, _ := sharing(t, startFake(t, &fake{}))
		ours, _ := deliverAll(t, a, letter...)
		line, err := os.ReadFile(string(a.o.Claims))
		for n := range line {
			if err := errors.Join(err, os.WriteFile(string(a.o.Claims), line[:n], 0o600)); err != nil {
				t.Fatal(err)
			}
			a.past = nil
			expect(t, fmt.Sprintf("%q", line[:n]), fates(t, a, ours), visible)
		}
	})
	t.Run("what a power loss made of the end", func(t *testing.T) {
		a, _ := sharing(t, startFake(t, &fake{}))
		ours, _ := deliverAll(t, a, letter...)
		if err := os.WriteFile(string(a.o.Claims), make([]byte, 200<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, "ours", fates(t, a, ours), visible)
	})
	t.Run("an intent of before", func(t *testing.T) {
		a, b := sharing(t, startFake(t, &fake{}))
		ours, _ := deliverAll(t, a, letter...)
		_, theirs := prepared(t, b, letter...)
		if err := os.Remove(string(a.o.Claims)); err != nil {
			t.Fatal(err)
		}
		for _, in := range [][]deliver.Intent{ours, theirs} {
			in[0].Data = regexp.MustCompile(`,"batch":"\w+"`).ReplaceAll(in[0].Data, nil)
		}
		for range 2 {
			a.past, b.past = nil, nil
			expect(t, "ours", fates(t, a, ours), visible)
			expect(t, "theirs", fates(t, b, theirs), absent)
		}
	})
	t.Run("a file that keeps nothing", func(t *testing.T) {
		a, b := sharing(t, startFake(t, &fake{}))
		_, ours := prepared(t, a, letter...)
		deliverAll(t, b, letter...)
		a.o.claims.Path = "/dev/null"
		if fate, err := a.Recover(t.Context(), ours[0]); fate != deliver.Unknown || err == nil {
			t.Error(fate, err)
		}
	})
}
