package autoconf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const (
	// maxFile bounds a settings file; Thunderbird's largest has 12 KiB.
	maxFile      = 256 << 10
	maxRedirects = 3
)

// file asks for a settings file.
func (c *Client) file(address string) place {
	return place{name: address, ask: func(ctx context.Context, who person) (*Proposal, error) {
		data, err := c.get(ctx, address)
		if err != nil {
			return nil, err
		}
		p, err := parse(data, who)
		if p != nil {
			p.Source = address
		}
		return p, err
	}}
}

// get reads a file by https. That there is none is ErrNotFound.
func (c *Client) get(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if err := onlyHTTPS(req, nil); err != nil {
		return nil, err
	}
	client := http.Client{Timeout: askTimeout}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect, client.Jar = onlyHTTPS, nil
	resp, err := client.Do(req)
	if err != nil {
		var shown *url.Error
		if errors.As(err, &shown) {
			err = shown.Err // the place is named already
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w (status %d)", ErrNotFound, resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, errors.New("larger than a settings file can be")
	}
	return data, nil
}

// onlyHTTPS refuses to leave https, and endless redirects.
func onlyHTTPS(req *http.Request, via []*http.Request) error {
	switch {
	case req.URL.Scheme != "https":
		return errors.New("not by https")
	case len(via) > maxRedirects:
		return errors.New("too many redirects")
	}
	return nil
}

// Close closes idle connections.
func (c *Client) Close() {
	if c.HTTP != nil {
		c.HTTP.CloseIdleConnections()
		return
	}
	http.DefaultClient.CloseIdleConnections()
}
