package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

const accounts = 50

// Average time between failures, and the length of the last part in which mailhaul
// is not killed, so that its memory can be measured.
const (
	killEvery = 4 * time.Second
	stopEvery = 15 * time.Second
	calm      = 0.4
)

func user(i int) string { return fmt.Sprintf("user%02d", i) }

// soak is the whole program.
func (h *host) soak(binary string, length time.Duration) {
	users := make(map[string]string)
	for i := range accounts {
		users[user(i)] = "secret"
	}
	d := pop3test.StartDovecot(h, pop3test.DovecotOptions{Users: users, Mechanisms: []string{"plain", "login"}, LMTP: true,
		Config: "service pop3-login {\n  process_min_avail = 1\n  service_count = 0\n}\n"})
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { os.RemoveAll(dir) })
	if err := configure(dir, d); err != nil {
		h.Fatal(err)
	}
	p := &program{binary: binary, dir: dir}
	h.Cleanup(p.kill)
	if err := p.start(); err != nil {
		h.Fatal(err)
	}
	fmt.Printf("%d accounts, every 2 s, half of them deleted from the server; %s\n", accounts, length)
	m := &mailer{d: d}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { m.run(ctx) })
	wg.Go(func() { p.watch(ctx) })
	stops := h.trouble(ctx, d, p, began.Add(time.Duration(float64(length)*(1-calm))))
	wg.Wait()
	h.settle(m, p, dir, stops, time.Since(began))
}

// trouble kills and stops until ctx is done; after calmAt it only stops the
// server. It returns how often the server was stopped.
func (h *host) trouble(ctx context.Context, d *pop3test.Dovecot, p *program, calmAt time.Time) (stops int) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	after := func(mean time.Duration) <-chan time.Time {
		return time.After(mean/2 + time.Duration(rng.Int64N(int64(mean))))
	}
	kill, stop := after(killEvery), after(stopEvery)
	for {
		select {
		case <-kill:
			if time.Now().After(calmAt) {
				p.calm()
				break // no more kills
			}
			p.kill()
			if err := p.start(); err != nil {
				h.Fatal(err)
			}
			kill = after(killEvery)
		case <-stop:
			d.Stop()
			select {
			case <-after(2 * time.Second):
			case <-ctx.Done():
			}
			d.Start()
			stops++
			stop = after(stopEvery)
		case <-ctx.Done():
			return stops
		}
	}
}

// settle waits until all messages have arrived, ends the program and counts.
func (h *host) settle(m *mailer, p *program, dir string, stops int, took time.Duration) {
	deadline := time.Now().Add(time.Minute)
	missing, _ := m.compare(arrived(dir))
	for len(missing) > 0 && time.Now().Before(deadline) {
		<-time.After(200 * time.Millisecond)
		missing, _ = m.compare(arrived(dir))
	}
	if code, err := p.terminate(); err != nil || code != 143 {
		h.errorf("mailhaul ended with %d, %v", code, err)
	}
	got := arrived(dir)
	missing, twice := m.compare(got)
	fmt.Printf("in %s: %d messages sent, %d arrived; mailhaul killed %d times, the server stopped %d times\n",
		took.Round(time.Second), len(m.sent), len(got), p.kills, stops)
	fmt.Printf("memory: %s\n", p.memory())
	if len(missing) > 0 {
		h.errorf("%d messages are lost: %s", len(missing), strings.Join(missing[:min(len(missing), 5)], " "))
	}
	if len(twice) > 0 {
		h.errorf("%d messages came twice: %s", len(twice), strings.Join(twice[:min(len(twice), 5)], " "))
	}
	left, _ := filepath.Glob(filepath.Join(dir, "mail", "*", "tmp", "*"))
	fmt.Printf("kills left %d half-written files in tmp/, which mail readers sweep\n", len(left))
	if grown := p.grown(); grown > 16<<20 {
		h.errorf("memory grew by %d MiB in the calm part", grown>>20)
	}
	if len(m.sent) == 0 {
		h.errorf("no mail was sent")
	}
	if !h.Failed() {
		fmt.Println("nothing lost, nothing twice, memory flat")
	}
}

// configure writes the configuration.
func configure(dir string, d *pop3test.Dovecot) error {
	var b strings.Builder
	fmt.Fprintf(&b, "state: %s\nparallel: 8\ndefaults:\n  server: %s\n  tls: none\n  password: secret\n  every: 2s\n  timeout: 10s\naccounts:\n",
		filepath.Join(dir, "state"), d.Addr())
	for i := range accounts {
		fmt.Fprintf(&b, "  %s:\n    user: %s\n    keep: %s\n    deliver:\n      - maildir: %s\n", user(i), user(i),
			[]string{"all", "none"}[i%2], filepath.Join(dir, "mail", user(i)))
	}
	return os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(b.String()), 0o600)
}
