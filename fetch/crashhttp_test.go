//go:build faults && unix

package fetch_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/http"
	"github.com/mailhaul/mailhaul/deliver/http/servicetest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// httpTargetOf is the service of "PRESET URL".
func httpTargetOf(arg string) deliver.Deliverer {
	preset, url, _ := strings.Cut(arg, " ")
	return http.New(http.Options{Preset: preset, URL: http.Endpoint(preset, url),
		Secret: func(context.Context) (string, error) { return servicetest.Secret, nil },
		Web:    web.Options{Name: "http", Dial: new(net.Dialer).DialContext}})
}

// httpServices differ in what they know a message again by.
var httpServices = map[string]struct {
	preset string
	dedupe bool
}{
	"Idempotency-Key":      {"raw", true},
	"bytes of the message": {"paperless", true},
	"nothing":              {"rt", false},
}

// httpCrash makes a crash with a service of its own.
func httpCrash(t *testing.T, name, mutate string) *crash {
	row := httpServices[name]
	s := &servicetest.Server{Preset: row.preset, Dedupe: row.dedupe}
	c := newCrashOf(t, 3, "none", mutate)
	c.target = &crashKind{kind: "http", arg: row.preset + " " + s.Start(t), exact: row.dedupe, copies: func(*crash) (list []string) {
		for _, m := range s.Messages() {
			list = append(list, string(bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n"))))
		}
		return list
	}}
	return c
}

// TestCrashOfHTTP kills the fetch into a service at each step, and the recovery at some of
// its steps: nothing is lost, and a service that knows a message again has each once; any
// other may have one twice for each kill.
func TestCrashOfHTTP(t *testing.T) {
	for name := range httpServices {
		t.Run(name, func(t *testing.T) {
			crashInRecovery(t, func(t *testing.T) *crash { return httpCrash(t, name, "") })
		})
	}
}

// TestHTTPMutationsAreCaught proves that it can fail.
func TestHTTPMutationsAreCaught(t *testing.T) {
	wantCaught(t, func() *crash { return httpCrash(t, "Idempotency-Key", "http-new-key") })
}
