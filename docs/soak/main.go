// Command soak runs mailhaul's loop under random failures: 50 mailboxes of
// a private Dovecot get mail by LMTP all the time, mailhaul is killed and
// restarted at random, and the server is stopped and started. At the end each
// message must have arrived once, and memory must not have grown.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: soak PATH-OF-MAILHAUL MINUTES")
		os.Exit(64)
	}
	minutes, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil || minutes <= 0 || minutes > 24*60 {
		fmt.Fprintln(os.Stderr, "soak: how many minutes?")
		os.Exit(64)
	}
	h := &host{}
	done := make(chan struct{})
	go func() { // Fatalf ends this goroutine
		defer close(done)
		defer h.cleanUp()
		h.soak(os.Args[1], time.Duration(minutes*float64(time.Minute)))
	}()
	<-done
	if h.Failed() {
		os.Exit(1)
	}
}

// host is a pop3test.TB for a program that is not a test.
type host struct {
	mu     sync.Mutex
	undo   []func()
	failed bool
}

// Helper implements pop3test.TB.
func (h *host) Helper() {}

// Cleanup implements pop3test.TB.
func (h *host) Cleanup(fn func()) { h.undo = append(h.undo, fn) }

// Failed implements pop3test.TB.
func (h *host) Failed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// Logf implements pop3test.TB.
func (h *host) Logf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Println(text[max(0, len(text)-4096):]) // a server's log is long
}

// Fatal implements pop3test.TB.
func (h *host) Fatal(args ...any) { h.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf implements pop3test.TB.
func (h *host) Fatalf(format string, args ...any) {
	h.errorf(format, args...)
	runtime.Goexit()
}

// Skipf implements pop3test.TB.
func (h *host) Skipf(format string, args ...any) {
	fmt.Printf("soak: skipped: "+format+"\n", args...)
	runtime.Goexit()
}

func (h *host) errorf(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = true
	fmt.Fprintf(os.Stderr, "soak: "+format+"\n", args...)
}

func (h *host) cleanUp() {
	for i := len(h.undo) - 1; i >= 0; i-- {
		h.undo[i]()
	}
}

var _ pop3test.TB = (*host)(nil)
