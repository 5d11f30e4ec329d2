package jmap

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/fault"
	"github.com/mailhaul/mailhaul/deliver/remote"
	"github.com/mailhaul/mailhaul/deliver/web"
)

const (
	capCore  = "urn:ietf:params:jmap:core"
	capMail  = "urn:ietf:params:jmap:mail"
	capQuota = "urn:ietf:params:jmap:quota"
	// maxRedirects is how many redirects lead to the session.
	maxRedirects = 5
	// ours bounds what a server's limits allow.
	ourUploads = 8
	ourObjects = 200
	// perMessage is more than what a request says about one message.
	perMessage = 2048
)

// session is what the server says about itself (RFC 8620 section 2).
type session struct {
	o                     *Options
	api, upload, download string // URLs, the last two with variables
	account               string
	limits
	// size is the largest message that is uploaded; 0: unknown.
	size int64
	// readOnly: nothing can be added. quotas: the server has RFC 9425.
	readOnly, quotas bool
}

// limits are what the server takes, and less once it refused that.
type limits struct {
	uploads, inSet, inGet int
}

// discover finds the session resource (RFC 8620 section 2.2). A redirect is followed on
// the server itself: no other host gets the login.
func discover(ctx context.Context, o *Options) (*session, error) {
	fault.Point("jmap.connect")
	base, err := url.Parse(o.Base)
	if err != nil {
		return nil, o.failure(deliver.CannotCreate, CauseOther, stageSession, err)
	}
	const wellKnown = "/.well-known/jmap"
	at := &url.URL{Scheme: base.Scheme, Host: base.Host, Path: wellKnown}
	for range maxRedirects {
		a, err := o.Client.Do(ctx, &web.Request{Method: "GET", URL: at.String()})
		if err != nil {
			return nil, o.failed(err)
		}
		switch {
		case a.Status == 404 && at.Path == wellKnown: // where Fastmail, Stalwart and James have it
			at = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: "/jmap/session"}
			continue
		case a.Status/100 == 3 && a.Header.Get("Location") != "":
			if at, err = at.Parse(a.Header.Get("Location")); err != nil {
				return nil, o.failure(deliver.Unavailable, NotJMAP, stageSession, err)
			}
			if origin(at) != origin(base) {
				return nil, o.otherHost(at, "leads to")
			}
			continue
		case !a.OK():
			return nil, o.failed(refused(stageSession, a))
		}
		return o.read(at, a.Body)
	}
	return nil, o.failure(deliver.Unavailable, NotJMAP, stageSession, fmt.Errorf("%d redirects", maxRedirects))
}

func (o *Options) otherHost(u *url.URL, verb string) error {
	e := o.failure(deliver.CannotCreate, OtherHost, stageSession, fmt.Errorf("the server %s %s", verb, remote.Clean(u.Scheme+"://"+u.Host)))
	e.Err.(*Error).Host = u.Host
	return e
}

// read reads the session object.
func (o *Options) read(at *url.URL, body []byte) (*session, error) {
	type core struct {
		MaxSizeUpload       int64 `json:"maxSizeUpload"`
		MaxConcurrentUpload int   `json:"maxConcurrentUpload"`
		MaxSizeRequest      int64 `json:"maxSizeRequest"`
		MaxObjectsInGet     int   `json:"maxObjectsInGet"`
		MaxObjectsInSet     int   `json:"maxObjectsInSet"`
	}
	var r struct {
		Capabilities map[string]json.RawMessage `json:"capabilities"`
		Accounts     map[string]struct {
			ReadOnly     bool                       `json:"isReadOnly"`
			Capabilities map[string]json.RawMessage `json:"accountCapabilities"`
		} `json:"accounts"`
		Primary     map[string]string `json:"primaryAccounts"`
		APIURL      string            `json:"apiUrl"`
		UploadURL   string            `json:"uploadUrl"`
		DownloadURL string            `json:"downloadUrl"`
	}
	var c core
	if err := json.Unmarshal(body, &r); err != nil || r.APIURL == "" || json.Unmarshal(r.Capabilities[capCore], &c) != nil {
		return nil, o.failure(deliver.Unavailable, NotJMAP, stageSession, errors.New("the answer is not a JMAP session"))
	}
	s := &session{o: o, account: r.Primary[capMail], size: c.MaxSizeUpload}
	account, ok := r.Accounts[s.account]
	if r.Capabilities[capMail] == nil || !ok {
		return nil, o.failure(deliver.CannotCreate, NoMail, stageSession, errors.New("no mail for this login"))
	}
	s.readOnly, s.quotas = account.ReadOnly, account.Capabilities[capQuota] != nil
	s.limits = limits{uploads: bound(c.MaxConcurrentUpload, ourUploads), inGet: bound(c.MaxObjectsInGet, ourObjects),
		inSet: min(bound(c.MaxObjectsInSet, ourObjects), bound(int(c.MaxSizeRequest/perMessage), ourObjects))}
	for _, u := range []struct {
		from string
		to   *string
	}{{r.APIURL, &s.api}, {r.UploadURL, &s.upload}, {r.DownloadURL, &s.download}} {
		var err error
		if *u.to, err = o.trusted(at, u.from); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// bound is a server's limit, at most ours.
func bound(theirs, ours int) int {
	if theirs < 1 {
		return ours
	}
	return min(theirs, ours)
}

// origin is scheme, host and port (RFC 6454 section 4): a server leaves out the usual port.
func origin(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
	return u.Scheme + "://" + strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

// trusted resolves a URL of the session. It belongs to the server, or is a host that the
// configuration names, by TLS.
func (o *Options) trusted(at *url.URL, text string) (string, error) {
	// The braces of a template are no part of a URL: they come back below.
	marks := strings.NewReplacer("{", "%7B", "}", "%7D")
	u, err := at.Parse(marks.Replace(text))
	if err != nil || u.Host == "" || u.User != nil {
		return "", o.failure(deliver.Unavailable, NotJMAP, stageSession, fmt.Errorf("%s is not a URL", remote.Clean(text)))
	}
	name := strings.ToLower(u.Hostname())
	named := u.Scheme == "https" && (strings.EqualFold(name, at.Hostname()) || slices.ContainsFunc(o.Hosts, func(h string) bool {
		return strings.EqualFold(h, u.Host) || strings.EqualFold(h, name) || strings.HasPrefix(h, ".") && strings.HasSuffix(name, h)
	}))
	if origin(u) != origin(at) && !named {
		return "", o.otherHost(u, "names")
	}
	return strings.NewReplacer("%7B", "{", "%7D", "}").Replace(u.String()), nil
}

// expand fills the variables of a template (RFC 6570, level 1).
func expand(template string, vars ...string) string {
	for i := 1; i < len(vars); i += 2 {
		vars[i] = strings.ReplaceAll(url.QueryEscape(vars[i]), "+", "%20")
	}
	return strings.NewReplacer(vars...).Replace(template)
}
