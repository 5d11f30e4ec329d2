package smtp

import (
	"errors"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestRecipients delivers to several, of whom some are refused; Done of the
// failure goes back as Served, as the engine does it.
func TestRecipients(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		lmtp   bool
		to     []string
		served []string
		want   string   // result
		done   []string // Error.Done
		got    []string // who the receiver delivered to
	}{
		{"all", false, []string{"a@x", "b@x"}, nil, "ok 250", nil, []string{"a@x", "b@x"}},
		{"each once", false, []string{"a@x", "b@x", "a@x"}, nil, "ok 250", nil, []string{"a@x", "b@x"}},
		{"SMTP, one unknown", false, []string{"a@x", "nobody@x", "b@x"}, nil,
			"later: RCPT <nobody@x>: 550 5.1.1 no such user (1 of 3 recipients)", []string{"a@x", "b@x"}, []string{"a@x", "b@x"}},
		{"SMTP, all unknown", false, []string{"nobody@x", "nobody@y"}, nil,
			"cannot create: RCPT <nobody@x>: 550 5.1.1 no such user (2 of 2 recipients)", nil, nil},
		{"LMTP, one full", true, []string{"a@x", "full@x", "b@x"}, nil,
			"later: reply to the message for <full@x>: 452 4.2.2", []string{"a@x", "b@x"}, []string{"a@x", "b@x"}},
		{"LMTP, one unknown among good ones", true, []string{"a@x", "nobody@x", "b@x"}, nil,
			"later: RCPT <nobody@x>: 550 5.1.1 no such user (1 of 3 recipients)", []string{"a@x", "b@x"}, []string{"a@x", "b@x"}},
		{"LMTP, one full and one unknown", true, []string{"nobody@x", "full@x", "b@x"}, nil,
			"later: RCPT <nobody@x>: 550 5.1.1 no such user (2 of 3 recipients)", []string{"b@x"}, []string{"b@x"}},
		{"the rest only", true, []string{"a@x", "b@x"}, []string{"a@x"}, "ok 250", nil, []string{"b@x"}},
		{"the rest is refused", true, []string{"a@x", "nobody@x"}, []string{"a@x"},
			"cannot create: RCPT <nobody@x>: 550", []string{"a@x"}, nil},
		{"all served", true, []string{"a@x"}, []string{"a@x"}, "ok delivered before", nil, nil},
		{"not an address", false, []string{"a@x", "b@x>\r\nRSET"}, nil,
			`later: not an address: "b@x>\r\nRSET"`, []string{"a@x"}, []string{"a@x"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := startReceiver(t, "tcp", func(s *gosmtp.Server) { s.LMTP = tc.lmtp })
			d := New(Options{Address: r.addr, LMTP: tc.lmtp, Security: NoTLS, To: tc.to})
			defer d.Close()
			res := deliverOne(t, d, deliver.Envelope{Served: tc.served}, "x\n")
			if got := describe(res); !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			var e *deliver.Error
			if errors.As(res.Err, &e); e != nil {
				if diff := cmp.Diff(tc.done, e.Done); diff != "" {
					t.Error("Done:", diff)
				}
			}
			var got []string
			for _, m := range r.received() {
				got = append(got, m.to...)
			}
			if diff := cmp.Diff(tc.got, got); diff != "" {
				t.Error("delivered to:", diff)
			}
			again := describe(deliverOne(t, d, deliver.Envelope{Recipients: []string{"next@x"}}, "x\n"))
			if !strings.HasPrefix(again, "ok 250") {
				t.Errorf("the message after it: %q", again)
			}
		})
	}
}

