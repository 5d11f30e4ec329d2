package http

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/http/servicetest"
)

func given(secret string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return secret, nil }
}

// letter has 8-bit text, a lone CR, and what a form has to escape.
const letter = "Message-ID: <1@example.org>\nSubject: 100% & more=less + a\n\nGr\u00fc\u00dfe\rlast & line\n"

// send delivers one message.
func send(t *testing.T, d *Deliverer, e deliver.Envelope, body string) deliver.Result {
	t.Helper()
	b, err := d.Begin(t.Context())
	if err != nil {
		return deliver.Result{Err: err}
	}
	if err := b.Add(t.Context(), e, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.Publish(t.Context())[0]
}

// TestPresets: each service gets the message as it is, twice the same, and the secret
// where it wants it.
func TestPresets(t *testing.T) {
	for _, p := range presets {
		t.Run(p.name, func(t *testing.T) {
			s := &servicetest.Server{Preset: p.name, Dedupe: true}
			o := options(p.name, s.Start(t))
			if p.form != raw {
				o.Fields = []Pair{{"issue[project]", "a & b"}}
			}
			env := deliver.Envelope{Account: "a", UID: "1"}
			for range 2 {
				d := New(o)
				if res := send(t, d, env, letter); res.Err != nil || res.Receipt == "" {
					t.Fatalf("%+v", res)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
			want := letter
			if !p.lf {
				want = strings.ReplaceAll(letter, "\n", "\r\n")
			}
			messages := s.Messages()
			if string(messages[0]) != want {
				t.Errorf("got %q, want %q", messages[0], want)
			}
			dedupes := p.name != "redmine" && p.name != "rt"
			if dedupes != (len(messages) == 1) {
				t.Errorf("%d messages", len(messages))
			}
			requests, bodies := s.Requests()
			posts := [][]byte{}
			for i, r := range requests {
				if r.Method == "POST" {
					posts = append(posts, bodies[i])
				}
			}
			if len(posts) != 2 || !bytes.Equal(posts[0], posts[1]) {
				t.Errorf("%d requests, or bodies that differ", len(posts))
			}
		})
	}
}

// TestProbe changes nothing, and says what is wrong.
func TestProbe(t *testing.T) {
	for _, p := range presets {
		t.Run(p.name, func(t *testing.T) {
			s := &servicetest.Server{Preset: p.name}
			o := options(p.name, s.Start(t))
			if err := New(o).Probe(t.Context()); err != nil {
				t.Error(err)
			}
			o.Secret = given("wrong")
			err := New(o).Probe(t.Context())
			var e *deliver.Error
			blind := len(p.probe.good) == 0 || p.secret == place{} // it cannot see a secret that is wrong
			if blind != (err == nil) || !blind && (!errors.As(err, &e) || e.Class != deliver.Denied) {
				t.Errorf("with a wrong secret: %v", err)
			}
			if len(s.Messages()) != 0 {
				t.Error("it delivered something")
			}
		})
	}
}

// classOf is the class of a failed delivery; delivered: there is none.
func classOf(t *testing.T, res deliver.Result) (deliver.Class, *deliver.Error) {
	t.Helper()
	var e *deliver.Error
	if res.Err == nil {
		return 255, &deliver.Error{}
	}
	if !errors.As(res.Err, &e) {
		t.Fatalf("%v is no *deliver.Error", res.Err)
	}
	return e.Class, e
}

const taken deliver.Class = 255

// TestAnswers is every row of every preset, and what all services have in common.
func TestAnswers(t *testing.T) {
	const page = "\ufeff <!DOCTYPE HTML><html>"
	for _, row := range []struct {
		presets string
		status  int
		body    string
		want    deliver.Class
		cause   Cause
	}{
		{"raw multipart", 200, "", taken, 0},
		{"raw multipart", 202, "queued", taken, 0},
		{"raw multipart", 204, "", taken, 0},
		{"raw multipart", 200, "<result>ok</result>", taken, 0},
		{"raw multipart", 400, "", deliver.Never, Refused},
		{"raw multipart", 415, "", deliver.Never, Refused},
		{"raw multipart", 422, "", deliver.Never, Refused},
		{"raw multipart", 422, page, deliver.Never, Refused},
		{"rails", 204, "", taken, 0},
		{"rails", 200, "", deliver.Unavailable, Unexpected},
		{"rails", 415, "", deliver.Never, Refused},
		{"rails", 422, "", deliver.Never, Refused},
		{"redmine", 201, "", taken, 0},
		{"redmine", 200, "", deliver.Unavailable, Unexpected},
		{"redmine", 422, "", deliver.Failed, Undecided},
		{"redmine", 400, "", deliver.Never, Refused},
		{"discourse", 200, "email has been received and is queued for processing", taken, 0},
		{"discourse", 400, `{"errors":["x"]}`, deliver.Never, Refused},
		{"rt", 200, "ok\n", taken, 0},
		{"rt", 200, "ok\nTicket: 1\nQueue: General\n", taken, 0},
		{"rt", 200, "okay", deliver.Unavailable, Unexpected},
		{"rt", 200, "", deliver.Unavailable, Unexpected},
		{"rt", 200, "not ok - operation unsuccessful\n", deliver.Never, Refused},
		{"rt", 200, "temporary failure - operation unsuccessful\n", deliver.Later, Postponed},
		{"osticket", 201, "123456", taken, 0},
		{"osticket", 200, "", deliver.Unavailable, Unexpected},
		{"osticket", 400, "", deliver.Never, Refused},
		{"osticket", 403, "Unable to create new ticket :Ticket denied: x", deliver.Never, Refused},
		{"osticket", 403, page, deliver.Denied, LoginRefused},
		{"osticket", 415, "", deliver.Never, Refused},
		{"osticket", 416, "", deliver.Never, Refused},
		{"osticket", 417, "", deliver.Never, Refused},
		{"paperless", 200, `"task-1"`, taken, 0},
		{"paperless", 200, "OK", deliver.Unavailable, Unexpected},
		{"paperless", 400, `{"document":["File type message/rfc822 not supported"]}`, deliver.CannotCreate, NoMailType},
		{"paperless", 400, `{"document":["The submitted file is empty."]}`, deliver.Never, Refused},
		{"paperless", 400, `{"tags":["Invalid pk \"9\" - object does not exist."]}`, deliver.CannotCreate, Unexpected},
		{"paperless", 400, page + "<title>Bad Request (400)</title>", deliver.CannotCreate, Unexpected}, // ALLOWED_HOSTS
		{"*", 200, page, deliver.Unavailable, WebPage},
		{"*", 200, "<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC>", deliver.Unavailable, WebPage},
		{"*", 301, "", deliver.CannotCreate, Redirect},
		{"*", 302, "", deliver.CannotCreate, Redirect},
		{"*", 308, "", deliver.CannotCreate, Redirect},
		{"*", 401, "", deliver.Denied, LoginRefused},
		{"raw multipart rails redmine discourse rt paperless", 403, "", deliver.Denied, LoginRefused},
		{"*", 404, "", deliver.CannotCreate, NoEndpoint},
		{"*", 405, "", deliver.CannotCreate, NoEndpoint},
		{"*", 408, "", deliver.Later, Postponed},
		{"*", 409, "", deliver.Later, Postponed},
		{"*", 410, "", deliver.CannotCreate, NoEndpoint},
		{"*", 413, page, deliver.Never, TooBig},
		{"*", 418, "", deliver.CannotCreate, Unexpected},
		{"*", 421, "", deliver.Later, Postponed},
		{"*", 423, "", deliver.Later, Postponed},
		{"*", 425, "", deliver.Later, Postponed},
		{"*", 429, "", deliver.Unavailable, Throttled},
		{"*", 500, page, deliver.Later, ServerError},
		{"*", 501, "", deliver.CannotCreate, NoEndpoint},
		{"*", 502, "", deliver.Later, ServerError},
		{"*", 503, "", deliver.Unavailable, Busy},
		{"*", 504, "", deliver.Later, ServerError},
		{"*", 507, "", deliver.Later, ServerError},
		{"*", 999, "", deliver.Unavailable, Unexpected},
	} {
		if row.presets == "*" {
			row.presets = strings.Join(Presets(), " ")
		}
		for _, name := range strings.Fields(row.presets) {
			s := &servicetest.Server{Preset: name, Fault: func(int) *servicetest.Fault {
				return &servicetest.Fault{Status: row.status, Body: row.body, Stored: row.want == taken}
			}}
			h := httptest.NewServer(s)
			got, e := classOf(t, send(t, New(options(name, h.URL)), deliver.Envelope{}, letter))
			h.Close()
			cause, _ := errors.AsType[*Error](e.Err)
			if got != row.want || got != taken && (cause.Cause != row.cause || !strings.Contains(e.Err.Error(), strconv.Itoa(row.status))) {
				t.Errorf("%s: %d %q: class %d, %v", name, row.status, row.body, got, e.Err)
			}
			if got != taken && !e.Refused {
				t.Errorf("%s: %d: the next run begins with the same message", name, row.status)
			}
		}
	}
}

// TestPauses: a pause is asked for, whatever the answer is besides.
func TestPauses(t *testing.T) {
	for status, class := range map[int]deliver.Class{429: deliver.Unavailable, 503: deliver.Unavailable, 500: deliver.Unavailable,
		413: deliver.Never} {
		s := &servicetest.Server{Preset: "raw", Fault: func(int) *servicetest.Fault {
			return &servicetest.Fault{Status: status, Header: map[string]string{"Retry-After": "120"}}
		}}
		got, e := classOf(t, send(t, New(options("raw", s.Start(t))), deliver.Envelope{}, letter))
		if got != class || e.Pause != 2*time.Minute {
			t.Errorf("%d: class %d, pause %v", status, got, e.Pause)
		}
	}
}

// TestNoAnswer: what was sent whole may have arrived, and the error says so.
func TestNoAnswer(t *testing.T) {
	s := &servicetest.Server{Preset: "raw", Dedupe: true, Fault: func(n int) *servicetest.Fault {
		if n == 1 {
			return &servicetest.Fault{Stored: true, Lost: true}
		}
		return nil
	}}
	o := options("raw", s.Start(t))
	d := New(o)
	class, e := classOf(t, send(t, d, deliver.Envelope{UID: "1"}, letter))
	if cause, _ := errors.AsType[*Error](e.Err); class != deliver.Failed || cause.Cause != InDoubt || e.Refused {
		t.Errorf("%d: %v", class, e.Err)
	}
	if class, e = classOf(t, send(t, d, deliver.Envelope{UID: "1"}, letter)); class != taken || len(s.Messages()) != 1 {
		t.Errorf("%v; %d messages", e.Err, len(s.Messages()))
	}
	if class, e = classOf(t, send(t, d, deliver.Envelope{UID: "2"}, letter)); class != taken || len(s.Messages()) != 2 {
		t.Errorf("another message has the same key: %v; %d messages", e.Err, len(s.Messages()))
	}
	o.URL = "http://127.0.0.1:1/"
	if class, e = classOf(t, send(t, New(o), deliver.Envelope{}, letter)); class != deliver.Unavailable {
		t.Errorf("%d: %v", class, e.Err)
	}
	o.Secret = func(context.Context) (string, error) { return "", errors.New("no such file") }
	if class, e = classOf(t, send(t, New(o), deliver.Envelope{}, letter)); class != deliver.Denied {
		t.Errorf("%d: %v", class, e.Err)
	}
}

// TestSecretsInAnswers: a service that quotes what it got shows no secret, also where the
// answer is kept as the receipt.
func TestSecretsInAnswers(t *testing.T) {
	const token, password, query = "tok-0123456789", "pw-abcdef", "querysecret99"
	for _, status := range []int{200, 500} {
		for _, auth := range []string{"Bearer " + token, "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password))} {
			h := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				_, plain, _ := r.BasicAuth()
				w.WriteHeader(status)
				_, _ = io.WriteString(w, r.Header.Get("Authorization")+" "+plain+" at "+r.URL.String())
			}))
			o := options("raw", h.URL+"/in?key="+query)
			o.Web.Authorize = func(context.Context) (string, error) { return auth, nil }
			res := send(t, New(o), deliver.Envelope{}, letter)
			h.Close()
			text := fmt.Sprint(res.Receipt, res.Err)
			_, sent, _ := strings.Cut(auth, " ")
			for _, secret := range []string{token, password, query, sent} {
				if strings.Contains(text, secret) {
					t.Errorf("%d: shows %s: %s", status, secret, text)
				}
			}
			if !strings.Contains(text, "/in?****") {
				t.Errorf("%d: %s", status, text)
			}
		}
	}
}

