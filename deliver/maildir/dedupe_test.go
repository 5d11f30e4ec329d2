package maildir

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// deliverAll puts the messages through one batch and returns its intents.
func deliverAll(t *testing.T, d deliver.Deliverer, messages ...string) []deliver.Intent {
	t.Helper()
	ctx := context.Background()
	b, err := d.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := b.Add(ctx, deliver.Envelope{MessageID: messageID([]byte(m))}, strings.NewReader(m)); err != nil {
			t.Fatal(err)
		}
	}
	intents, err := b.Prepare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Publish(ctx) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return intents
}

func skipped(intents []deliver.Intent) string {
	var b strings.Builder
	for _, i := range intents {
		b.WriteByte("-s"[map[bool]int{true: 1}[i.Skipped]])
	}
	return b.String()
}

func TestDedupe(t *testing.T) {
	t.Parallel()
	const (
		one   = "Message-ID: <1@x>\n\nbody\n"
		again = "Message-ID:\n <1@x>\n\nother body\n"
		two   = "Message-ID: <2@x>\n\nbody\n"
		noID  = "Subject: none\n\nbody\n"
	)
	for name, c := range map[string]struct {
		by   SameBy
		want string
	}{
		"message-id": {SameMessageID, "ss--s-"},
		"content":    {SameContent, "s---ss"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, cache := filepath.Join(dir, "M"), filepath.Join(dir, "c", "cache")
			deliverAll(t, New(Options{Path: path}), one) // by another program, as far as we know
			names, _ := filepath.Glob(filepath.Join(path, "new", "*"))
			if err := os.Rename(names[0], filepath.Join(path, "cur", "foreign.name:2,S")); err != nil {
				t.Fatal(err)
			}
			open := func() *Dedupe {
				return NewDedupe(New(Options{Path: path}), NewExisting(path, cache), c.by, false)
			}
			got := skipped(deliverAll(t, open(), one, again, two, noID, two, noID))
			if got != c.want {
				t.Errorf("skipped %s, want %s", got, c.want)
			}
			if again := skipped(deliverAll(t, open(), one, two)); again != "ss" {
				t.Errorf("a second run, from the cache: %s", again)
			}
			if st, err := os.Stat(cache); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("cache: %v %v", st, err)
			}
		})
	}
}

func TestDedupeTags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "M")
	deliverAll(t, New(Options{Path: path}), "Message-ID: <1@x>\n\nbody\n")
	d := NewDedupe(New(Options{Path: path}), NewExisting(path, filepath.Join(dir, "cache")), SameMessageID, true)
	tag, err := d.Tag(context.Background(), deliver.Envelope{MessageID: "<1@x>"})
	if err != nil || !strings.HasPrefix(tag, "X-Mailhaul-Duplicate-Of: ") || !strings.HasSuffix(tag, "\n") {
		t.Errorf("%q, %v", tag, err)
	}
	if tag, err := d.Tag(context.Background(), deliver.Envelope{MessageID: "<2@x>"}); tag != "" || err != nil {
		t.Errorf("%q, %v", tag, err)
	}
}
