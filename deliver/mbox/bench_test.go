package mbox

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkDeliver stages and publishes batches of 8 KB messages.
func BenchmarkDeliver(b *testing.B) {
	message := []byte("Subject: benchmark\nFrom: a@example.org\n\n" + strings.Repeat(strings.Repeat("x", 75)+"\n", 106))
	for _, size := range []int{1, 100, 500} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			d := New(Options{Path: filepath.Join(b.TempDir(), "mbox")})
			defer d.Close()
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			r := bytes.NewReader(nil)
			for done := 0; done < b.N; done += size {
				batch := stage(b, d)
				for range min(size, b.N-done) {
					r.Reset(message)
					if err := batch.Add(b.Context(), envelope(), r); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := batch.Prepare(b.Context()); err != nil {
					b.Fatal(err)
				}
				for _, res := range batch.Publish(b.Context()) {
					if res.Err != nil {
						b.Fatal(res.Err)
					}
				}
			}
		})
	}
}

// BenchmarkStage is Add alone.
func BenchmarkStage(b *testing.B) {
	message := []byte("Subject: benchmark\nFrom: a@example.org\n\n" + strings.Repeat(strings.Repeat("x", 75)+"\n", 106))
	s, err := newSpool(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	r := bytes.NewReader(nil)
	for i := range b.N {
		r.Reset(message)
		if _, _, err := s.add(b.Context(), MBOXRD, envelope(), r); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 { // keep the file small
			s.size = 0
			_ = s.rollback()
		}
	}
}