// TestKeysOfTargets: two endpoints of an account that share a store of keys both get a message.
func TestKeysOfTargets(t *testing.T) {
	s := &servicetest.Server{Preset: "raw", Dedupe: true}
	url := s.Start(t)
	for _, path := range []string{"/a", "/b", "/b?queue=2", "/a"} {
		if res := send(t, New(options("raw", url+path)), deliver.Envelope{Account: "a", UID: "1"}, letter); res.Err != nil {
			t.Error(res.Err)
		}
	}
	if n := len(s.Messages()); n != 3 {
		t.Errorf("%d messages, want one for each endpoint", n)
	}
}

// TestEarly: a service that takes a message before it has all of it has a part.
func TestEarly(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		if _, err := nethttp.ReadRequest(bufio.NewReaderSize(theirs, 64)); err == nil {
			_, _ = io.WriteString(theirs, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
		}
	}()
	o := options("raw", "http://service/in")
	o.Web.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
	class, e := classOf(t, send(t, New(o), deliver.Envelope{}, letter+strings.Repeat("x\n", 1<<20)))
	if cause, _ := errors.AsType[*Error](e.Err); class != deliver.Failed || cause.Cause != Early {
		t.Errorf("%d: %v", class, e)
	}
	_, _ = ours.Close(), theirs.Close()
}

