package gmail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/gmail/gmailtest"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// TestRefusals: what each refusal means: for this message, for now, for today, for the
// account. It lasts; nothing is stored.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		fault gmailtest.Fault
		class deliver.Class
		cause Cause
		pause time.Duration // at least
		text  string
	}{
		{gmailtest.Fault{Status: 400, Reason: "invalidArgument", Message: "Invalid From header"}, deliver.Never, Rejected, 0,
			"Invalid From header"},
		{gmailtest.Fault{Status: 400, Reason: "badRequest", Message: "Invalid attachment"}, deliver.Never, Rejected, 0,
			"Invalid attachment"},
		{gmailtest.Fault{Status: 400, Reason: "badRequest", Message: "Bad Request"}, deliver.Failed, Rejected, 0, "status 400 badRequest"},
		{gmailtest.Fault{Status: 400, Plain: true}, deliver.Failed, Rejected, 0, "status 400"},
		{gmailtest.Fault{Status: 400, Reason: "failedPrecondition", Message: "Mail service not enabled"}, deliver.CannotCreate,
			MailOff, 0, "Mail service not enabled"},
		{gmailtest.Fault{Status: 401, Reason: "authError", Message: "Invalid Credentials"}, deliver.Denied, LoginRefused, 0,
			"Invalid Credentials"},
		{gmailtest.Fault{Status: 403, Reason: "domainPolicy", Message: "The domain policy has disabled third-party apps"},
			deliver.Denied, Policy, 0, "domainPolicy"},
		{gmailtest.Fault{Status: 403, Reason: "insufficientPermissions", Message: "Insufficient Permission"}, deliver.Denied,
			NoScope, 0, ""},
		{gmailtest.Fault{Status: 403, Reason: "accessNotConfigured", Message: "Gmail API has not been used"}, deliver.Denied,
			APIOff, 0, ""},
		{gmailtest.Fault{Status: 403, Reason: "forbidden"}, deliver.Denied, CauseOther, 0, "status 403 forbidden"},
		{gmailtest.Fault{Status: 403, Reason: "dailyLimitExceeded", Message: "Daily Limit Exceeded"}, deliver.Unavailable,
			DailyLimit, time.Hour, ""},
		{gmailtest.Fault{Status: 403, Reason: "userRateLimitExceeded"}, deliver.Unavailable, Throttled, 0, ""},
		{gmailtest.Fault{Status: 429, Reason: "rateLimitExceeded", RetryAfter: "1000"}, deliver.Unavailable, Throttled,
			1000 * time.Second, ""},
		{gmailtest.Fault{Status: 429, Reason: "rateLimitExceeded", Message: "User-rate limit exceeded.  Retry after " +
			"2000-01-01T00:30:00.000Z"}, deliver.Unavailable, Throttled, 20 * time.Minute, ""},
		{gmailtest.Fault{Status: 404, Reason: "notFound"}, deliver.Unavailable, NotGmail, 0, ""},
		{gmailtest.Fault{Status: 413, Plain: true}, deliver.Never, TooBig, 0, "status 413"},
		{gmailtest.Fault{Status: 500, Reason: "backendError"}, deliver.Unavailable, Busy, 0, ""},
		{gmailtest.Fault{Status: 503, Plain: true}, deliver.Unavailable, Busy, 0, "status 503"},
		{gmailtest.Fault{Status: 302, Plain: true}, deliver.Unavailable, NotGmail, 0, ""},
	} {
		t.Run(fmt.Sprintf("%d %s %s", row.fault.Status, row.fault.Reason, row.fault.Message), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, o := bubble(t)
				s.Fault = func(call string, _ int) *gmailtest.Fault {
					if call == "import" {
						return &row.fault
					}
					return nil
				}
				b, _ := prepared(t, New(o), letter(1))
				e := errorOf(t, b.Publish(t.Context())[0].Err)
				if e.Class != row.class || causeOf(e) != row.cause || e.Pause < row.pause || row.pause == 0 && e.Pause != 0 {
					t.Errorf("class %d, cause %d, pause %v: %v", e.Class, causeOf(e), e.Pause, e)
				}
				if !strings.Contains(e.Error(), row.text) || !strings.HasPrefix(e.Error(), "gmail test: import: ") {
					t.Errorf("%q lacks %q", e, row.text)
				}
				if len(s.Messages()) > 0 {
					t.Error("stored")
				}
			})
		})
	}
}

