package fetch_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/fetch/fetchtest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// distant is a target whose first batch is published for as long as messages are
// staged for the next one.
type distant struct {
	deliver.Deliverer
	t     *testing.T
	left  int // messages that are not staged
	all   chan struct{}
	sizes []int // of the batches that were published
}

func (*distant) MaxUpload() int { return 1000 }

func (d *distant) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := d.Deliverer.Begin(ctx)
	return &distantBatch{b, d}, err
}

type distantBatch struct {
	deliver.Batch
	d *distant
}

func (b *distantBatch) Add(ctx context.Context, e deliver.Envelope, body io.Reader) error {
	err := b.Batch.Add(ctx, e, body)
	if b.d.left--; b.d.left == 0 {
		close(b.d.all)
	}
	return err
}

func (b *distantBatch) Publish(ctx context.Context) []deliver.Result {
	select {
	case <-b.d.all:
	case <-time.After(time.Minute):
		b.d.t.Error("the messages are not staged while a batch is published")
	}
	out := b.Batch.Publish(ctx)
	b.d.sizes = append(b.d.sizes, len(out))
	return out
}

// TestUploadsCollect: while a server takes its time for a small batch, all others
// are staged, and go with one transaction.
func TestUploadsCollect(t *testing.T) {
	t.Parallel()
	g := fetchtest.New(t, &pop3test.Maildrop{}, pop3test.Options{})
	const n = 700
	g.Add(n)
	d := &distant{Deliverer: g.Account.Targets[0].Deliverer, t: t, left: n, all: make(chan struct{})}
	g.Account.Targets[0].Deliverer = d
	if s := g.Run(); s.Err != nil || s.Fetched != n || g.Delivered() != n {
		t.Fatalf("%v: %d fetched, %d there", s.Err, s.Fetched, g.Delivered())
	}
	if len(d.sizes) != 2 {
		t.Errorf("batches of %v, want a small one and the rest", d.sizes)
	}
}