// TestEndless: the status of an answer counts, whatever comes after it and for however long.
func TestEndless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			r, err := nethttp.ReadRequest(bufio.NewReader(theirs))
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body)
			}
			if err == nil {
				_, err = io.WriteString(theirs, "HTTP/1.1 202 Accepted\r\n\r\n")
			}
			for err == nil {
				time.Sleep(15 * time.Second)
				_, err = io.WriteString(theirs, ": ping\n\n")
			}
		}()
		o := options("raw", "http://service/in")
		o.Web.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		d, start := New(o), time.Now()
		if class, e := classOf(t, send(t, d, deliver.Envelope{}, letter)); class != taken || time.Since(start) > mostAnswer {
			t.Errorf("%d after %v: %v", class, time.Since(start), e)
		}
		_ = d.Close()
		_, _ = ours.Close(), theirs.Close()
		<-done
	})
}

// TestFates: what a task says in each version of the API.
func TestFates(t *testing.T) {
	for text, want := range map[string]fate{
		`[{"task_id":"t","status":"SUCCESS","result":null}]`:                                                             succeeded,
		`{"results":[{"task_id":"t","status":"success","result_data":{"document_id":7}}]}`:                               succeeded,
		`{"results":[{"task_id":"t","status":"failure","result_data":{"duplicate_of":7,"duplicate_in_trash":false}}]}`:   succeeded,
		`{"results":[{"task_id":"t","status":"failure","result_data":{"duplicate_of":7,"duplicate_in_trash":true}}]}`:    failed,
		`{"results":[{"task_id":"t","status":"failure","result_data":{"duplicate_of":null,"error_message":"no Tika"}}]}`: failed,
		`{"results":[{"task_id":"t","status":"pending","result_data":null}]}`:                                            running,
		`[{"task_id":"another","status":"SUCCESS"}]`:                                                                     unknown,
		`[]`: unknown,
	} {
		h := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = io.WriteString(w, text) }))
		_, got, err := New(options("paperless", h.URL)).look(t.Context(), "t")
		h.Close()
		if err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
}

