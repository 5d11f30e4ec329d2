//go:build unix

package command

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mailhaul/mailhaul/deliver/http/servicetest"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// serviceLab is an account whose mail goes to a service. Keys are more keys of the target.
func serviceLab(t *testing.T, s *servicetest.Server, drop *pop3test.Maildrop, keys string) *lab {
	t.Helper()
	h := httptest.NewTLSServer(s)
	t.Cleanup(h.Close)
	l := newLab(t)
	ca := l.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	if !strings.Contains(keys, "ca_file:") {
		keys += ", ca_file: " + ca
	}
	if !strings.Contains(keys, "secret:") && s.Preset != "rt" {
		keys += ", secret: " + servicetest.Secret
	}
	if !strings.Contains(keys, "url:") {
		keys += ", url: " + h.URL
	}
	o := pop3test.Options{Security: pop3test.Plain}
	l.write("config.yaml", []byte(accountYAML("lab", append(l.to(serve(t, drop, o), o), "id: lab", "user: alice", "password: "+password,
		"keep: none", "deliver:\n  - http: {preset: "+s.Preset+keys+"}"))))
	return l
}

// TestHTTP delivers to each kind of service, which has each message once, and shows no
// secret; what was delivered cannot be read back.
func TestHTTP(t *testing.T) {
	for _, preset := range []string{"raw", "multipart", "rails", "redmine", "discourse", "rt", "osticket", "paperless"} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			s := &servicetest.Server{Preset: preset}
			drop := dropOf(gmailLetters(3))
			l := serviceLab(t, s, drop, "")
			l.says(l.run("check", "--connect"), 0, "request")
			out := l.run("-vv", "fetch")
			l.says(out, 0, "3 messages fetched", "POST /")
			if n := len(s.Messages()); n != 3 || drop.Len() != 0 {
				t.Errorf("%d arrived, %d are left", n, drop.Len())
			}
			if strings.Contains(out.out+out.err, servicetest.Secret) {
				t.Errorf("shows the secret: %v", out)
			}
			l.says(l.run("verify"), 0, "cannot be read back")
		})
	}
}

// TestHTTPRefused: each answer ends with its status, says which side is meant and what to
// do, shows no secret and deletes nothing.
func TestHTTPRefused(t *testing.T) {
	always := func(f servicetest.Fault) *servicetest.Server {
		return &servicetest.Server{Preset: "raw", Fault: func(int) *servicetest.Fault { return &f }}
	}
	page := "<!DOCTYPE html>\n<html><title>Please log in</title></html>"
	for name, c := range map[string]struct {
		s    *servicetest.Server
		keys string
		code int
		says []string
	}{
		"wrong secret": {&servicetest.Server{Preset: "raw"}, ", secret: wrong", 77, []string{"401", "is `secret` of the target right?"}},
		"rails":        {&servicetest.Server{Preset: "rails"}, ", secret: wrong", 77, []string{"401", "ingress_password"}},
		"certificate": {&servicetest.Server{Preset: "raw"}, ", ca_file: /etc/ssl/certs/ca-certificates.crt", 77,
			[]string{"certificate is not trusted", "ca_file of the target"}},
		"web page": {always(servicetest.Fault{Status: 200, Body: page}), "", 75, []string{"200 OK, with a web page",
			"check `url` of the target"}},
		"redirect": {always(servicetest.Fault{Status: 307, Header: map[string]string{"Location": "https://other.example/in?key=abc"}}), "", 73,
			[]string{"to https://other.example/in", "Redirects are not followed"}},
		"not found": {always(servicetest.Fault{Status: 404}), "", 73, []string{"404", "check `url` and `preset`"}},
		"slower": {always(servicetest.Fault{Status: 429, Header: map[string]string{"Retry-After": "900"}}), "", 75,
			[]string{"a pause of 15m"}},
		"no room":  {always(servicetest.Fault{Status: 503, Body: "later"}), "", 75, []string{"503 Service Unavailable: later"}},
		"failing":  {always(servicetest.Fault{Status: 500, Body: "oops " + servicetest.Secret}), "", 65, []string{"500", "oops ****"}},
		"10 MB":    {always(servicetest.Fault{Status: 500, Body: strings.Repeat("x", 10<<20)}), "", 65, []string{"500"}},
		"10 MB ok": {always(servicetest.Fault{Status: 200, Body: "<html>" + strings.Repeat("x", 10<<20)}), "", 75, []string{"web page"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drop := dropOf(gmailLetters(2))
			l := serviceLab(t, c.s, drop, c.keys)
			out := l.run("fetch")
			l.says(out, c.code, append(c.says, "This is the service that the mail goes to, not the mailbox that it comes from.")...)
			if drop.Len() != 2 || len(c.s.Messages()) != 0 {
				t.Errorf("%d left on the server, %d arrived", drop.Len(), len(c.s.Messages()))
			}
			if strings.Contains(out.out+out.err, servicetest.Secret) || strings.Contains(out.out+out.err, "key=abc") {
				t.Errorf("shows a secret: %v", out)
			}
		})
	}
}

