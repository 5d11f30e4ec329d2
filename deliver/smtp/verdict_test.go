package smtp

import (
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// TestVerdict has the replies of real relays: whose matter is each, and what
// does the engine make of it for a recipient of the configuration (fixed) and
// for one that the message's header names?
func TestVerdict(t *testing.T) {
	t.Parallel()
	const later, never, stop, wrong = deliver.Later, deliver.Never, deliver.Unavailable, deliver.CannotCreate
	tests := []struct {
		who, text string
		phase     phase
		code      int
		want      verdict
		fixed     deliver.Class
		header    deliver.Class
	}{
		{"Postfix postscreen", "4.3.2 Service currently unavailable", phaseGreeting, 450, targetLater, stop, stop},
		{"RFC 5321", "no SMTP service here", phaseGreeting, 554, clientRefused, wrong, wrong},
		{"Exim", "Invalid HELO name (See RFC2821 4.1.1.1)", phaseHello, 550, helloRefused, wrong, wrong},
		{"Dovecot", "4.3.0 Temporary failure", phaseHello, 451, targetLater, stop, stop},
		{"Postfix SASL", "5.7.8 Error: authentication failed", phaseAuth, 535, loginWanted, deliver.Denied, deliver.Denied},
		{"Postfix SASL", "4.7.0 Temporary authentication failure", phaseAuth, 454, targetLater, stop, stop},
		{"any", "4.7.0 shutting down", phaseRcpt, 421, targetLater, stop, stop},

		{"Postfix anvil", "4.7.1 Error: too much mail from 127.0.0.1", phaseMail, 450, targetLater, stop, stop},
		{"Sendmail", "too many messages in this session", phaseMail, 452, targetLater, stop, stop},
		{"Postfix disk", "4.3.1 Insufficient system storage", phaseMail, 452, targetLater, stop, stop},
		{"Exim disk", "space shortage, please try later", phaseMail, 452, targetLater, stop, stop},
		{"Sendmail", "4.1.8 Domain of sender address a@b does not resolve", phaseMail, 451, senderRefused, later, later},
		{"Postfix", "5.1.7 Bad sender address syntax", phaseMail, 501, senderRefused, wrong, wrong},
		{"Exim", `<"a b"@x>: malformed address: b"@x> may not follow "a`, phaseMail, 501, senderRefused, wrong, wrong},
		{"Postfix", "5.3.4 Message size exceeds fixed limit", phaseMail, 552, messageNever, never, never},
		{"RFC 1870", "message size exceeds fixed maximum", phaseMail, 552, messageNever, never, never},
		{"Postfix", "5.7.0 Must issue a STARTTLS command first", phaseMail, 530, loginWanted, wrong, wrong},

		{"Postfix", "5.1.1 <pta@x>: Recipient address rejected: User unknown in local recipient table", phaseRcpt, 550,
			recipientNever, wrong, never},
		{"Postfix", "5.7.1 <a@b>: Relay access denied", phaseRcpt, 554, recipientNever, wrong, never},
		{"Exim", "relay not permitted", phaseRcpt, 550, recipientNever, wrong, never},
		{"Postfix", "5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", phaseRcpt, 504, helloRefused, wrong, wrong},
		{"Postfix", "4.7.1 <x>: Helo command rejected: Host not found", phaseRcpt, 450, targetLater, stop, stop},
		{"Postfix", "5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", phaseRcpt, 554, clientRefused, wrong, wrong},
		{"Postfix", "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example", phaseRcpt, 554, clientRefused,
			wrong, wrong},
		{"Postfix", "4.1.8 <a@nowhere>: Sender address rejected: Domain not found", phaseRcpt, 450, senderRefused, later, later},
		{"Postfix", "5.7.1 <a@b>: Sender address rejected: not owned by user pat", phaseRcpt, 553, senderRefused, wrong, wrong},
		{"Exim", "Sender verify failed", phaseRcpt, 550, senderRefused, wrong, wrong},
		{"postfix-policyd-spf", "5.7.23 <a@b>: Recipient address rejected: Message rejected due to: SPF fail", phaseRcpt, 550,
			senderRefused, wrong, wrong},
		{"postgrey", "4.2.0 <pat@x>: Recipient address rejected: Greylisted, see http://x", phaseRcpt, 450, recipientLater, later, later},
		{"Exim", "Temporary local problem - please try later", phaseRcpt, 451, recipientLater, later, later},
		{"Postfix", "4.5.3 Error: too many recipients", phaseRcpt, 452, recipientLater, later, later},
		{"Cyrus", "4.2.2 Over quota", phaseRcpt, 452, recipientFull, stop, later},
		{"Cyrus, permanent", "5.2.2 Over quota", phaseRcpt, 552, recipientFull, stop, later},
		{"RFC 5321", "exceeded storage allocation", phaseRcpt, 552, recipientFull, stop, later},
		{"Cyrus", "5.1.1 User unknown", phaseRcpt, 550, recipientNever, wrong, never},
		{"Postfix, smtpd_data_restrictions", "5.7.1 Access denied", phaseData, 554, clientRefused, wrong, wrong},

		{"Postfix cleanup", "5.3.4 Error: message file too big", phaseBody, 552, messageNever, never, never},
		{"some", "5.5.2 line too long", phaseBody, 500, messageNever, never, never},
		{"Postfix", "4.3.0 Error: queue file write error", phaseDot, 451, messageLater, later, later},
		{"RFC 5321", "insufficient storage", phaseDot, 452, messageLater, later, later},
		{"rspamd", "4.7.1 Try again later", phaseDot, 451, messageLater, later, later},
		{"rspamd", "4.7.1 Rate limit exceeded", phaseDot, 451, targetLater, stop, stop},
		{"rspamd", "5.7.1 Spam message rejected", phaseDot, 554, messageNever, never, never},
		{"Gmail", "5.7.26 unauthenticated, SPF and DKIM did not pass", phaseDot, 550, messageNever, never, never},
		{"Exim", "message has lines too long for transport", phaseDot, 550, messageNever, never, never},
		{"Dovecot LMTP", "5.2.2 <pat> Quota exceeded (mailbox for user is full)", phaseDot, 552, recipientFull, stop, later},
		{"Dovecot LMTP", "4.2.2 <pat> Quota exceeded (mailbox for user is full)", phaseDot, 452, recipientFull, stop, later},
		{"Dovecot LMTP", "4.3.0 <pat> Temporary internal error", phaseDot, 451, messageLater, later, later},
		{"Exchange", "5.1.10 RESOLVER.ADR.RecipientNotFound", phaseDot, 550, recipientNever, wrong, never},
		{"too large for the mailbox", "5.2.3 too large", phaseDot, 552, messageNever, never, never},
	}
	for _, tc := range tests {
		f := refusal{tc.phase, reply{tc.code, []string{tc.text}}}
		if v := f.verdict(); v != tc.want || f.class(true) != tc.fixed || f.class(false) != tc.header {
			t.Errorf("%s, %s: %d %s: verdict %d, classes %d and %d; want %d, %d and %d", tc.who, tc.phase, tc.code, tc.text,
				v, f.class(true), f.class(false), tc.want, tc.fixed, tc.header)
		}
		if f.class(true) == wrong && f.cause() == CauseOther {
			t.Errorf("%s, %s: %d %s: no cause", tc.who, tc.phase, tc.code, tc.text)
		}
	}
}

// TestOtherSender: a message is not held up by its Return-Path. Each script is
// the relay's side of one connection.
func TestOtherSender(t *testing.T) {
	t.Parallel()
	mail := func(from string) string { return "C: MAIL FROM:<" + from + ">\nC: RCPT TO:<a@b>\nC: DATA\n" }
	tests := []struct {
		name, sender string
		fixed        bool
		scripts      []string
		want         string
	}{
		{"MAIL 501", "odd", true, []string{hello + mail("odd") + "S: 501 5.1.7 bad sender\\n503 no\\n503 no\n" +
			mail("conf@x") + taken + quit}, "ok"},
		{"MAIL 553 to both", "odd", true, []string{hello + mail("odd") + "S: 553 no\\n503 no\\n503 no\n" + mail("conf@x") +
			"S: 553 nor this\\n503 no\\n503 no\n" + quit},
			"cannot create: MAIL: 553 nor this"},
		{"no such domain", "a@nowhere", true, []string{hello + mail("a@nowhere") +
			"S: 250 ok\\n450 4.1.8 <a@nowhere>: Sender address rejected: Domain not found\\n554 no\n" +
			"C: RSET\n" + mail("conf@x") + "S: 250 ok\n" + taken + quit}, "ok"},
		{"550 without a reason", "a@b", true, []string{hello + mail("a@b") + "S: 250 ok\\n550 no\\n554 no\nC: RSET\n" +
			mail("conf@x") + "S: 250 ok\n" + taken + quit}, "ok"},
		{"no such user", "a@b", true, []string{hello + mail("a@b") + "S: 250 ok\\n550 5.1.1 no\\n554 no\n" + quit},
			"cannot create: RCPT <a@b>: 550 5.1.1"},
		{"no such user of the header", "a@b", false, []string{hello + mail("a@b") + "S: 250 ok\\n550 5.1.1 no\\n554 no\n" +
			quit}, "never: RCPT <a@b>: 550 5.1.1"},
		{"SPF after the dot", "a@b", true, []string{hello + mail("a@b") +
			"S: 250 ok\\n250 ok\\n354 go\nBODY\nS: 550 5.7.23 SPF\n" + quit, hello + mail("conf@x") + taken + quit}, "ok"},
		{"the relay goes away", "a@b", true, []string{hello + mail("a@b") + "S: 250 ok\\n550 no\\n554 no\nC: RSET\n", ""},
			"unavailable: greeting: connection closed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			d := New(Options{Address: startScript(t, tc.scripts...), Security: NoTLS, From: "conf@x", To: []string{"a@b"}, Helo: "me"})
			e := deliver.Envelope{HasSender: true, Sender: tc.sender}
			if !tc.fixed {
				e.Recipients = []string{"a@b"}
			}
			want(t, deliverOne(t, d, e, "x\n"), tc.want)
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplyBeforeTheDot: it is this message's, never the next one's.
func TestReplyBeforeTheDot(t *testing.T) {
	t.Parallel()
	const small, data = "x\n", hello + envelope + "S: 250 ok\\n250 ok\\n354 go\n"
	tests := []struct {
		name, first, want string
		lmtp              bool
	}{
		{"500, and taken all the same", data + "LINES 1\nS: 500 5.5.2 line too long\nBODY\nS: 250 queued\n" + quit, "ok 250 queued", false},
		{"500, and refused", data + "LINES 1\nS: 500 5.5.2 line too long\nBODY\nS: 451 4.3.0 not yet\n" + quit,
			"later: reply to the message: 451", false},
		{"500, and nothing after it", data + "LINES 1\nS: 500 5.5.2 line too long\nBODY\n" + quit,
			"never: reply to the message: 500", false},
		{"500 for each line", data + "LINES 1\nS: 500 what?\nS: 250 noop\nS: 500 what?\nLINES 1\n" + quit,
			"never: reply to the message: 500", false},
		{"552 and hangs up", data + "LINES 1\nS: 552 5.3.4 too big\n", "never: reply to the message: 552", false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			d := New(Options{Address: startScript(t, tc.first, hello+envelope+taken+quit), Security: NoTLS, To: []string{"a@b"},
				Helo: "me"})
			want(t, deliverOne(t, d, deliver.Envelope{}, small), tc.want)
			want(t, deliverOne(t, d, deliver.Envelope{}, small), "ok 250 queued as 1")
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRefusedAndOddQuit: the answer to QUIT is none to the message, whatever
// its code.
func TestRefusedAndOddQuit(t *testing.T) {
	t.Parallel()
	for _, bye := range []string{"", "S: 221 bye\n", "S: 250 bye\n", "S: 421 bye\n", "S: 502 what?\n"} {
		for _, lmtp := range []bool{false, true} {
			greet, text := hello, "never: reply to the message: 550 no"
			if lmtp {
				greet, text = strings.Replace(hello, "EHLO", "LHLO", 1), "never: reply to the message for <a@b>: 550 no"
			}
			script := greet + envelope + "S: 250 ok\\n250 ok\\n354 go\nBODY\nS: 550 no\nC: QUIT\n" + bye
			d := New(Options{LMTP: lmtp, Address: startScript(t, script), Security: NoTLS, To: []string{"a@b"}, Helo: "me"})
			want(t, deliverOne(t, d, deliver.Envelope{}, "x\n"), text)
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestEarlyReplyShiftsLMTP: nobody is treated as served by another's reply.
func TestEarlyReplyShiftsLMTP(t *testing.T) {
	t.Parallel()
	yes, no, odd := reply{code: 250}, reply{code: 452}, reply{code: 500}
	for _, tc := range []struct {
		first, late []reply
		want        []int
	}{
		{[]reply{yes, no}, nil, []int{250, 452}},
		{[]reply{odd, yes}, []reply{no}, []int{250, 452}},
		{[]reply{odd, yes}, []reply{yes, no}, []int{500, 500}},
		{[]reply{odd}, []reply{yes}, []int{250}},
		{[]reply{odd}, []reply{yes, yes}, []int{500}},
	} {
		for i, r := range inStep(tc.first, tc.late) {
			if r.code != tc.want[i] {
				t.Errorf("%v then %v: reply %d is %d, want %d", tc.first, tc.late, i, r.code, tc.want[i])
			}
		}
	}
}

// TestUsedUpConnection: a relay that takes so many messages a connection gets
// another connection, and one that takes none there is left alone.
func TestUsedUpConnection(t *testing.T) {
	t.Parallel()
	const enough = "S: 451 4.3.0 too many messages in this session\\n503 no\\n503 no\n" + quit
	d := New(Options{Address: startScript(t, hello+envelope+taken+envelope+enough, hello+envelope+taken+envelope+enough,
		hello+envelope+enough),
		Security: NoTLS, To: []string{"a@b"}, Helo: "me"})
	for _, text := range []string{"ok", "ok", "unavailable: MAIL: 451"} {
		want(t, deliverOne(t, d, deliver.Envelope{}, "x\n"), text)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestGreetingName: a name without a dot is refused by relays that look at it.
func TestGreetingName(t *testing.T) {
	t.Parallel()
	want := "[127.0.0.1]"
	if name := machineName(); name != "" {
		want = name
	}
	d := New(Options{Address: startScript(t, "S: 220 x\nC: EHLO "+want+"\r\nS: 250 x\n"+quit), Security: NoTLS, To: []string{"a@b"}})
	if _, err := d.Begin(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func want(t *testing.T, r deliver.Result, text string) {
	t.Helper()
	if got := describe(r); len(got) < len(text) || got[:len(text)] != text {
		t.Errorf("got %q, want %q", got, text)
	}
}