// bubble is a server without a network, for time that passes at once.
func bubble(t *testing.T) (*gmailtest.Server, Options) {
	s := gmailtest.New()
	dial := s.Pipe(t)
	return s, Options{Base: "http://gmail.test", Web: web.Options{Name: "test",
		Dial: func(context.Context, string, string) (net.Conn, error) { return dial() }}}
}

// TestStorm: a server that fails is asked after growing pauses, and the account waits
// when they have grown too long; when the storm is over everything arrives.
func TestStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, o := bubble(t)
		o.Uploads = 1
		var at []time.Time
		storm := true
		s.Fault = func(call string, _ int) *gmailtest.Fault {
			if call != "import" || !storm {
				return nil
			}
			at = append(at, time.Now())
			return &gmailtest.Fault{Status: 503, Reason: "backendError"}
		}
		d := New(o)
		b, _ := prepared(t, d, letter(1), letter(2))
		results := b.Publish(t.Context())
		if e := errorOf(t, results[1].Err); e.Class != deliver.Unavailable || len(at) != tries {
			t.Fatalf("%v after %d tries", e, len(at))
		}
		for i := range at[2:] {
			first, second := at[i+1].Sub(at[i]), at[i+2].Sub(at[i+1])
			if second < first/2 || at[len(at)-1].Sub(at[len(at)-2]) < 15*time.Second {
				t.Errorf("pauses do not grow: %v, %v", first, second)
			}
		}
		storm = false
		b, _ = prepared(t, d, letter(1), letter(2))
		for _, r := range b.Publish(t.Context()) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		once(t, s, letter(1), letter(2))
	})
}

// TestOneBadMessage: a message at which the server always fails does not stop the others.
func TestOneBadMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, o := bubble(t)
		o.Uploads = 2
		s.Fault = func(call string, n int) *gmailtest.Fault {
			if call == "session" {
				return &gmailtest.Fault{Status: 500, Reason: "backendError"}
			}
			return nil
		}
		big := append(letter(1), bytes.Repeat([]byte("A line of a large message.\n"), 200_000)...)
		b, _ := prepared(t, New(o), big, letter(2), letter(3))
		results := b.Publish(t.Context())
		if e := errorOf(t, results[0].Err); e.Class != deliver.Failed || results[1].Err != nil || results[2].Err != nil {
			t.Errorf("%v, %v, %v", e, results[1].Err, results[2].Err)
		}
	})
}

// TestQuota: 10,000 messages at the quota take as long as it allows, and hardly any call
// is refused. Halfway the quota shrinks: another program uses it too.
func TestQuota(t *testing.T) {
	t.Parallel()
	for name, units := range map[string]int{"whole": 6000, "half": 3000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, o := bubble(t)
				s.Units, s.Forget = units, true
				s.Fault = func(string, int) *gmailtest.Fault { time.Sleep(700 * time.Millisecond); return nil } // it takes its time
				d := New(o)
				start := time.Now()
				const n = 10_000
				for i := 0; i < n; i += d.MaxBatch() {
					var msgs [][]byte
					for j := i; j < min(i+d.MaxBatch(), n); j++ {
						msgs = append(msgs, letter(j))
					}
					b, _ := prepared(t, d, msgs...)
					for _, r := range b.Publish(t.Context()) {
						if r.Err != nil {
							t.Fatal(r.Err)
						}
					}
				}
				took := time.Since(start)
				refused := 0
				for _, line := range s.Log() {
					if strings.HasSuffix(line, " 403") {
						refused++
					}
				}
				pace := float64(n*costStore) / took.Minutes() / float64(units)
				t.Logf("%v, %.1f %% of the quota, %d of %d calls refused", took, 100*pace, refused, len(s.Log()))
				if refused*50 > len(s.Log()) || name == "whole" && pace < 0.95 || pace > 1.01 || pace < 0.8 {
					t.Errorf("%.1f %% of the quota, %d of %d calls refused", 100*pace, refused, len(s.Log()))
				}
				if len(s.Messages()) != n {
					t.Errorf("%d messages", len(s.Messages()))
				}
				_ = d.Close()
			})
		})
	}
}