// TestLMTPLostBetweenReplies: the first recipient has it, of the second nobody
// knows.
func TestLMTPLostBetweenReplies(t *testing.T) {
	t.Parallel()
	script := "S: 220 x\nC: LHLO\nS: 250-x\\n250 PIPELINING\nLINES 4\nS: 250 ok\\n250 ok\\n250 ok\\n354 go\nBODY\nS: 250 saved\n"
	d := New(Options{LMTP: true, Address: startScript(t, script), Security: NoTLS, To: []string{"a", "b"}})
	defer d.Close()
	res := deliverOne(t, d, deliver.Envelope{}, "x\n")
	want := "failed: reply to the message: connection closed by the relay; the message may have been delivered (1 of 2 recipients)"
	if diff := cmp.Diff(want, describe(res)); diff != "" {
		t.Error(diff)
	}
	var e *deliver.Error
	if !errors.As(res.Err, &e) || cmp.Diff([]string{"a"}, e.Done) != "" {
		t.Errorf("done: %+v", e)
	}
}

// TestManyRecipients takes more than one round trip.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	r := startReceiver(t, "tcp", nil)
	var to []string
	for i := range 3*maxPipelined + 1 {
		to = append(to, strings.Repeat("x", i+1)+"@x")
	}
	d := New(Options{Address: r.addr, Security: NoTLS, To: to})
	defer d.Close()
	if res := deliverOne(t, d, deliver.Envelope{}, "x\n"); res.Err != nil {
		t.Fatal(res.Err)
	}
	if got := r.received(); len(got) != 1 || cmp.Diff(to, got[0].to) != "" {
		t.Errorf("got %v", got)
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	utf8 := func(s *gosmtp.Server) { s.EnableSMTPUTF8 = true }
	tests := []struct {
		name   string
		change func(*gosmtp.Server)
		env    deliver.Envelope
		body   string
		want   string
		from   string
		opts   gosmtp.MailOptions
	}{
		{"configured sender", nil, deliver.Envelope{}, "x\n", "ok", "conf@x", gosmtp.MailOptions{Size: 3}},
		{"null sender", nil, deliver.Envelope{HasSender: true}, "x\n", "ok", "", gosmtp.MailOptions{Size: 3}},
		{"Return-Path", nil, deliver.Envelope{HasSender: true, Sender: "a@x"}, ".x\n", "ok", "a@x", gosmtp.MailOptions{Size: 4}},
		{"hostile Return-Path", nil, deliver.Envelope{HasSender: true, Sender: "a@x> SIZE=1\r\nQUIT"}, "x", "ok", "conf@x",
			gosmtp.MailOptions{Size: 3}},
		{"8-bit", nil, deliver.Envelope{}, "\xe4\n", "ok", "conf@x", gosmtp.MailOptions{Size: 3, Body: gosmtp.Body8BitMIME}},
		{"SMTPUTF8", utf8, deliver.Envelope{HasSender: true, Sender: "ä@x"}, "x\n", "ok", "ä@x", gosmtp.MailOptions{Size: 3, UTF8: true}},
		{"no SMTPUTF8", nil, deliver.Envelope{HasSender: true, Sender: "ä@x"}, "x\n", "ok", "conf@x", gosmtp.MailOptions{Size: 3}},
		{"too large", func(s *gosmtp.Server) { s.MaxMessageBytes = 10 }, deliver.Envelope{}, "0123456789\n",
			"never: message of 12 octets is over the relay's limit of 10", "", gosmtp.MailOptions{}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			r := startReceiver(t, "tcp", tc.change)
			d := New(Options{Address: r.addr, Security: NoTLS, From: "conf@x", To: []string{"t@x"}})
			defer d.Close()
			if got := describe(deliverOne(t, d, tc.env, tc.body)); !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			var got received
			for _, got = range r.received() {
			}
			if diff := cmp.Diff(tc.opts, got.opts); diff != "" || got.from != tc.from {
				t.Errorf("from %q, options: %s", got.from, diff)
			}
		})
	}
}

func TestValidAddress(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"a@b": true, "alice": true, "": true, `"a b"@c`: true, `"a>\"b"@c`: true, "ä@x": true,
		"a b@c": false, "a@b>": false, "<a@b": false, "a\r\n@b": false, "a\x00": false, `"a@b`: false, `"a\`: false,
		"\xff@x": false, strings.Repeat("x", 255): false, strings.Repeat("x", 254): true,
	} {
		if got := validAddress(s); got != want {
			t.Errorf("validAddress(%q) = %v", s, got)
		}
	}
}
