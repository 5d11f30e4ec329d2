package http

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/delivertest"
	"github.com/mailhaul/mailhaul/deliver/http/servicetest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// sharedServer tells a killed child of the suite where its server is.
const sharedServer = "MAILHAUL_HTTP_SERVER"

// services are those of the suite, each below a path of its own: PRESET/NAME.
type services struct {
	mu   sync.Mutex
	list map[string]*servicetest.Server
}

// ServeHTTP implements http.Handler.
func (a *services) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	name, path, _ := strings.Cut(r.URL.Path[1:], ".")
	a.mu.Lock()
	if a.list[name] == nil {
		preset, _, _ := strings.Cut(name, "/")
		a.list[name] = &servicetest.Server{Preset: preset, Dedupe: true}
	}
	s := a.list[name]
	a.mu.Unlock()
	if path == "all" { // everything in it, for a child
		for _, m := range s.Messages() {
			fmt.Fprintf(w, "%d\n%s", len(m), m)
		}
		return
	}
	nethttp.StripPrefix("/"+name+".", s).ServeHTTP(w, r)
}

func readAll(t testing.TB, url string) (out [][]byte) {
	resp, err := nethttp.Get(url)
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

// options are for the service of a preset at an address.
func options(preset, address string) Options {
	return Options{Preset: preset, URL: Endpoint(preset, address), Secret: given(servicetest.Secret),
		Web: web.Options{Name: "http test", Dial: new(net.Dialer).DialContext}}
}

func TestConformance(t *testing.T) {
	url := os.Getenv(sharedServer)
	if url == "" {
		h := httptest.NewServer(&services{list: make(map[string]*servicetest.Server)})
		t.Cleanup(h.Close)
		url = h.URL
		t.Setenv(sharedServer, url)
	}
	for _, preset := range []string{"raw", "discourse"} {
		t.Run(preset, func(t *testing.T) {
			skip := map[string]string{"bodies/empty": "a message of nothing"}
			delivertest.Run(t, delivertest.Harness{
				Open: func(t testing.TB, dir string) delivertest.Target {
					sum := sha256.Sum256([]byte(dir))
					base := url + "/" + preset + "/" + hex.EncodeToString(sum[:]) + "."
					return delivertest.Target{Deliverer: New(options(preset, base)),
						Read: func(t testing.TB) [][]byte { return readAll(t, base+"all") }}
				},
				Recover: deliver.GiveUp, InDir: true, Uncertain: true, Skip: skip,
			})
		})
	}
}
