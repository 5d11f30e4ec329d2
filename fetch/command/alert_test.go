package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/state"
)

// inbox is an HTTP server that keeps what was posted.
type inbox struct {
	*httptest.Server
	mu    sync.Mutex
	posts []string // "PATH BODY"
	fail  bool
}

func newInbox(t *testing.T) *inbox {
	b := &inbox{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.posts = append(b.posts, r.URL.Path+" "+string(body))
		if b.fail {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *inbox) take() (posts []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	posts, b.posts = b.posts, nil
	return posts
}

// TestAlerts has an account fail, be told of once, and recover.
func TestAlerts(t *testing.T) {
	t.Parallel()
	b := newInbox(t)
	l := newLab(t)
	o := pop3test.Options{Security: pop3test.Plain}
	drop := dropOf(letters(2))
	good := append(l.to(serve(t, drop, o), o), secret)
	alert := fmt.Sprintf("alert: {after: 24h, webhook: %s/hook-s3cret, ping: %s/ping-s3cret, command: [sh, -c, 'echo $MAILHAUL_EVENT "+
		"$MAILHAUL_ACCOUNT $MAILHAUL_EXIT >> %s; cat >> %s']}",
		b.URL, b.URL, l.path("told"), l.path("stdin"))
	bad := append(l.to(serve(t, drop, pop3test.Options{Security: pop3test.Plain, Password: "other"}), o), secret)

	l.account(append(good, alert)...)
	l.want(l.run("fetch"), 0)
	if got := b.take(); len(got) != 2 || got[0] != "/ping-s3cret/start " || !strings.HasPrefix(got[1], "/ping-s3cret 2 fetched") {
		t.Errorf("pings of a success: %q", got)
	}
	l.account(append(bad, alert)...)
	l.want(l.run("fetch"), 77)
	if got := b.take(); len(got) != 2 || !strings.HasPrefix(got[1], "/ping-s3cret/fail login") {
		t.Errorf("pings of a failure: %q", got)
	}
	l.want(l.run("status", "--check"), 0)

	// A day and a half pass.
	path := state.StatusPath(l.path("state"), "lab")
	st, err := state.ReadStatus(path)
	if err != nil {
		t.Fatal(err)
	}
	st.LastSuccess = time.Now().Add(-36 * time.Hour)
	if err := state.WriteStatus(path, st); err != nil {
		t.Fatal(err)
	}
	if out := l.run("status", "--check"); out.code != 75 || !strings.Contains(out.out, "lab: NO SUCCESS since ") {
		t.Errorf("status --check: %s", out)
	}
	l.want(l.run("fetch"), 77)
	l.want(l.run("fetch"), 77) // told only once
	wantTold(t, l, b.take(), jsonline.NoSuccess, "no_success lab 77\n")

	l.account(append(good, alert)...)
	l.want(l.run("fetch"), 0)
	l.want(l.run("fetch"), 0)
	wantTold(t, l, b.take(), jsonline.Recovered, "no_success lab 77\nrecovered lab 0\n")
	l.want(l.run("status", "--check"), 0)

	b.fail = true
	out := l.run("-v", "fetch")
	l.want(out, 0, "alert not sent", "HTTP 302")
	if strings.Contains(out.err, "s3cret") {
		t.Errorf("the log has a token: %s", out.err)
	}
}

func wantTold(t *testing.T, l *lab, posts []string, event, commands string) {
	t.Helper()
	n := 0
	for _, p := range posts {
		body, ok := strings.CutPrefix(p, "/hook-s3cret ")
		if !ok {
			continue
		}
		n++
		var got jsonline.Notice
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Event != event || got.Account != "lab" || got.Text == "" {
			t.Errorf("webhook: %v %s", err, body)
		}
	}
	if n != 1 {
		t.Errorf("%d webhooks for %s: %q", n, event, posts)
	}
	if b, err := os.ReadFile(l.path("told")); err != nil || string(b) != commands {
		t.Errorf("commands: %v %q, want %q", err, b, commands)
	}
}
