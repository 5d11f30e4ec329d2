package pop3test_test

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestFaults sends lines in one write, after the login, and compares all that
// comes back until the connection ends.
func TestFaults(t *testing.T) {
	const bye = "+OK bye\r\n"
	tests := []struct {
		name   string
		faults []pop3test.Fault
		send   string
		want   string
		left   int
	}{
		{"none", nil, "DELE 1\r\nQUIT", "+OK deleted\r\n" + bye, 1},
		{"err once", []pop3test.Fault{{On: "noop", Do: pop3test.Err("[SYS/TEMP] no")}},
			"NOOP\r\nNOOP\r\nQUIT", "-ERR [SYS/TEMP] no\r\n+OK\r\n" + bye, 2},
		{"err always from the second", []pop3test.Fault{{On: "NOOP", Nth: 2, Always: true, Do: pop3test.Err("no")}},
			"NOOP\r\nNOOP\r\nNOOP\r\nQUIT", "+OK\r\n-ERR no\r\n-ERR no\r\n" + bye, 2},
		{"words, not letters", []pop3test.Fault{{On: "LIST 1", Do: pop3test.Err("no")}},
			"LIST 11\r\nLIST 1\r\nQUIT", "-ERR no such message\r\n-ERR no\r\n" + bye, 2},
		{"err does not delete", []pop3test.Fault{{On: "DELE", Do: pop3test.Err("no")}},
			"DELE 1\r\nQUIT", "-ERR no\r\n" + bye, 2},
		{"done deletes", []pop3test.Fault{{On: "DELE", Done: true, Do: pop3test.Err("no")}},
			"DELE 1\r\nQUIT", "-ERR no\r\n" + bye, 1},
		{"cut before quit", []pop3test.Fault{{On: "QUIT", Do: pop3test.Cut()}}, "DELE 1\r\nQUIT", "+OK deleted\r\n", 2},
		{"cut instead of quit's reply", []pop3test.Fault{{On: "QUIT", Done: true, Do: pop3test.Cut()}},
			"DELE 1\r\nQUIT", "+OK deleted\r\n", 1},
		{"cut in a body", []pop3test.Fault{{On: "RETR 2", After: 24, Do: pop3test.Cut()}},
			"RETR 1\r\nRETR 2", "+OK 11 octets\r\nS: 1\r\n\r\nx\r\n.\r\n+OK 11 octets\r\nS: 1\r\n\r\nx", 2},
		{"raw for the rest", []pop3test.Fault{{On: "UIDL", After: 5, Do: pop3test.Raw("x\r\n1 \x1b[31m\r\n.\r\n")}},
			"UIDL\r\nQUIT", "+OK\r\nx\r\n1 \x1b[31m\r\n.\r\n" + bye, 2},
		{"no terminator", []pop3test.Fault{{On: "LIST", After: 15, Do: pop3test.Raw("")}, {On: "LIST", After: -1, Do: pop3test.Cut()}},
			"LIST", "+OK\r\n1 11\r\n2 11", 2},
		{"append", []pop3test.Fault{{On: "NOOP", Do: pop3test.Append("+OK more\r\n")}},
			"NOOP\r\nQUIT", "+OK\r\n+OK more\r\n" + bye, 2},
		{"cut behind a reply", []pop3test.Fault{{On: "NOOP", After: -1, Do: pop3test.Cut()}}, "NOOP\r\nQUIT", "+OK\r\n", 2},
		{"raw and cut", []pop3test.Fault{{On: "NOOP", Do: pop3test.Raw("+O")}, {On: "NOOP", Do: pop3test.Cut()}}, "NOOP", "+O", 2},
		{"drip", []pop3test.Fault{{On: "NOOP", After: 1, Do: pop3test.Drip(time.Microsecond)}}, "NOOP\r\nQUIT", "+OK\r\n" + bye, 2},
		{"pause", []pop3test.Fault{{On: "NOOP", Do: pop3test.Pause(time.Millisecond)}}, "NOOP\r\nQUIT", "+OK\r\n" + bye, 2},
		{"any command", []pop3test.Fault{{Nth: 4, Do: pop3test.Err("fourth")}}, "NOOP\r\nNOOP\r\nQUIT", "+OK\r\n-ERR fourth\r\n" + bye, 2},
		{"hang up on pipelining", []pop3test.Fault{{Always: true, Do: pop3test.HangUpOnPipelining()}}, "NOOP\r\nNOOP\r\nQUIT", "", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &pop3test.Maildrop{}
			d.AddAll([][]byte{[]byte("S: 1\r\n\r\nx"), []byte("S: 1\r\n\r\nx")})
			_, c := plain(t, d, pop3test.Options{Faults: tt.faults})
			c.login()
			c.send("%s", tt.send)
			got, err := io.ReadAll(c.br)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if d.Len() != tt.left {
				t.Errorf("%d left, want %d", d.Len(), tt.left)
			}
		})
	}
}