// TestHTTPQuarantine: what the service refuses for good is quarantined with its reason; a
// 422 of Redmine may be both, and is after a few runs.
func TestHTTPQuarantine(t *testing.T) {
	second := func(f servicetest.Fault) func(int) *servicetest.Fault {
		return func(n int) *servicetest.Fault {
			if n == 2 {
				return &f
			}
			return nil
		}
	}
	for name, s := range map[string]*servicetest.Server{
		"413": {Preset: "raw", Fault: second(servicetest.Fault{Status: 413})},
		"RT":  {Preset: "rt", Fault: second(servicetest.Fault{Status: 200, Body: "not ok - operation unsuccessful\n"})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := serviceLab(t, s, dropOf(gmailLetters(3)), "")
			l.says(l.run("fetch"), 65, "quarantine")
			if n := len(s.Messages()); n != 2 {
				t.Errorf("%d arrived", n)
			}
			if files, _ := filepath.Glob(filepath.Join(l.dir, "state", "quarantine", "*", "new", "*")); len(files) != 1 {
				t.Errorf("quarantine: %v", files)
			}
		})
	}
}

// TestHTTPUndecided: Redmine's 422 may be for good or not. Each message is tried again a few
// times, also if nothing else is taken, then quarantined, and stays on the server.
func TestHTTPUndecided(t *testing.T) {
	s := &servicetest.Server{Preset: "redmine", Fault: func(int) *servicetest.Fault { return &servicetest.Fault{Status: 422} }}
	drop := dropOf(gmailLetters(4))
	l := serviceLab(t, s, drop, "")
	l.says(l.run("fetch"), 65, "422 Unprocessable Entity", "The message is tried again a few times, and then quarantined.")
	runs := 1
	quarantined := func() int {
		files, _ := filepath.Glob(filepath.Join(l.dir, "state", "quarantine", "*", "new", "*"))
		return len(files)
	}
	for ; quarantined() < 4 && runs < 12; runs++ {
		l.says(l.run("fetch"), 65, "422 Unprocessable Entity")
	}
	requests, _ := s.Requests()
	if runs < 3 || quarantined() != 4 || drop.Len() != 4 || len(requests) != 12 {
		t.Errorf("after %d runs and %d requests: %d quarantined, %d on the server", runs, len(requests), quarantined(), drop.Len())
	}
	l.says(l.run("status"), 0, "4 messages in the quarantine")
}

