package watch

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// ServeMetrics answers GET /metrics on a loopback address until ctx is done.
// The returned function waits for its end.
func ServeMetrics(ctx context.Context, log *slog.Logger, address string, w *StatusFiles, reloads *Reloads, version string) (wait func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(rw http.ResponseWriter, req *http.Request) {
		if !ownHost(req.Host) { // a web page whose own name resolves to this machine
			http.Error(rw, "this name is not of this machine: ask by the loopback address", http.StatusForbidden)
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

// ownHost reports whether a request names this machine by its loopback name or
// address (with DNS rebinding it is another name).
func ownHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return config.Loopback(strings.ToLower(strings.Trim(host, "[]")))
}