// TestKeptConnection: a request is sent once, also if a connection that was kept breaks.
func TestKeptConnection(t *testing.T) {
	s := &servicetest.Server{Preset: "raw", Fault: func(n int) *servicetest.Fault {
		if n == 2 {
			return &servicetest.Fault{Stored: true, Lost: true}
		}
		return nil
	}}
	d := New(options("raw", s.Start(t)))
	for i, want := range []deliver.Class{taken, deliver.Failed, taken} {
		if class, e := classOf(t, send(t, d, deliver.Envelope{UID: strconv.Itoa(i)}, letter)); class != want {
			t.Errorf("%d: %v", i, e.Err)
		}
	}
	if n := len(s.Messages()); n != 3 {
		t.Errorf("%d requests arrived", n)
	}
}

// TestSilence: an answer is waited for as long as it makes sense to, and no longer.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		o := options("raw", "http://service/in")
		o.Web.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		d, start := New(o), time.Now()
		class, e := classOf(t, send(t, d, deliver.Envelope{}, letter))
		if took := time.Since(start); class != deliver.Failed || took != leastWait || !strings.Contains(e.Error(), "may have been delivered") {
			t.Errorf("%d after %v: %v", class, took, e)
		}
		_ = d.Close()
		_, _ = ours.Close(), theirs.Close()
	})
}

