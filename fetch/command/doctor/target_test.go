package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mailhaul/mailhaul/deliver"
)

// silent is a target that never answers; its error is that of a relay.
type silent struct{ deliver.Deliverer }

func (silent) Close() error { return nil }

func (silent) Probe(ctx context.Context) error {
	<-ctx.Done()
	return &deliver.Error{Class: deliver.Later, Err: context.Canceled}
}

// TestSilentTarget: the end of our patience is no signal, of which nothing is said.
func TestSilentTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := tryTarget(t.Context(), silent{})
		if e, ok := errors.AsType[*deliver.Error](err); !ok || e.Class != deliver.Unavailable ||
			!strings.Contains(err.Error(), "no answer within 1m") {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := tryTarget(ctx, silent{}); !errors.Is(err, context.Canceled) {
			t.Errorf("after a signal: %v", err)
		}
	})
}
