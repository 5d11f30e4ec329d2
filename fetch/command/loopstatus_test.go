package command

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestStatusWatch reads two frames while nothing happens, and ends it.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := pop3test.Options{Security: pop3test.Plain}
	l.account(append(l.to(serve(t, dropOf(letters(2)), o), o), "every: 1h", secret)...)
	l.want(l.run("fetch"), 0)
	cmd := l.command(context.Background(), "--json", "status", "--watch")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	lines := bufio.NewScanner(out)
	for range 2 {
		if !lines.Scan() {
			t.Fatal("it ended")
		}
		var s jsonline.Status
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil || s.Account != "lab" || s.Known != 2 || s.Totals.Fetched != 2 {
			t.Errorf("%v %s", err, lines.Text())
		}
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
}
