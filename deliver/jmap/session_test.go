package jmap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/jmap/jmaptest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// TestSession: what the server says about itself decides whether it gets anything.
func TestSession(t *testing.T) {
	t.Parallel()
	elsewhere := jmaptest.New()
	elsewhere.Start()
	defer elsewhere.Close()
	redirect := func(to string) hook {
		return at("session", 1, func(w http.ResponseWriter) bool { return status(302, "Location", to)(w) })
	}
	links := func(key string, v any) func(map[string]any) { return func(m map[string]any) { m[key] = v } }
	tests := []struct {
		name string
		set  func(s *jmaptest.Server)
		want string
	}{
		{"to another host", func(s *jmaptest.Server) { s.Before = redirect(elsewhere.URL + "/session") }, "cannot create: other host"},
		{"to http at another port", func(s *jmaptest.Server) { s.Before = redirect("http://127.0.0.1:1/session") },
			"cannot create: other host"},
		{"in a circle", func(s *jmaptest.Server) {
			s.Before = at("session", 0, func(w http.ResponseWriter) bool { return status(302, "Location", "/again")(w) })
		}, "unavailable: not JMAP"},
		{"no such path", func(s *jmaptest.Server) { s.Before = at("session", 1, status(404)) }, ""},
		{"nothing there", func(s *jmaptest.Server) { s.Before = at("session", 0, status(404)) }, "unavailable: not JMAP"},
		{"401", func(s *jmaptest.Server) { s.Before = at("session", 0, status(401)) }, "denied: login refused"},
		{"503", func(s *jmaptest.Server) { s.Before = at("session", 0, status(503)) }, "unavailable: busy"},
		{"a web page", func(s *jmaptest.Server) { s.Before = at("session", 0, body("<html>hello</html>")) }, "unavailable: not JMAP"},
		{"api elsewhere", func(s *jmaptest.Server) { s.Links = links("apiUrl", elsewhere.URL+"/api/") }, "cannot create: other host"},
		{"upload elsewhere", func(s *jmaptest.Server) {
			s.Links = links("uploadUrl", "https://evil.example/{accountId}")
		}, "cannot create: other host"},
		{"download elsewhere", func(s *jmaptest.Server) {
			s.Links = links("downloadUrl", "https://evil.example/{blobId}")
		}, "cannot create: other host"},
		{"download at a host that is named", func(s *jmaptest.Server) {
			s.Links = links("downloadUrl",
				"https://named.example/{blobId}")
		}, ""},
		{"download without TLS at a host that is named", func(s *jmaptest.Server) {
			s.Links = links("downloadUrl", "http://named.example/{blobId}")
		}, "cannot create: other host"},
		{"user in a URL", func(s *jmaptest.Server) { s.Links = links("apiUrl", "http://x@127.0.0.1/api") }, "unavailable: not JMAP"},
		{"no mail", func(s *jmaptest.Server) { s.Links = links("primaryAccounts", map[string]any{}) }, "cannot create: no mail"},
		{"the wrong account", func(s *jmaptest.Server) {
			s.Links = links("primaryAccounts", map[string]any{capMail: "u2"})
		}, "cannot create: no mail"},
		{"read-only", func(s *jmaptest.Server) {
			s.Links = links("accounts", map[string]any{"u1": map[string]any{"isReadOnly": true}})
		}, "cannot create: no right"},
		{"an answer of 1 GB", func(s *jmaptest.Server) {
			s.Before = at("session", 0, func(w http.ResponseWriter) bool {
				chunk := bytes.Repeat([]byte("x"), 1<<20)
				for range 1000 {
					if _, err := w.Write(chunk); err != nil {
						break
					}
				}
				return true
			})
		}, "unavailable: not JMAP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := jmaptest.New()
			tt.set(s)
			s.Start()
			defer s.Close()
			o := alice(s.URL, "inbox")
			o.Hosts = []string{"named.example"}
			d := New(o)
			defer d.Close()
			_, err := d.Begin(t.Context())
			got := ""
			if err != nil {
				got = describe(err)
			}
			if got != tt.want {
				t.Errorf("got %q (%v), want %q; %v", got, err, tt.want, s.Log())
			}
			if len(elsewhere.Log()) != 0 {
				t.Error("the other host was asked")
			}
		})
	}
}

