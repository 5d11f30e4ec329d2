package watch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/command/hook"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// Limits of the alerts.
const (
	alertTimeout = 20 * time.Second
	alertQueue   = 256 // alerts that wait, of all accounts
	alertSenders = 4
	alertGrace   = 10 * time.Second // for all that waits when a signal came
)

// notifier sends in the background. It keeps the order of the alerts of one
// account, and drops what does not fit into a full queue; with wait it waits instead.
type notifier struct {
	log     *slog.Logger
	wait    bool
	client  *http.Client
	version string
	begin   sync.Once
	queues  [alertSenders]chan job
	wg      sync.WaitGroup
	cancel  context.CancelFunc // ends what is under way
}

type job struct {
	account string
	do      func(ctx context.Context) error
}

func newNotifier(log *slog.Logger, version string) *notifier {
	return &notifier{log: log, version: version, client: &http.Client{
		Timeout: alertTimeout,
		// A redirect would carry the token in the URL's path somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send queues a job. The senders start with the first one.
func (p *notifier) send(account string, do func(ctx context.Context) error) {
	p.begin.Do(p.start)
	n := 0
	for _, c := range []byte(account) {
		n = (n*31 + int(c)) % alertSenders
	}
	if p.wait {
		p.queues[n] <- job{account, do}
		return
	}
	select {
	case p.queues[n] <- job{account, do}:
	default:
		p.log.Warn("alert dropped: too many are waiting", "account", account)
	}
}

func (p *notifier) start() {
	ctx, cancel := context.WithCancel(context.Background()) // outlives the runs
	p.cancel = cancel
	for i := range p.queues {
		q := make(chan job, alertQueue/alertSenders)
		p.queues[i] = q
		p.wg.Go(func() {
			for e := range q {
				err := e.do(ctx)
				switch {
				case err == nil:
				case p.wait:
					p.log.Warn("result not sent", "account", e.account, "err", err)
				default:
					p.log.Warn("alert not sent", "account", e.account, "err", err)
				}
			}
		})
	}
}

// Close waits for what is queued, and for not more than alertGrace once ctx is
// done. Nothing may be sent afterwards.
func (p *notifier) Close(ctx context.Context) {
	if p.cancel == nil {
		return // nothing was sent
	}
	defer p.cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(alertGrace, p.cancel) })()
	for _, q := range p.queues {
		close(q)
	}
	p.wg.Wait()
	p.client.CloseIdleConnections()
}

// ping reports to a healthcheck service: how is "start", "fail" or, for a success,
// "". It is appended to the URL's path, as healthchecks.io and similar services
// expect it.
func (p *notifier) ping(ctx context.Context, to, how, reason string) error {
	u, err := url.Parse(to)
	if err != nil {
		return errors.New("the ping's URL is wrong")
	}
	if how != "" {
		u = u.JoinPath(how)
	}
	return p.submit(ctx, "ping", u, "text/plain; charset=utf-8", []byte(reason), nil)
}

func (p *notifier) webhook(ctx context.Context, to string, n jsonline.Notice) error {
	u, err := url.Parse(to)
	if err != nil {
		return errors.New("the webhook's URL is wrong")
	}
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return p.submit(ctx, "webhook", u, "application/json", body, nil)
}

// submit does one POST. No error contains more of the URL than its host: the
// rest is as good as a password.
func (p *notifier) submit(ctx context.Context, what string, u *url.URL, kind string, body []byte, fields []config.Named[config.Secret]) error {
	ctx, cancel := context.WithTimeout(ctx, alertTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s to %s: not a request", what, u.Host)
	}
	for _, h := range fields {
		text, err := h.Value.Resolve(ctx)
		if err != nil {
			return fmt.Errorf("%s to %s: headers: %s: %w", what, u.Host, h.Name, err)
		}
		req.Header.Set(h.Name, text)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", "mailhaul/"+p.version)
	resp, err := p.client.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return fmt.Errorf("%s to %s: %w", what, u.Host, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s to %s: HTTP %d", what, u.Host, resp.StatusCode)
	}
	return nil
}

// runAlert runs a command with the notice in its environment, and as JSON on
// its standard input. Limit 0 is the usual one.
func runAlert(ctx context.Context, argv []string, limit time.Duration, n jsonline.Notice) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	err = process.Run(ctx, cmp.Or(limit, alertTimeout), argv, func(cmd *process.Cmd) {
		cmd.Stdin = bytes.NewReader(append(body, '\n'))
		cmd.Env = append(hook.Env(),
			"MAILHAUL_EVENT="+n.Event,
			"MAILHAUL_ACCOUNT="+n.Account,
			"MAILHAUL_TEXT="+n.Text,
			"MAILHAUL_ERROR="+strings.ReplaceAll(n.Error, "\x00", ""),
			fmt.Sprintf("MAILHAUL_EXIT=%d", n.Exit),
			"MAILHAUL_SINCE="+stampOrEmpty(n.Since),
			"MAILHAUL_LAST_SUCCESS="+stampOrEmpty(n.LastSuccess),
		)
	})
	if err != nil {
		return fmt.Errorf("alert command %s: %w", argv[0], err)
	}
	return nil
}

func stampOrEmpty(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
