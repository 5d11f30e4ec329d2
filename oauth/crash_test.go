package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The environment of a child process.
const (
	childDir  = "OAUTH_CHILD_DIR"
	childURL  = "OAUTH_CHILD_URL"
	childKill = "OAUTH_CHILD_KILL" // die at this step, counted from 1
)

// refreshSteps is the order of one refresh. The token is returned after the
// last: the rotated refresh token is durable by then.
var refreshSteps = []string{
	"create", "fsync", "rename", "syncdir", // that a refresh is under way
	"request", "answered",
	"create", "fsync", "rename", "syncdir", // the new tokens
}

// runAsChild prints the account's access token.
func runAsChild() int {
	c, err := New(Config{Provider: "custom", ClientID: clientID, AuthURL: os.Getenv(childURL) + "/authorize",
		TokenURL: os.Getenv(childURL) + "/token"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s := NewStore(os.Getenv(childDir))
	kill, _ := strconv.Atoi(os.Getenv(childKill))
	steps := 0
	s.step = func(string) {
		if steps++; steps == kill {
			die()
		}
	}
	token, err := NewSource(c, s, "work").Token(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Print(token)
	return 0
}

func die() {
	self, _ := os.FindProcess(os.Getpid())
	_ = self.Kill()
	select {} // it is on its way
}

func child(src *Source, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	base := strings.TrimSuffix(src.client.conf.TokenURL, "/token")
	cmd.Env = append(os.Environ(), append(env, childDir+"="+src.store.dir, childURL+"="+base)...)
	return cmd
}

// served is a source whose fake is on a real port.
func served(t *testing.T, mode rotation) (*fake, *Source) {
	f := newFake(t)
	f.rotation = mode
	conf := f.config()
	f.listen(&conf)
	return f, loggedIn(t, f, mustNew(t, conf), NewStore(t.TempDir()))
}

func TestOrderOfARefresh(t *testing.T) {
	src := newSource(t, newFake(t))
	var steps []string
	src.store.step = func(name string) { steps = append(steps, name) }
	if _, err := src.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(steps) != fmt.Sprint(refreshSteps) {
		t.Errorf("steps %v, want %v", steps, refreshSteps)
	}
}

// TestKilledAtEachStep: whatever the step, the next process finds a refresh
// token that works. The one gap is a provider that revokes on reuse at once,
// and death between its answer and our first write: see the package's comment.
func TestKilledAtEachStep(t *testing.T) {
	for _, mode := range []rotation{noRotation, keepsOld, untilUsed, strict} {
		for i, step := range refreshSteps {
			t.Run(fmt.Sprintf("%v/%d-%s", mode, i+1, step), func(t *testing.T) {
				t.Parallel()
				f, src := served(t, mode)
				out, err := child(src, fmt.Sprintf("%s=%d", childKill, i+1)).CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Success() || len(out) > 0 {
					t.Fatalf("not killed: %v\n%s", err, out)
				}
				token, err := src.Token(t.Context())
				if mode == strict && (i == 5 || i == 6) {
					if e := wantError(t, err, KindNeedsLogin); e.Interrupted.IsZero() {
						t.Errorf("the interrupted refresh is not mentioned: %+v", e)
					}
					return
				}
				if err != nil {
					t.Fatalf("the login is lost: %v", err)
				}
				if !strings.HasPrefix(token, "at-SECRET-") || token == "at-SECRET-0" {
					t.Errorf("token %q", token)
				}
				if len(f.refresh) == 0 {
					t.Error("the provider revoked the login")
				}
			})
		}
	}
}

func TestTwoProcessesAtOnce(t *testing.T) {
	f, src := served(t, strict)
	unlock, err := src.store.lock(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	outs := make([]bytes.Buffer, 4)
	for i := range outs {
		cmd := child(src)
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { _ = cmd.Wait() })
	}
	unlock() // all of them want it now
	wg.Wait()
	for i := range outs {
		if got := outs[i].String(); got != "at-SECRET-1" {
			t.Errorf("process %d: %q", i, got)
		}
	}
	if n := len(f.seen("refresh_token")); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

func TestLockWaitEndsWithContext(t *testing.T) {
	src := newSource(t, newFake(t))
	unlock, err := src.store.lock(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