// TestFastmail is what api.fastmail.com answers: an absolute redirect without the usual
// port, and hosts of the account's region.
func TestFastmail(t *testing.T) {
	t.Parallel()
	regional := map[string]string{"apiUrl": "https://phl.api.fastmail.com/jmap/api/",
		"uploadUrl":   "https://phl.api.fastmail.com/jmap/upload/{accountId}/",
		"downloadUrl": "https://phl-www.fastmailusercontent.com/jmap/download/{accountId}/{blobId}/{name}?type={type}"}
	for _, evil := range []string{"", "https://api.fastmail.com.evil.example/", "https://evilapi.fastmail.com/",
		"http://phl.api.fastmail.com/"} {
		s := jmaptest.New()
		s.Before = at("session", 1, status(302, "Location", "https://API.fastmail.com/jmap/session"))
		s.Links = func(m map[string]any) {
			for key, u := range regional {
				m[key] = u
			}
			m["apiUrl"] = cmp.Or(evil, regional["apiUrl"])
		}
		s.StartTLS()
		o := alice("https://api.fastmail.com:443", "inbox")
		o.Hosts = []string{".api.fastmail.com", ".fastmailusercontent.com"}
		o.Client = web.New(web.Options{Name: "jmap test", Authorize: basic, DialTLS: func(ctx context.Context, _, _ string) (net.Conn, error) {
			roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "example.com"}}
			return d.DialContext(ctx, "tcp", s.Listener.Addr().String())
		}})
		_, err := discover(t.Context(), &o)
		if got := err == nil; got != (evil == "") {
			t.Errorf("%q: %v", evil, err)
		}
		o.Client.Close()
		s.Close()
	}
}

// TestMailboxes: a role, else a name; what is missing is made.
func TestMailboxes(t *testing.T) {
	t.Parallel()
	tests := []struct{ mailbox, want string }{
		{"inbox", "Inbox"}, {"INBOX", "Inbox"}, {"Inbox", "Inbox"}, {"trash", "Trash"}, {"archive", "Archive"}, {"Archive", "Archive"},
		{"Archive/2015/Grüße", "Archive/2015/Grüße"}, {"Neu", "Neu"},
	}
	for _, tt := range tests {
		s := jmaptest.New()
		s.Start()
		d := New(alice(s.URL, tt.mailbox))
		_, results := deliverAll(t, d, letters(1)...)
		if results[0].Err != nil || len(s.Mail(tt.want)) != 1 {
			t.Errorf("%s: %v, and %d messages in %s", tt.mailbox, results[0].Err, len(s.Mail(tt.want)), tt.want)
		}
		_ = d.Close()
		s.Close()
	}
}

