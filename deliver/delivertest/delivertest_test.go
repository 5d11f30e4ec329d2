package delivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// memory is a relay in miniature: one message a batch, a final newline added,
// nothing known after a crash.
type memory struct {
	mu      sync.Mutex
	visible [][]byte
	staged  int
}

type memoryBatch struct {
	m    *memory
	body [][]byte
}

func (m *memory) Begin(context.Context) (deliver.Batch, error) { return &memoryBatch{m: m}, nil }
func (m *memory) MaxBatch() int                                { return 1 }

// Close forgets what is staged, as the end of the process would.
func (m *memory) Close() error {
	m.staged = 0
	return nil
}

func (b *memoryBatch) stage(n int) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.m.staged += n
}

func (b *memoryBatch) Add(ctx context.Context, _ deliver.Envelope, body io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	b.body = append(b.body, data)
	b.stage(1)
	return nil
}

func (b *memoryBatch) Prepare(context.Context) ([]deliver.Intent, error) {
	intents := make([]deliver.Intent, len(b.body))
	for i := range intents {
		intents[i] = deliver.Intent{Kind: "memory"}
	}
	return intents, nil
}

func (b *memoryBatch) Publish(ctx context.Context) []deliver.Result {
	results := make([]deliver.Result, len(b.body))
	for i, body := range b.body {
		if err := ctx.Err(); err != nil {
			results[i].Err = &deliver.Error{Class: deliver.Later, Err: err}
			continue
		}
		b.m.mu.Lock()
		results[i].Receipt = strconv.Itoa(len(b.m.visible))
		b.m.visible = append(b.m.visible, endLine(body))
		b.m.mu.Unlock()
	}
	b.stage(-len(b.body))
	b.body = nil
	return results
}

func (b *memoryBatch) Abort() error {
	b.stage(-len(b.body))
	b.body = nil
	return nil
}

func endLine(body []byte) []byte {
	if bytes.HasSuffix(body, []byte("\n")) {
		return body
	}
	return append(bytes.Clone(body), '\n')
}

// TestRun runs the suite on the kind of target that is least like a file.
func TestRun(t *testing.T) {
	var staged int
	Run(t, Harness{
		Open: func(testing.TB, string) Target {
			m := &memory{}
			return Target{
				Deliverer: m,
				Read:      func(testing.TB) [][]byte { return m.visible },
				Staged:    func(testing.TB) int { staged++; return m.staged },
				ByReceipt: func(t testing.TB, receipt string) []byte {
					i, err := strconv.Atoi(receipt)
					if err != nil {
						t.Fatal(err)
					}
					return m.visible[i]
				},
			}
		},
		Recover:   func(context.Context, deliver.Intent) (deliver.Fate, error) { return deliver.Unknown, nil },
		Canon:     endLine,
		Uncertain: true,
		Ordered:   true,
		// It holds messages in memory, which io.ReadAll grows in steps.
		StagingMemory: 200 << 20,
		Skip:          map[string]string{"fault": "has no fault points"},
	})
	if staged == 0 {
		t.Error("what is staged was never asked for")
	}
}

func TestCompare(t *testing.T) {
	one, two := []byte("1\n"), []byte("2\n")
	for _, c := range []struct {
		name      string
		got, sent [][]byte
		ordered   bool
		fine      bool
	}{
		{"same", [][]byte{one, two}, [][]byte{one, two}, true, true},
		{"another order", [][]byte{two, one}, [][]byte{one, two}, false, true},
		{"wrong order", [][]byte{two, one}, [][]byte{one, two}, true, false},
		{"lost", [][]byte{one}, [][]byte{one, two}, false, false},
		{"twice", [][]byte{one, one, two}, [][]byte{one, two}, false, false},
		{"half", [][]byte{one, []byte("2")}, [][]byte{one, two}, false, false},
		{"instead", [][]byte{one, one}, [][]byte{one, two}, false, false},
	} {
		h := Harness{Ordered: c.ordered, Canon: func(b []byte) []byte { return b }}
		if err := h.compare(c.got, c.sent); (err == nil) != c.fine {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestRepeated(t *testing.T) {
	got, err := io.ReadAll(&repeated{line: "abc\n", left: 3000})
	if err != nil || string(got) != strings.Repeat("abc\n", 3000) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestOutline(t *testing.T) {
	got := outline([][]byte{[]byte("a\n"), bytes.Repeat([]byte("x"), 1000)})
	if !strings.Contains(got, `"a\n"`) || !strings.Contains(got, "1000 bytes") || len(got) > 200 {
		t.Errorf("got %s", got)
	}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	j, err := loadJournal(dir)
	if err != nil || len(j.Intents) != 0 {
		t.Fatal(j, err)
	}
	j.Intents[3] = deliver.Intent{Kind: "k", Data: []byte{0, 255}, Receipt: "r"}
	j.Settled[1] = true
	if err := errors.Join(j.save(dir), j.save(dir)); err != nil {
		t.Fatal(err)
	}
	again, err := loadJournal(dir)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(j) {
		t.Errorf("got %v, %v, want %v", again, err, j)
	}
}
