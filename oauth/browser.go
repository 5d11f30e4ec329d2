package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// browser waits on a loopback port for the browser to come back (RFC 8252
// section 7.3).
func (l *login) browser(ctx context.Context) (*grant, error) {
	listeners, port, err := listenLoopback(l.conf.RedirectPort)
	if err != nil {
		return nil, l.failed(KindFailed, fmt.Errorf("%w: %w", ErrPort, err))
	}
	redirect, path := withPort(l.conf.Redirect, port)
	r, err := l.authorise(ctx, redirect)
	if err != nil {
		closeAll(listeners)
		return nil, err
	}
	cb := newCallback(path, r.state)
	stop := serve(listeners, cb)
	// It goes on answering until the end: a second request gets a page.
	defer stop()

	l.ui.ShowURL(r.url, l.options.Open(ctx, r.url) == nil)
	wait, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	q, err := cb.wait(wait)
	if err != nil {
		return nil, l.waited(ctx, cb.strayed())
	}
	code, err := l.codeOf(q)
	if err != nil {
		return nil, err
	}
	return l.redeem(ctx, r, code)
}

// waited is why a wait for the person ended.
func (l *login) waited(ctx context.Context, strays int) error {
	if ctx.Err() != nil {
		return fmt.Errorf("login: %w", context.Cause(ctx))
	}
	e := l.failed(KindExpired, errLate)
	e.Strays = strays
	return e
}

// paste needs no port: the browser is on another machine, ends at an
// address that nobody answers, and the person brings it here.
func (l *login) paste(ctx context.Context) (*grant, error) {
	port := cmp.Or(l.conf.RedirectPort, 49152+rand.IntN(16384)) // the dynamic ports (RFC 6335 section 6)
	redirect, _ := withPort(l.conf.Redirect, port)
	r, err := l.authorise(ctx, redirect)
	if err != nil {
		return nil, err
	}
	l.ui.ShowURL(r.url, false)
	wait, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	text, err := l.ui.ReadPasted(wait)
	if err != nil {
		if wait.Err() != nil {
			return nil, l.waited(ctx, 0)
		}
		return nil, l.failed(KindFailed, err)
	}
	q, err := parsePasted(text, r.state)
	if err != nil {
		return nil, l.failed(KindFailed, err)
	}
	code, err := l.codeOf(q)
	if err != nil {
		return nil, err
	}
	return l.redeem(ctx, r, code)
}

// withPort adds the port to a redirect URL and returns its path too.
func withPort(redirect string, port int) (full, path string) {
	u, err := url.Parse(redirect)
	if err != nil {
		return redirect, "" // New has checked it
	}
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
	return u.String(), u.Path
}

// listenLoopback listens on the same port of 127.0.0.1 and, if there is IPv6,
// of ::1: a browser may take either for localhost, and nobody else may have
// the other. Port 0 is any that is free on both.
func listenLoopback(port int) ([]net.Listener, int, error) {
	for range 10 {
		four, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return nil, 0, err
		}
		got := four.Addr().(*net.TCPAddr).Port
		six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(got)))
		if err == nil {
			return []net.Listener{four, six}, got, nil
		}
		if !inUse(err) {
			return []net.Listener{four}, got, nil // no IPv6 here
		}
		four.Close()
		if port != 0 {
			return nil, 0, err
		}
	}
	return nil, 0, errors.New("no loopback port is free on both 127.0.0.1 and ::1")
}

func inUse(err error) bool {
	const windowsInUse, windowsAccess = syscall.Errno(10048), syscall.Errno(10013)
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windowsInUse) || errors.Is(err, windowsAccess)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// serve answers on the listeners until stop is called, which lets answers
// under way finish for a moment.
func serve(listeners []net.Listener, h http.Handler) (stop func()) {
	srv := &http.Server{
		Handler:           h,
		ReadTimeout:       10 * time.Second,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      10 * time.Second,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          nil,
	}
	var wg sync.WaitGroup
	for _, l := range listeners {
		wg.Go(func() { _ = srv.Serve(l) }) // ends with ErrServerClosed
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
		closeAll(listeners)
		wg.Wait()
	}
}

// ErrNoBrowser means that there seems to be no screen to open a browser on.
var ErrNoBrowser = errors.New("no browser to open here")

// HasBrowser reports whether OpenBrowser has a screen to try.
func HasBrowser() bool { return browserCommand(runtime.GOOS, os.Getenv) != nil }

// OpenBrowser starts the desktop's browser with url. Success means that it was
// started, not that a person saw it.
func OpenBrowser(_ context.Context, url string) error {
	argv := browserCommand(runtime.GOOS, os.Getenv)
	if argv == nil {
		return ErrNoBrowser
	}
	cmd := exec.Command(argv[0], append(argv[1:], url)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	// It may run for as long as the browser does: not waited for.
	return cmd.Process.Release()
}

// browserCommand returns what opens a URL on the system, or nil.
func browserCommand(goos string, getenv func(string) string) []string {
	switch goos {
	case "darwin":
		return []string{"open"}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	if getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "" {
		return nil
	}
	return []string{"xdg-open"}
}
