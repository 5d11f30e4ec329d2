package mbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// crash leaves a file as a process does that was killed when it had written
// this many octets of a batch; below zero it had not even reserved.
func crash(t testing.TB, d *Deliverer, written int64, messages ...string) []deliver.Intent {
	t.Helper()
	b := stage(t, d, messages...).(*batch)
	intents, err := b.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if written >= 0 {
		if err := b.reserve(); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, min(written, b.spool.size-tokenSize))
		if _, err := b.spool.ReadAt(content, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := b.t.f.WriteAt([]byte(strings.Repeat("\n", b.region.Prefix)), b.region.Start); err != nil {
			t.Fatal(err)
		}
		if _, err := b.t.f.WriteAt(content, b.region.Start+int64(b.region.Prefix)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.release(); err != nil {
		t.Fatal(err)
	}
	d.forget(b)
	return intents
}

// settleAll recovers and delivers what is absent again.
func settleAll(t testing.TB, d *Deliverer, intents []deliver.Intent, messages []string) (visible int) {
	t.Helper()
	var again []string
	for i, intent := range intents {
		fate, err := Recover(context.Background(), intent)
		if err != nil {
			t.Fatal(err)
		}
		if fate == deliver.Visible {
			visible++
			continue
		}
		again = append(again, messages[i])
	}
	if len(again) > 0 {
		send(t, d, again...)
	}
	return visible
}

func checkOnce(t testing.TB, path string, format Format, want ...string) {
	t.Helper()
	all, trouble := readAll(t, path, format)
	count := make(map[string]int)
	for _, m := range all {
		count[string(m)]++
	}
	for _, w := range want {
		count[w]--
	}
	for m, n := range count {
		if n != 0 {
			trouble += fmt.Sprintf("%+d times too often: %.100q. ", n, m)
		}
	}
	if trouble != "" {
		t.Error(trouble)
	}
}

func mail(n, lines int) string {
	return fmt.Sprintf("Subject: %d\n\n", n) + strings.Repeat(fmt.Sprintf("From line of %d\n", n), lines)
}

// TestRecoverStates walks through the states that a crash can leave, each with
// and without another program that appends before the recovery.
func TestRecoverStates(t *testing.T) {
	t.Parallel()
	ours := []string{mail(0, 0), mail(1, 300), mail(1, 300), mail(2, 1)} // two of them are the same
	for name, format := range formats {
		for _, old := range []string{"", "From a Thu Nov 24 18:22:48 1986\nA: b\n\nold\n\n",
			"From a Thu Nov 24 18:22:48 1986\nA: b\n\nno end"} {
			for _, foreign := range []int{0, 1, 30} {
				for _, written := range []int64{-1, 0, 1, 60, 80, 500, 4096, 5000, 9000, 10000, 1 << 20} {
					path := filepath.Join(t.TempDir(), "mbox")
					if old != "" {
						if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					d := newDeliverer(t, Options{Path: path, Format: format})
					intents := crash(t, d, written, ours...)
					want := append([]string{}, ours...)
					for range foreign {
						appendForeign(t, filepath.Dir(path))
						want = append(want, foreignText)
					}
					if _, text, found := strings.Cut(old, "1986\n"); found {
						want = append(want, strings.TrimRight(text, "\n")+"\n")
					}
					settleAll(t, d, intents, ours)
					checkOnce(t, path, format, want...)
					if t.Failed() {
						t.Fatalf("%s, old %q, %d of another program, %d written", name, old, foreign, written)
					}
				}
			}
		}
	}
}

// TestRecoverSharedFile: two accounts crash one after the other, and the first
// recovery moves what the second has left.
func TestRecoverSharedFile(t *testing.T) {
	t.Parallel()
	a, b := []string{mail(1, 40), mail(2, 40)}, []string{mail(3, 40), mail(4, 40), mail(5, 40)}
	for _, order := range []string{"ab", "ba"} {
		for _, written := range []int64{0, 300, 900, 1500, 1 << 20} {
			path := filepath.Join(t.TempDir(), "mbox")
			d := newDeliverer(t, Options{Path: path})
			left := map[rune][]deliver.Intent{'a': crash(t, d, 300, a...), 'b': crash(t, d, written, b...)}
			sent := map[rune][]string{'a': a, 'b': b}
			for _, who := range order {
				settleAll(t, d, left[who], sent[who])
			}
			checkOnce(t, path, MBOXRD, append(a, b...)...)
			if t.Failed() {
				t.Fatalf("order %s, %d written", order, written)
			}
		}
	}
}

// TestRecoverRewritten: everything is visible, but a reader has moved it.
func TestRecoverRewritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mbox")
	const sep = "From alice@example.org Wed Mar  4 05:06:07 2026\n"
	const old = "From a Thu Nov 24 18:22:48 1986\nA: b\n\nold\n\n"
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDeliverer(t, Options{Path: path})
	intents := send(t, d, mail(1, 2), mail(2, 2), mail(2, 2), mail(3, 2))
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Expunged: the old one and one of the equal ones. Read: all.
	var messages []string
	for _, m := range strings.Split(strings.TrimPrefix(string(content), old), sep)[1:] {
		messages = append(messages, sep+strings.Replace(m, "\n\n", "\nStatus: RO\nX-UID: 7\nContent-Length: 1\n\n", 1))
	}
	rewritten := messages[3] + messages[1] + messages[0]
	if err := os.WriteFile(path, []byte(rewritten), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []deliver.Fate{deliver.Visible, deliver.Visible, deliver.Absent, deliver.Visible}
	for i, intent := range intents {
		if fate, err := Recover(t.Context(), intent); err != nil || fate != want[i] {
			t.Errorf("message %d: got %d, %v, want %d", i, fate, err, want[i])
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != rewritten {
		t.Errorf("recovery changed a file that was rewritten: %q, %v", got, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if fate, err := Recover(t.Context(), intents[0]); err != nil || fate != deliver.Absent {
		t.Errorf("no file: got %d, %v", fate, err)
	}
}

// TestForeignBytesAreNotRemoved: intents whose file holds something else now.
func TestForeignBytesAreNotRemoved(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"", "x", strings.Repeat("From b Thu Nov 24 18:22:48 1986\nA: b\n\nx\n\n", 100),
		"From alice@example.org Wed Mar  4 05:06:07 2026\n" + strings.Repeat("x\n", 1000),
	} {
		path := filepath.Join(t.TempDir(), "mbox")
		intents := crash(t, newDeliverer(t, Options{Path: path}), 300, mail(1, 10), mail(2, 30))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for i, intent := range intents {
			if fate, err := Recover(t.Context(), intent); err != nil || fate != deliver.Absent {
				t.Errorf("message %d: got %d, %v", i, fate, err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%.100q became %.100q, %v", content, got, err)
		}
	}
}

func TestDamagedIntents(t *testing.T) {
	t.Parallel()
	d := newDeliverer(t, Options{Path: filepath.Join(t.TempDir(), "mbox")})
	good := crash(t, d, 100, mail(1, 10))[0]
	for _, bad := range []deliver.Intent{
		{}, {Kind: "maildir", Data: good.Data}, {Kind: Kind, Data: good.Data[1:]}, {Kind: Kind, Data: []byte("{}")},
		{Kind: Kind, Data: bytes.Replace(good.Data, []byte(`"end":`), []byte(`"end":-`), 1)},
	} {
		if fate, err := Recover(t.Context(), bad); err == nil || fate != deliver.Unknown {
			t.Errorf("%s: got %d, %v", bad.Data, fate, err)
		}
	}
}