// TestEvents shows what a client sees of faults before its first command.
func TestEvents(t *testing.T) {
	tests := []struct {
		fault pop3test.Fault
		want  string
	}{
		{pop3test.Fault{On: "connect", Do: pop3test.Cut()}, ""},
		{pop3test.Fault{On: "connect", Do: pop3test.Raw("SSH-2.0\r\n")}, "SSH-2.0\r\n"},
		{pop3test.Fault{On: "greeting", Do: pop3test.Err("busy")}, "-ERR busy\r\n"},
		{pop3test.Fault{On: "greeting", After: 2, Do: pop3test.Cut()}, "+O"},
		{pop3test.Fault{On: "login", Do: pop3test.Err("[SYS/TEMP]")},
			"+OK pop3test ready\r\n+OK send PASS\r\n-ERR [SYS/TEMP]\r\n+OK bye\r\n"},
	}
	for _, tt := range tests {
		d := filled(1)
		s := pop3test.NewServer(d, pop3test.Options{Security: pop3test.Plain, Faults: []pop3test.Fault{tt.fault}})
		c := dial(t, s.Addr(), nil)
		io.WriteString(c.conn, "USER alice\r\nPASS secret\r\nQUIT\r\n")
		got, _ := io.ReadAll(c.br)
		text := string(got)
		if tt.want == "-ERR busy\r\n" { // the session goes on behind it
			text, _, _ = strings.Cut(text, "+OK")
		}
		if text != tt.want {
			t.Errorf("%+v: %q, want %q", tt.fault, text, tt.want)
		}
		s.Close()
	}
}

func TestEndless(t *testing.T) {
	tests := []struct {
		command string
		do      pop3test.Action
		want    string
	}{
		{"UIDL", pop3test.EndlessList(), "+OK\r\n1 uid-1\r\n2 uid-2\r\n"},
		{"LIST", pop3test.EndlessList(), "+OK\r\n1 1000\r\n2 1000\r\n"},
		{"CAPA", pop3test.EndlessList(), "+OK\r\nX-CAPABILITY-1\r\n"},
		{"RETR 1", pop3test.EndlessBody(), "+OK\r\nSubject: endless\r\n\r\nA line"},
		{"NOOP", pop3test.EndlessLine(), strings.Repeat("A", 100_000)},
	}
	for _, tt := range tests {
		_, c := plain(t, filled(1), pop3test.Options{Faults: []pop3test.Fault{{On: tt.command, Do: tt.do}}})
		c.login()
		c.send("%s", tt.command)
		got := make([]byte, len(tt.want))
		if _, err := io.ReadFull(c.br, got); err != nil || string(got) != tt.want {
			t.Errorf("%s: %.80q, %v", tt.command, got, err)
		}
		if _, err := io.CopyN(io.Discard, c.br, 1<<20); err != nil {
			t.Errorf("%s ends: %v", tt.command, err)
		}
	}
}

// TestStallEndsWithTheServer stalls in every place; Close has to end it.
func TestStallEndsWithTheServer(t *testing.T) {
	for _, on := range []string{"connect", "tls", "greeting", "STLS", "login", "RETR 1"} {
		o := pop3test.Options{Security: pop3test.STLS, LoginBeforeTLS: true, Faults: []pop3test.Fault{{On: on, Do: pop3test.Stall()}}}
		s := pop3test.NewServer(filled(1), o)
		c := dial(t, s.Addr(), nil)
		send := "USER alice\r\nPASS secret\r\nRETR 1\r\n"
		if on == "tls" || on == "STLS" {
			send = "STLS\r\n"
		}
		io.WriteString(c.conn, send)
		done := make(chan struct{})
		go func() { defer close(done); io.Copy(io.Discard, c.br) }()
		select {
		case <-done:
			t.Errorf("%s: the connection ended before Close", on)
		case <-time.After(20 * time.Millisecond): // a stall can be seen only by waiting
		}
		s.Close()
		<-done
	}
}

func TestInjectAfterSTLS(t *testing.T) {
	s := pop3test.NewServer(filled(1), pop3test.Options{Security: pop3test.STLS,
		Faults: []pop3test.Fault{pop3test.InjectAfterSTLS("+OK evil\r\n")}})
	defer s.Close()
	c := dial(t, s.Addr(), nil)
	c.want("+OK")
	c.cmd("+OK begin TLS", "STLS")
	c.want("+OK evil")
	c.startTLS(s.CA.ClientTLS())
	c.login()
}

func TestServeConnAndTLSFault(t *testing.T) {
	s := pop3test.NewServer(filled(1), pop3test.Options{Faults: []pop3test.Fault{{On: "tls", Do: pop3test.Raw("not TLS\r\n")}}})
	defer s.Close()
	if _, err := tls.Dial("tcp", s.Addr(), s.CA.ClientTLS()); err == nil {
		t.Error("handshake with garbage succeeded")
	}
	if conn, err := tls.Dial("tcp", s.Addr(), s.CA.ClientTLS()); err != nil {
		t.Errorf("the fault hit twice: %v", err)
	} else {
		conn.Close()
	}
	if s.Connections() != 2 {
		t.Errorf("%d connections", s.Connections())
	}
}
