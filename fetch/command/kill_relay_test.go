package command

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestKilledBehindASmallMessage: after its 250 the relay has a message, and
// that is on record at once, also while a large one behind it comes over a slow
// line: of three kills there, none delivers it again.
func TestKilledBehindASmallMessage(t *testing.T) {
	t.Parallel()
	off := func(_ int, size int64) int64 { return size + 60 }
	for name, o := range map[string]pop3test.Options{
		"pipelined":                        {},
		"one command at a time":            {NoPipelining: true},
		"pipelined, sizes off":             {Size: off},
		"one command at a time, sizes off": {Size: off, NoPipelining: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killedBehindASmallMessage(t, o)
		})
	}
}

func killedBehindASmallMessage(t *testing.T, o pop3test.Options) {
	o.Security = pop3test.Plain
	messages := letters(2)
	messages[1] = append(messages[1], bytes.Repeat([]byte("0123456789abcdef0123456789abcd\r\n"), 2<<20/32)...)
	drop := dropOf(messages)
	proxy := pop3test.NewDelayProxy(serve(t, drop, o).Addr(), 0)
	t.Cleanup(proxy.Close)
	proxy.SetRate(150 << 10)
	r := startRefuser(t, "")
	l := newLab(t)
	l.write("config.yaml", fmt.Appendf(nil,
		"accounts: {lab: {server: %q, tls: none, user: alice, password: %s, keep: none, deliver: [{smtp: {server: %q, to: "+
			"[a@b.example], tls: none}}]}}\n",
		proxy.Addr(), password, r.addr))
	for range 3 {
		proxy.CutAfter(0)
		if !l.killed(func() bool { return proxy.Down() > 300<<10 }, "fetch") {
			t.Fatal("it ended before it was killed")
		}
	}
	proxy.SetRate(0)
	l.want(l.run("fetch"), 0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if want := map[string]int{"number 1": 1, "number 2": 1}; !maps.Equal(r.copies, want) || drop.Len() != 0 {
		t.Errorf("the relay has %v, want %v; %d on the server", r.copies, want, drop.Len())
	}
}
