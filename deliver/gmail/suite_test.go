package gmail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
	"github.com/mailhaul/mailhaul/deliver/gmail/gmailtest"
)

// sharedServer tells a killed child of the suite where its server is.
const sharedServer = "MAILHAUL_GMAIL_SERVER"

// accounts are mailboxes, each below a path of its own: what a child of the suite sees
// of them is behind the same URL.
type accounts struct {
	mu   sync.Mutex
	list map[string]*gmailtest.Server
}

func (a *accounts) of(name string) *gmailtest.Server {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.list[name] == nil {
		a.list[name] = gmailtest.New()
		a.list[name].Lax = true
	}
	return a.list[name]
}

// ServeHTTP implements http.Handler.
func (a *accounts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if path == "" { // everything in it, for a child
		for _, m := range a.of(name).Messages() {
			fmt.Fprintf(w, "%d\n%s", len(m.Raw), m.Raw)
		}
		return
	}
	http.StripPrefix("/"+name, a.of(name)).ServeHTTP(w, r)
}

// readAll is what a mailbox holds.
func readAll(t testing.TB, url string) (out [][]byte) {
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for {
		var n int
		if _, err := fmt.Fscanf(resp.Body, "%d\n", &n); err != nil {
			return out
		}
		raw := make([]byte, n)
		if _, err := io.ReadFull(resp.Body, raw); err != nil {
			t.Fatal(err)
		}
		out = append(out, bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")))
	}
}

// addressed is a Target whose intents say which mailbox they are of.
type addressed struct {
	*Target
	base string
}

type addressedBatch struct {
	deliver.Batch
	base string
}

func (a addressed) Begin(ctx context.Context) (deliver.Batch, error) {
	b, err := a.Target.Begin(ctx)
	return addressedBatch{b, a.base}, err
}

func (b addressedBatch) Prepare(ctx context.Context) ([]deliver.Intent, error) {
	intents, err := b.Batch.Prepare(ctx)
	for i := range intents {
		intents[i].Data = append([]byte(b.base+"\n"), intents[i].Data...)
	}
	return intents, err
}

func TestConformance(t *testing.T) {
	url := os.Getenv(sharedServer)
	if url == "" {
		h := httptest.NewServer(&accounts{list: make(map[string]*gmailtest.Server)})
		t.Cleanup(h.Close)
		url = h.URL
		t.Setenv(sharedServer, url)
	}
	delivertest.Run(t, delivertest.Harness{
		Open: func(t testing.TB, dir string) delivertest.Target {
			base := fmt.Sprintf("%s/%x", url, sha256.Sum256([]byte(dir)))
			o := options(base)
			return delivertest.Target{Deliverer: addressed{New(o), base}, Read: func(t testing.TB) [][]byte { return readAll(t, base) },
				ByReceipt: func(t testing.TB, receipt string) []byte {
					r, err := Open(t.Context(), o)
					if err != nil {
						t.Fatal(err)
					}
					defer r.Close()
					var b bytes.Buffer
					if _, err := r.Copy(t.Context(), &b, receipt, [32]byte{}); err != nil {
						t.Fatal(err)
					}
					return b.Bytes()
				}}
		},
		Recover: func(ctx context.Context, i deliver.Intent) (deliver.Fate, error) {
			base, data, _ := bytes.Cut(i.Data, []byte("\n"))
			i.Data = data
			return New(options(string(base))).Recover(ctx, i)
		},
		InDir:     true,
		Mutations: []string{"gmail-no-sum"},
		Skip:      map[string]string{"bodies/empty": "Gmail takes none"},
	})
}
