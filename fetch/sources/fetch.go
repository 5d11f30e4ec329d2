package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"

	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/config"
)

// fetch returns what a source prints.
func (r *Reader) fetch(ctx context.Context, s *config.Source) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if s.URL != "" {
		return r.get(ctx, &s.Web)
	}
	return run(ctx, s.Command)
}

// run returns what a command prints. One that prints too much is ended.
func run(ctx context.Context, argv []string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := &process.Output{Max: maxList, Full: func() { cancel(errTooLong) }}
	said := &process.Output{Max: 512}
	err := process.Run(ctx, limit, argv, func(cmd *process.Cmd) { cmd.Stdout, cmd.Stderr = out, said })
	if errors.Is(context.Cause(ctx), errTooLong) {
		return nil, errTooLong
	}
	if err == nil {
		return out.Bytes(), nil
	}
	if xe, ok := errors.AsType[*exec.Error](err); ok {
		err = xe.Err
	}
	if text := strings.TrimSpace(said.String()); text != "" {
		err = fmt.Errorf("%w: %q", err, text)
	}
	return nil, err
}

// get returns the answer of a URL. No error has more of the URL than its host: the rest
// may be as good as a password. A redirect would carry header fields somewhere else.
func (r *Reader) get(ctx context.Context, s *config.Web) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, errors.New("the URL is wrong")
	}
	req.Header.Set("Accept", "application/json, application/yaml;q=0.9, */*;q=0.1")
	req.Header.Set("User-Agent", r.Agent)
	for _, h := range s.Headers {
		text, err := h.Value.Resolve(ctx)
		if err != nil {
			return nil, fmt.Errorf("headers: %s: %w", h.Name, err)
		}
		req.Header.Set(h.Name, text)
	}
	client := http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
			err = &process.LateError{Limit: limit}
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers with HTTP %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err == nil && len(data) > maxList {
		err = errTooLong
	}
	return data, err
}
