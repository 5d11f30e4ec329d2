package fetch

import (
	"slices"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
)

// TestOrderOfParts: one order for all accounts, and files that are locked
// before what may take its time.
func TestOrderOfParts(t *testing.T) {
	t.Parallel()
	box := func(name string) Target {
		return Target{ID: "mbox:" + name, Deliverer: mbox.New(mbox.Options{Path: name})}
	}
	targets := []Target{{ID: "lmtp:a:1", Deliverer: smtp.New(smtp.Options{LMTP: true, Address: "a:1", To: []string{"x"}})}, box("/two"),
		{ID: "pipe:sh", Deliverer: pipe.New(pipe.Options{Command: []string{"true"}})}, box("/one")}
	var got []string
	parts := make([]*part, len(targets))
	for i := range targets {
		parts[i] = &part{target: &targets[i]}
	}
	slices.SortStableFunc(parts, inOrder)
	for _, p := range parts {
		got = append(got, p.target.ID)
	}
	want := []string{"mbox:/one", "mbox:/two", "lmtp:a:1", "pipe:sh"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