// TestTasks: a queued message is delivered when its task is done; until then it is not
// sent again.
func TestTasks(t *testing.T) {
	id := func(n int) string { return "task task-" + strconv.Itoa(n) }
	for name, row := range map[string]struct {
		task   func(n, look int) (string, string)
		served string // of an earlier run
		want   deliver.Class
		sent   int
		done   string
	}{
		"at once": {nil, "", taken, 1, ""},
		"in a while": {func(_, look int) (string, string) {
			return []string{"PENDING", "success"}[min(look-1, 1)], ""
		}, "", taken, 1, ""},
		"too slow": {func(int, int) (string, string) { return "STARTED", "" }, "", deliver.Later, 1, id(1)},
		"duplicate": {func(int, int) (string, string) {
			return "FAILURE", "message.eml: Not consuming message.eml: It is a duplicate of x (#7)."
		}, "", taken, 1, ""},
		"in the trash": {func(int, int) (string, string) {
			return "FAILURE", "Not consuming message.eml: It is a duplicate of x (#7). Note: existing document is in the trash."
		}, "", deliver.Failed, 1, ""},
		"fails":         {func(int, int) (string, string) { return "FAILURE", "Tika: connection refused" }, "", deliver.Failed, 1, ""},
		"revoked":       {func(int, int) (string, string) { return "REVOKED", "" }, "", deliver.Failed, 1, ""},
		"hidden":        {func(int, int) (string, string) { return "", "" }, "", deliver.Later, 1, id(1)},
		"earlier, done": {nil, id(1), taken, 0, ""},
		"earlier, runs": {func(int, int) (string, string) { return "STARTED", "" }, id(1), deliver.Later, 0, id(1)},
		"earlier, gone": {func(int, int) (string, string) { return "", "" }, id(9), deliver.Failed, 0, id(9)},
		"earlier, failed": {func(n, _ int) (string, string) {
			if n == 9 {
				return "FAILURE", "x"
			}
			return "SUCCESS", ""
		}, id(9), taken, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &servicetest.Server{Preset: "paperless", Task: row.task}
			d := New(options("paperless", s.Start(t)))
			d.slow.Store(name == "too slow" || name == "hidden")
			env := deliver.Envelope{UID: "1"}
			if row.served != "" {
				env.Served = []string{row.served}
			}
			class, e := classOf(t, send(t, d, env, letter))
			if class != row.want || len(s.Messages()) != row.sent || strings.Join(e.Done, " ") != row.done {
				t.Errorf("class %d, %v, done %q, %d sent", class, e.Err, e.Done, len(s.Messages()))
			}
		})
	}
}
