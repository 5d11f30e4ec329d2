package maildir

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
)

// BenchmarkDeliver takes 8 KiB messages through both phases, the next batch
// staged while the last is published, as the engine does; one operation is one
// message.
func BenchmarkDeliver(b *testing.B) {
	for _, size := range []int{1, 20, 50, 100, 200, 500} {
		b.Run(fmt.Sprintf("batch-%d", size), func(b *testing.B) { benchmarkDeliver(b, size) })
	}
}

func benchmarkDeliver(b *testing.B, size int) {
	d := New(Options{Path: b.TempDir()})
	body := bytes.Repeat([]byte("x"), 8<<10)
	ctx := context.Background()
	work := make(chan deliver.Batch)
	finished := make(chan error, 1)
	go func() {
		var failed error
		for batch := range work {
			if _, err := batch.Prepare(ctx); err != nil {
				failed = err
			}
			for _, r := range batch.Publish(ctx) {
				if r.Err != nil {
					failed = r.Err
				}
			}
		}
		finished <- failed
	}()
	b.ReportAllocs()
	for done := 0; done < b.N; done += size {
		batch, err := d.Begin(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for range min(size, b.N-done) {
			if err := batch.Add(ctx, deliver.Envelope{Date: time.Now()}, bytes.NewReader(body)); err != nil {
				b.Fatal(err)
			}
		}
		work <- batch
	}
	close(work)
	if err := <-finished; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkIndex reads a Maildir of 100,000 messages once and finds each.
func BenchmarkIndex(b *testing.B) {
	const messages = 100_000
	path := b.TempDir()
	receipts := makeMessages(b, path, messages)
	b.ReportAllocs()
	for b.Loop() {
		x, err := NewIndex(path)
		if err != nil || len(x.names) != messages {
			b.Fatal(err)
		}
		for _, r := range receipts {
			if _, ok := x.Find(r); !ok {
				b.Fatal(r)
			}
		}
	}
}