// TestHTTPQueue: a message whose task has not ended is looked for in the next run, and not
// sent again.
func TestHTTPQueue(t *testing.T) {
	var done atomic.Bool
	s := &servicetest.Server{Preset: "paperless", Task: func(int, int) (string, string) {
		if done.Load() {
			return "SUCCESS", ""
		}
		return "STARTED", ""
	}}
	drop := dropOf(gmailLetters(2))
	l := serviceLab(t, s, drop, ", timeout: 1s")
	l.says(l.run("fetch"), 65, "not finished yet", "does not send the message again before")
	done.Store(true)
	l.says(l.run("fetch"), 0, "2 messages fetched")
	if len(s.Messages()) != 2 || drop.Len() != 0 {
		t.Errorf("%d arrived, %d left", len(s.Messages()), drop.Len())
	}
}

// TestHTTPTo needs no configuration file; http:// is for this machine.
func TestHTTPTo(t *testing.T) {
	s := &servicetest.Server{Preset: "raw"}
	drop := dropOf(gmailLetters(2))
	o := pop3test.Options{Security: pop3test.Plain}
	from := "pop3+plain://alice@" + serve(t, drop, o).Addr()
	l := newLab(t)
	t.Setenv("MAILHAUL_PASSWORD", password)
	t.Setenv("MAILHAUL_TO_PASSWORD", servicetest.Secret)
	l.says(l.run("fetch", "--from", from, "--to", s.Start(t)+"/in"), 0, "2 messages fetched")
	l.says(l.run("fetch", "--from", from, "--to", "http://service.example/in"), 64, "--insecure allows it")
	l.says(l.run("fetch", "--from", from, "--to", "https://bob@service.example/in"), 64, "login does not belong")
	for _, to := range []string{"https://bob:s3cr3t@service.example/in", "http://service.example/in?key=s3cr3t", "https://service.example/?key=s3cr3t#x"} {
		out := l.run("fetch", "--from", from, "--to", to)
		l.says(out, 64, "--to ")
		if strings.Contains(out.out+out.err, "s3cr3t") {
			t.Errorf("%s: %v", to, out)
		}
	}
	if len(s.Messages()) != 2 {
		t.Errorf("%d arrived", len(s.Messages()))
	}
}

// TestHTTPConfig: what does not go together is said before anything is sent.
func TestHTTPConfig(t *testing.T) {
	for keys, says := range map[string]string{
		"{preset: raw}":                                                 "wants url",
		"{url: \"https://h/\", preset: rails}":                          "preset: rails needs secret",
		"{url: \"https://h/\", preset: rt, secret: x}":                  "has no use with preset: rt",
		"{url: \"https://h/\", preset: paperless, secret: x, token: y}": "conflicts with preset: paperless",
		"{url: \"https://h/\", fields: {a: b}}":                         "which sends no form",
		"{url: \"https://h/\", headers: {Host: b}}":                     "Host is set by mailhaul",
		"{url: \"https://h/\", headers: {X-Idempotency-Key: b}}":        "set by mailhaul",
		"{url: \"https://h/\"}\nheaders: {received: true}":              "received conflicts with http",
		"{url: \"http://h/\"}":                                          "anyone on the way can read secret and mail",
		"{url: \"https://bob:pw@h/\"}":                                  "use user and password",
		"{url: \"ftp://h/\"}":                                           "wants https://",
		"{url: \"https://h/\", user: x}":                                "wants both user and password",
		"{url: \"https://h/\", secret: {file: shared}}":                 "shared",
		"{url: \"https://h/\", presets: rails}":                         "did you mean",
		"{url: \"https://h/\", headers: {X-Key: {file: shared}}}":       "shared",
	} {
		l := newLab(t)
		if err := os.WriteFile(filepath.Join(l.dir, "shared"), []byte("s3cr3t\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		l.write("config.yaml", []byte(accountYAML("lab", []string{"server: pop.example.org", "user: a", "password: b",
			"deliver:\n  - http: " + keys})))
		out := l.run("check")
		l.says(out, 78, says)
		if strings.Contains(out.out+out.err, ":pw") || strings.Contains(out.out+out.err, "s3cr3t") {
			t.Errorf("shows a secret: %v", out)
		}
	}
}
