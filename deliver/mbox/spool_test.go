package mbox

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// TestSpoolSpills: what is in memory and what is in the file are one sequence,
// with the checksums of each message, also after messages that failed halfway.
func TestSpoolSpills(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	refused := errors.New("connection lost")
	d := newDeliverer(t, Options{Path: t.TempDir() + "/mbox"})
	b := stage(t, d).(*batch)
	var sent []string
	for i := range 60 {
		text := strings.Repeat("a line of a message\n", 1+random.IntN(2*spoolMemory/20/(1+i%7)))
		if i%3 == 2 {
			err := b.Add(t.Context(), envelope(), io.MultiReader(strings.NewReader(text), iotest.ErrReader(refused)))
			if !errors.Is(err, refused) {
				t.Fatalf("got %v", err)
			}
			continue
		}
		if err := b.Add(t.Context(), envelope(), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, text)
	}
	if b.spool.inFile == 0 || len(b.spool.buf) == 0 {
		t.Fatalf("%d octets in the file and %d in memory: not what is tested", b.spool.inFile, len(b.spool.buf))
	}
	all := make([]byte, b.spool.size)
	if _, err := b.spool.ReadAt(all, 0); err != nil {
		t.Fatal(err)
	}
	at := int64(0)
	for i, m := range b.messages {
		got := all[at : at+m.length]
		if !bytes.HasSuffix(got, []byte(sent[i]+"\n")) || crc32.Checksum(got, castagnoli()) != m.crc || crc32.Checksum(all[:at],
			castagnoli()) != m.chain {
			t.Errorf("message %d is not as it was added", i)
		}
		at += m.length
	}
	if at != b.spool.size {
		t.Errorf("%d octets, want %d", b.spool.size, at)
	}
	if _, err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Publish(t.Context()) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if file, err := os.ReadFile(d.opts.Path); err != nil || !bytes.Equal(file, all) {
		t.Errorf("the mbox is not what was staged: %v", err)
	}
}