// TestResumes: an upload that breaks off goes on where it was.
func TestResumes(t *testing.T) {
	t.Parallel()
	big := append(letter(1), bytes.Repeat([]byte("A line of a large message.\n"), 400_000)...)
	for name, fault := range map[string]func(call string, n int) *gmailtest.Fault{
		"cut twice": func(call string, n int) *gmailtest.Fault {
			return map[string]*gmailtest.Fault{"upload 1": {Cut: 3 << 20}, "upload 3": {Cut: 4 << 20}}[fmt.Sprint(call, " ", n)]
		},
		"503 in the middle": func(call string, n int) *gmailtest.Fault {
			return map[string]*gmailtest.Fault{"upload 1": {Cut: 3 << 20, Status: 503}}[fmt.Sprint(call, " ", n)]
		},
		"the question fails too": func(call string, n int) *gmailtest.Fault {
			return map[string]*gmailtest.Fault{"upload 1": {Cut: 3 << 20}, "upload 2": {}}[fmt.Sprint(call, " ", n)]
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := gmailtest.New()
			s.Fault = fault
			d := New(options(s.Start(t)))
			b, _ := prepared(t, d, big)
			if r := b.Publish(t.Context()); r[0].Err != nil {
				t.Fatal(r[0].Err)
			}
			once(t, s, big)
			if s.Calls("session") != 1 || s.Resumed() < 2<<20 {
				t.Errorf("%d sessions, %d octets resumed", s.Calls("session"), s.Resumed())
			}
		})
	}
	t.Run("the session is gone", func(t *testing.T) {
		s := gmailtest.New()
		s.Fault = func(call string, n int) *gmailtest.Fault {
			return map[string]*gmailtest.Fault{"upload 1": {Cut: 3 << 20}, "upload 2": {Status: 410}}[fmt.Sprint(call, " ", n)]
		}
		d := New(options(s.Start(t)))
		b, _ := prepared(t, d, big)
		if r := b.Publish(t.Context()); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		once(t, s, big)
	})
}

// TestResumedRefused: what is said of the rest of an upload is not about the message.
func TestResumedRefused(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	s.Fault = func(call string, n int) *gmailtest.Fault {
		bad := &gmailtest.Fault{Status: 400, Reason: "badRequest", Message: "Failed to parse Content-Range header."}
		return map[string]*gmailtest.Fault{"upload 1": {Cut: 3 << 20}, "upload 3": bad}[fmt.Sprint(call, " ", n)]
	}
	b, _ := prepared(t, New(options(s.Start(t))), append(letter(1), bytes.Repeat([]byte("A line of a large message.\n"), 400_000)...))
	if e, ok := errors.AsType[*deliver.Error](b.Publish(t.Context())[0].Err); !ok || e.Class != deliver.Failed {
		t.Errorf("%v, want failed", e)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	o := options(s.Start(t))
	o.Labels = []string{"INBOX", "Altes Postfach/Grüße", "STARRED"}
	d := New(o)
	store := func(n int) []string {
		t.Helper()
		b, _ := prepared(t, d, letter(n))
		if r := b.Publish(t.Context()); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		return s.Messages()[n].Labels
	}
	first := store(0)
	if got := s.Labels(); !slices.Equal(got, []string{"Altes Postfach", "Altes Postfach/Grüße"}) ||
		len(first) != 3 || first[0] != "INBOX" {
		t.Errorf("labels %q, message %q", got, first)
	}
	s.RemoveLabel("Altes Postfach/Grüße") // while the run goes on
	if again := store(1); again[1] == first[1] || len(s.Labels()) != 2 {
		t.Errorf("%q, %q", again, s.Labels())
	}
	d = New(o)
	o.Labels[1] = "altes postfach/GRÜßE" // Gmail does not tell case
	if store(2); len(s.Labels()) != 2 {
		t.Errorf("%q", s.Labels())
	}
}

// TestLabelsUnreadable: a label is gone, and the others cannot be read now. That is no
// refusal of the message.
func TestLabelsUnreadable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, o := bubble(t)
		o.Labels = []string{"Old"}
		s.Fault = func(call string, n int) *gmailtest.Fault {
			if call == "labels" && n > 1 {
				return &gmailtest.Fault{Status: 503}
			}
			return nil
		}
		b, _ := prepared(t, New(o), letter(0))
		s.RemoveLabel("Old")
		if e := errorOf(t, b.Publish(t.Context())[0].Err); e.Class != deliver.Unavailable {
			t.Errorf("class %d: %v", e.Class, e)
		}
	})
}

// TestWholeAndUnfinished: an upload whose octets are all there may be stored any moment.
// Until then the server is asked after growing pauses, and nothing is sent again.
func TestWholeAndUnfinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		big := append(letter(1), bytes.Repeat([]byte("A line of a large message.\n"), 400_000)...)
		s, o := bubble(t)
		s.Slow = 20 * time.Second
		b, _ := prepared(t, New(o), big)
		if r := b.Publish(t.Context()); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
		once(t, s, big)
		if n := s.Calls("session"); n != 1 {
			t.Errorf("%d uploads", n)
		}
	})
}

func TestLabelsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		label string
		most  int
		text  string
	}{
		{"^all", 0, "label ^all: status 400 invalidArgument: Invalid label name"},
		{"New", 10, "label New: status 400 failedPrecondition: Too many labels"},
	} {
		s := gmailtest.New()
		s.MaxLabels = row.most
		o := options(s.Start(t))
		if o.Labels = []string{row.label}; row.most > 0 {
			s.MaxLabels = 9
		}
		_, err := New(o).Begin(t.Context())
		if e := errorOf(t, err); e.Class != deliver.CannotCreate || causeOf(e) != LabelRefused || !strings.HasSuffix(e.Error(), row.text) {
			t.Errorf("%v", e)
		}
	}
}

// TestTooBig: what is larger than Gmail takes is known before it is uploaded.
func TestTooBig(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	o := options(s.Start(t))
	o.Insert = true
	d := New(o)
	b, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = b.Add(t.Context(), deliver.Envelope{}, io.LimitReader(endless{}, 51<<20))
	if e := errorOf(t, err); e.Class != deliver.Never || causeOf(e) != TooBig ||
		!strings.Contains(e.Error(), "50 MiB that messages.insert takes") {
		t.Errorf("%v", e)
	}
	if err := b.Abort(); err != nil {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "line\n"[i%5]
	}
	return len(p), nil
}

// TestRequest: the form of a delivery.
func TestRequest(t *testing.T) {
	t.Parallel()
	var got []string
	s := gmailtest.New()
	o := options(s.Start(t))
	o.NeverMarkSpam = true
	o.Web.Trace = func(sent bool, line string) { got = append(got, line) }
	o.Web.Authorize = func(context.Context) (string, error) { return "Bearer s3cr3t", nil }
	b, _ := prepared(t, New(o), letter(1))
	if r := b.Publish(t.Context()); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	trace := strings.Join(got, "\n")
	if strings.Contains(trace, "s3cr3t") || !strings.Contains(trace, "POST /upload/gmail/v1/users/me/messages/import, ") {
		t.Errorf("%s", trace)
	}
	m := s.Messages()[0]
	if !m.Internal.Equal(time.Date(2015, 10, 5, 0, 1, 11, 0, time.UTC)) || !slices.Equal(m.Labels, []string{"INBOX", "UNREAD"}) {
		t.Errorf("%v, %v", m.Internal, m.Labels)
	}
	if url := New(o).storeURL("media"); !strings.Contains(url, "neverMarkSpam=true") ||
		!strings.Contains(url, "internalDateSource=dateHeader") {
		t.Error(url)
	}
}

// TestRawReader: the member is found whatever surrounds it, and a broken answer is an
// error.
func TestRawReader(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"raw":"SGk_"}`: "Hi?",
		"{ \"snippet\": \"a \\\"raw\\\": \\\\\",\n \"payload\": {\"raw\": \"eA\"}, \"raw\" :\t\"SGk_IQ\\u003d\\u003d\" }": "Hi?!",
		`{"labelIds":["raw","x"],"raw":"SGk/IQ=="}`: "Hi?!",
		`{"raw":""}`: "",
	} {
		r, err := rawReader(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "{", `{"id":"x"}`, `{"payload":{"raw":"eA"}}`, `{"raw":"SGk`, `{"raw":"S*k"}`,
		`["raw","eA"]`, `{"x":"raw`} {
		r, err := rawReader(strings.NewReader(text))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

func FuzzRawReader(f *testing.F) {
	f.Add(`{"id":"x","raw":"SGk_"}`)
	f.Fuzz(func(_ *testing.T, text string) {
		if r, err := rawReader(strings.NewReader(text)); err == nil {
			_, _ = io.Copy(io.Discard, r)
		}
	})
}

// TestNoToken: the token cannot be had, and the error says why.
func TestNoToken(t *testing.T) {
	t.Parallel()
	s := gmailtest.New()
	o := options(s.Start(t))
	why := errors.New("policy_enforced")
	o.Web.Authorize = func(context.Context) (string, error) { return "", why }
	_, err := New(o).Begin(t.Context())
	if e := errorOf(t, err); e.Class != deliver.Denied || !errors.Is(err, why) || s.Calls("labels") != 0 {
		t.Errorf("%v", e)
	}
}