// TestReadBack: by the Email's id, by Message-ID and date, and in another mailbox.
// TestMovedToTrash: a copy in the trash does not stay, so it is not there, unless the mail goes there.
func TestMovedToTrash(t *testing.T) {
	t.Parallel()
	s := jmaptest.New()
	s.Start()
	defer s.Close()
	m := letters(1)[0]
	intents, results := deliverAll(t, New(alice(s.URL, "inbox")), m)
	s.Emails()[0].Boxes = map[string]bool{"b2": true}
	for mailbox, want := range map[string]bool{"inbox": false, "trash": true} {
		r, err := Open(t.Context(), alice(s.URL, mailbox))
		if err != nil {
			t.Fatal(err)
		}
		for _, receipt := range []string{results[0].Receipt, intents[0].Receipt} {
			if where, err := r.Copy(t.Context(), io.Discard, receipt, sumOf(m)); want == errors.Is(err, fs.ErrNotExist) || want && err != nil {
				t.Errorf("%s, %q: %q, %v", mailbox, receipt, where, err)
			}
		}
		there := false
		r.Sums(t.Context(), []string{results[0].Receipt}, [][32]byte{sumOf(m)}, func(int, [32]byte, string) { there = true })
		if there != want {
			t.Errorf("%s: Sums finds it: %v", mailbox, there)
		}
		_ = r.Close()
	}
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	s := jmaptest.New()
	s.Start()
	defer s.Close()
	o := alice(s.URL, "inbox")
	d := New(o)
	defer d.Close()
	sent := append(letters(2), []byte("Subject: no id\n\nbody\n"))
	intents, results := deliverAll(t, d, sent...)
	s.Emails()[1].Boxes = map[string]bool{"b3": true}
	for i, m := range sent {
		for _, receipt := range []string{results[i].Receipt, intents[i].Receipt} {
			if got := readBack(t, o, receipt, sumOf(m)); !bytes.Equal(got, m) {
				t.Errorf("message %d by %q: got %q", i, receipt, got)
			}
		}
	}
	s.Emails()[0].Destroyed = true
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var receipts []string
	var sums [][32]byte
	for i := range sent {
		receipts, sums = append(receipts, results[i].Receipt), append(sums, sumOf(sent[i]))
	}
	got := make(map[int]string)
	r.Sums(t.Context(), receipts, sums, func(i int, sum [32]byte, where string) {
		if sum == sums[i] {
			got[i] = where
		}
	})
	r.Heads(t.Context(), receipts, sums, func(i int, head []byte, _ string) {
		if !bytes.HasPrefix(sent[i], head) || !bytes.HasSuffix(head, []byte("\n\n")) {
			t.Errorf("message %d: the header is %q", i, head)
		}
	})
	if want := map[int]string{1: "Archive email M3", 2: "Inbox email M4"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := r.Copy(t.Context(), new(bytes.Buffer), results[0].Receipt, [32]byte{}); err == nil {
		t.Error("what is gone is there")
	}
}

// TestReadOnly: nothing can be added to the account, and what is in it is read back.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := jmaptest.New()
	s.Start()
	defer s.Close()
	o := alice(s.URL, "inbox")
	msgs := letters(1)
	_, results := deliverAll(t, New(o), msgs...)
	s.Links = func(v map[string]any) { v["accounts"] = map[string]any{"u1": map[string]any{"isReadOnly": true}} }
	if got := readBack(t, o, results[0].Receipt, sumOf(msgs[0])); !bytes.Equal(got, msgs[0]) {
		t.Errorf("got %q", got)
	}
	if err := Probe(t.Context(), o, func(deliver.Step) {}); causeOf(err) != NoRight {
		t.Errorf("check: %v", err)
	}
}

// TestQuota: the check tells how full the account is, and that it is full.
func TestQuota(t *testing.T) {
	t.Parallel()
	mail := []string{"Mail"}
	for _, tt := range []struct {
		quotas []map[string]any
		want   string
	}{
		{[]map[string]any{{"resourceType": "octets", "used": 5, "hardLimit": 9, "types": mail}, {"resourceType": "count", "used": 1,
			"hardLimit": 2,
			"types":     mail}, {"resourceType": "count", "used": 3, "hardLimit": 3, "types": []string{"Calendar"}}},
			"5 of 9 octets used, 1 of 2 messages used"},
		{[]map[string]any{{"resourceType": "octets", "used": 9, "hardLimit": 9, "types": mail}}, "later: quota"},
		{[]map[string]any{}, ""},
		{nil, ""},
	} {
		s := jmaptest.New()
		s.Quotas = tt.quotas
		s.Start()
		got := ""
		err := Probe(t.Context(), alice(s.URL, "inbox"), func(step deliver.Step) {
			if step.Name == "quota" {
				got = step.Detail
			}
		})
		if s.Close(); causeOf(err) == Quota {
			got = "later: quota"
		}
		if got != tt.want {
			t.Errorf("%v: %q, want %q (%v)", tt.quotas, got, tt.want, err)
		}
	}
}

// TestEndless: an answer of 1 GB is read no further than any that is expected.
func TestEndless(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"api", "download"} {
		s := jmaptest.New()
		s.Start()
		o := alice(s.URL, "inbox")
		msgs := letters(1)
		_, results := deliverAll(t, New(o), msgs...)
		written := 0
		s.Before = at(kind, 0, func(w http.ResponseWriter) bool {
			chunk := bytes.Repeat([]byte("x"), 1<<20)
			for written = 0; written < 1000; written++ {
				if _, err := w.Write(chunk); err != nil {
					break
				}
			}
			return true
		})
		r, err := Open(t.Context(), o)
		if err == nil {
			_, err = r.Copy(t.Context(), io.Discard, results[0].Receipt, sumOf(msgs[0]))
		}
		s.Close()
		if causeOf(err) != NotJMAP || !strings.Contains(err.Error(), "the answer is too long") || written > 100 {
			t.Errorf("%s: %v, %d MiB sent", kind, err, written)
		}
	}
}
