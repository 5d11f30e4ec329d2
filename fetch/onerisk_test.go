package fetch_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// onlyOne is a target that cannot be queried after a crash, as a relay: no batch of
// it holds two messages, whatever the server does.
type onlyOne struct {
	deliver.Deliverer
	t *testing.T
}

func (onlyOne) MaxBatch() int { return 1 }

func (o onlyOne) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := o.Deliverer.Begin(ctx)
	return &batchOfOne{Batch: b, t: o.t}, err
}

type batchOfOne struct {
	deliver.Batch
	t     *testing.T
	added int
}

func (b *batchOfOne) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	if b.added > 0 {
		b.t.Errorf("%s joins %d more at risk", e.UID, b.added)
	}
	err := b.Batch.Add(ctx, e, body)
	if err == nil {
		b.added++
	}
	return err
}

// TestOneAtRisk: with each liar, and with commands sent ahead or one at a time.
func TestOneAtRisk(t *testing.T) {
	t.Parallel()
	for _, ahead := range []pop3.Pipelining{pop3.PipelineAuto, pop3.PipelineOff} {
		for kind := range lieKinds {
			t.Run(fmt.Sprintf("pipelining %d/lie %d", ahead, kind), func(t *testing.T) {
				t.Parallel()
				for n := range liarLetters {
					synctest.Test(t, func(t *testing.T) {
						outliveWith(t, []lie{{kind, n}}, n%2 == 0, func(a *fetch.Account) {
							a.Server.Pipelining = ahead
							a.Targets[0].Deliverer = onlyOne{a.Targets[0].Deliverer, t}
						})
					})
				}
			})
		}
	}
}
