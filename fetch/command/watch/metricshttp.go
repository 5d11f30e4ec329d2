package watch

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/config"
	"golang.org/x/net/netutil"
)

// maxScrapers bounds the connections to the listener: fetching needs files, too.
const maxScrapers = 32

// ServeMetrics answers GET /metrics to those who may ask until ctx is done. The returned
// function waits for its end.
func ServeMetrics(ctx context.Context, log *slog.Logger, m *config.Metrics, w *StatusFiles, reloads *Reloads, version string) (wait func(), err error) {
	may, err := admit(ctx, m)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", m.Listen)
	if err != nil {
		return nil, err
	}
	l = netutil.LimitListener(l, maxScrapers)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(rw http.ResponseWriter, req *http.Request) {
		if !may(rw, req) {
			return
		}
		rw.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_ = writeMetrics(rw, figures{w.All(), reloads, version})
	})
	s := &http.Server{
		Handler:        mux,
		ReadTimeout:    5 * time.Second,
		WriteTimeout:   10 * time.Second,
		IdleTimeout:    time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics listener", "err", err)
		}
	}()
	log.Info("metrics", "url", "http://"+l.Addr().String()+"/metrics")
	return func() {
		<-ctx.Done()
		_ = s.Close()
		<-done
	}, nil
}

// admit returns what lets a request pass, or answers it: by its token, by its password
// or, without either, by the name that it gives this machine.
func admit(ctx context.Context, m *config.Metrics) (func(http.ResponseWriter, *http.Request) bool, error) {
	if !m.Protected() {
		return func(rw http.ResponseWriter, req *http.Request) bool {
			own := ownHost(req.Host)
			if !own { // a web page whose own name resolves to this machine
				http.Error(rw, "this name is not of this machine: ask by the loopback address", http.StatusForbidden)
			}
			return own
		}, nil
	}
	scheme, secret := "Bearer", m.Token
	if secret.IsZero() {
		scheme, secret = "Basic", m.Password
	}
	word, err := secret.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	if scheme == "Basic" {
		word = base64.StdEncoding.EncodeToString([]byte(m.User + ":" + word))
	}
	want := sha256.Sum256([]byte(word))
	return func(rw http.ResponseWriter, req *http.Request) bool {
		given, credentials, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(credentials)))
		if strings.EqualFold(given, scheme) && subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			return true
		}
		rw.Header().Set("WWW-Authenticate", scheme+` realm="mailhaul"`)
		http.Error(rw, "wrong or missing credentials", http.StatusUnauthorized)
		return false
	}, nil
}

// ownHost reports whether a request names this machine by its loopback name or
// address (with DNS rebinding it is another name).
func ownHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return config.Loopback(strings.ToLower(strings.Trim(host, "[]")))
}
