package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/hook"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// Results gives the result of each run to a command or URL, in the order of the runs of
// an account. That it fails is logged, and nothing else: the run is over. None is dropped:
// if too many wait, runs wait for them at their end.
type Results struct {
	log  *slog.Logger
	row  func(*fetch.Summary) any
	send *notifier

	mu sync.Mutex
	to config.Web
}

// NewResults makes one that sends what row makes of a run. Close must be called.
func NewResults(log *slog.Logger, version string, row func(*fetch.Summary) any) *Results {
	n := newNotifier(log, version)
	n.wait = true
	return &Results{log: log, row: row, send: n}
}

// Configure sets who gets the results.
func (r *Results) Configure(to *config.Web) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = *to
}

// Report implements fetch.Reporter.
func (r *Results) Report(e fetch.Event) {
	r.mu.Lock()
	to := r.to
	r.mu.Unlock()
	if e.Stage != ledger.Finished || len(to.Command) == 0 && to.URL == "" {
		return
	}
	body, err := json.Marshal(r.row(e.Summary))
	if err != nil {
		r.log.Warn("result not sent", "account", e.Account, "err", err)
		return
	}
	r.send.send(e.Account, func(ctx context.Context) error {
		if to.URL == "" {
			return runResult(ctx, to.Command, e.Account, body)
		}
		u, err := url.Parse(to.URL)
		if err != nil {
			return errors.New("the URL of result is wrong")
		}
		return r.send.submit(ctx, "result", u, "application/json", body, to.Headers)
	})
}

// EndWith bounds how long results that wait are sent once ctx is done: runs under way may
// wait for them, and the end of the process for those. It is called before the first run.
func (r *Results) EndWith(ctx context.Context) {
	context.AfterFunc(ctx, func() {
		time.AfterFunc(alertGrace, func() {
			r.send.begin.Do(r.send.start)
			r.send.cancel()
		})
	})
}

// Close waits for what is queued, as (*notifier).Close does.
func (r *Results) Close(ctx context.Context) { r.send.Close(ctx) }

// runResult runs a command with the result on its standard input.
func runResult(ctx context.Context, argv []string, account string, body []byte) error {
	said := &hook.Tail{}
	err := process.Run(ctx, alertTimeout, argv, func(cmd *process.Cmd) {
		cmd.Stdin = bytes.NewReader(append(body, '\n'))
		cmd.Env = append(os.Environ(), "MAILHAUL_ACCOUNT="+account)
		cmd.Stdout, cmd.Stderr = said, said
	})
	if err != nil {
		return fmt.Errorf("result command %s: %w: %s", argv[0], err, said.Text())
	}
	return nil
}
