package gmail

import (
	"context"
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/remote"
)

// Probe walks to the mailbox as a delivery does, tells each step, and changes nothing:
// labels that are missing are only reported. Steps are login, labels or limits.
func Probe(ctx context.Context, o Options, step func(deliver.Step)) error {
	a := New(o).api
	defer a.web.Close()
	tell := deliver.Steps(step)
	p, err := a.profile(ctx)
	if err != nil {
		return tell("login", "", a.failed("profile", err))
	}
	_ = tell("login", fmt.Sprintf("mailbox of %s with %d messages", remote.Clean(p.Address), p.Messages), nil)
	have, err := a.labels(ctx)
	if err != nil {
		return tell("labels", "", a.failed("labels", err))
	}
	_ = tell("labels", labelText(a.o.Labels, have), nil)
	return tell("limits", fmt.Sprintf("messages.%s takes messages of up to %d MiB, at most %d in a minute",
		a.o.method(), a.o.limit()>>20, a.o.Units/costStore), nil)
}

func labelText(want []string, have []label) string {
	var missing []string
	for _, name := range want {
		if !IsSystem(name) && lookUp(have, name) == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return strings.Join(want, ", ") + " exist"
	}
	return strings.Join(missing, ", ") + " will be created"
}

// Probe implements deliver.Prober.
func (t *Target) Probe(ctx context.Context) error { return Probe(ctx, t.o, func(deliver.Step) {}) }
