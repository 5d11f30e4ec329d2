package command

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// rawServer serves connections that are no POP3 sessions.
type rawServer func(conn net.Conn)

func (s rawServer) start(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			s(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// says sends one text and waits for the client to go.
func says(text string) rawServer {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// speaksTLS does a handshake whatever the client says.
func speaksTLS(conn net.Conn) {
	cert := pop3test.NewCA().Leaf("localhost")
	_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
}

// challenger sends challenges for ever.
type challenger struct{ size int }

func (c challenger) Next([]byte) ([]byte, bool, error) {
	return bytes.Repeat([]byte("x"), c.size), false, nil
}
func (challenger) User() string { return "" }

func challenges(size int) pop3test.Options {
	return pop3test.Options{Mechanisms: []string{"LOGIN"}, SASL: map[string]func(*tls.ConnectionState) pop3test.ServerMech{
		"LOGIN": func(*tls.ConnectionState) pop3test.ServerMech { return challenger{size} }}}
}

func hostiles() []hostile {
	var all []hostile
	for _, part := range [][]hostile{greetingRows(), tlsRows(), loginRows(), listRows(), numberRows(), bodyRows(), doubtRows(),
		identityRows(), endRows(), endlessRows()} {
		all = append(all, part...)
	}
	return all
}

func greetingRows() []hostile {
	injected := "evil" + esc("title") + "\x00\x7f"
	return []hostile{
		{does: "greets with -ERR and no reason", then: "stops before any secret is sent", o: always("greeting", pop3test.Err("")),
			exit: 76, says: "greeting: server refused"},
		{does: "greets with -ERR [SYS/TEMP]", then: "stops; the next run tries again",
			o: always("greeting", pop3test.Err("[SYS/TEMP] overloaded")), exit: 75, says: "[SYS/TEMP] overloaded"},
		{does: "greets with -ERR too many connections", then: "reads the words: later",
			o: always("greeting", pop3test.Err("too many connections from your address")), exit: 75, says: "too many connections"},
		{does: "is an IMAP server", then: "names it", raw: says("* OK IMAP4rev1 ready\r\n"), exit: 76, says: "looks like an IMAP server"},
		{does: "is an SMTP server", then: "names it", raw: says("220 mail.example ESMTP\r\n"), exit: 76, says: "looks like an SMTP"},
		{does: "is a POP2 server", then: "names it", raw: says("+ POP2 pop2.example server ready\r\n"), exit: 76,
			says: "This is a POP2 server"},
		{does: "is a server of the POP4 proposal that has no POP3", then: "names it",
			o: always("greeting", pop3test.Err("POP4 rev 1 only")), exit: 76, says: "of the POP4 proposal"},
		{does: "is a server of the POP4 proposal with a greeting of its own", then: "names it", raw: says("+ POP4 rev 2 here\r\n"),
			exit: 76,
			says: "of the POP4 proposal"},
		{does: "is a server of the POP4 proposal that begins as POP3", then: "uses it as POP3",
			o: always("greeting", pop3test.Raw("+OK pop.example POP4 rev 0 ready\r\n")), exit: 0, got: 5},
		{does: "is a web server", then: "names it", raw: says("HTTP/1.1 400 Bad Request\r\n\r\n"), exit: 76,
			says: "looks like a web server"},
		{does: "speaks TLS on a plain port", then: "gives up and says what the port may want", raw: speaksTLS, slow: true, exit: 69,
			says: "tls: implicit"},
		{does: "never greets", then: "waits for timeouts.connect", raw: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
			slow: true, exit: 69, says: "speaks TLS from the start on this port"},
		{does: "closes at once", then: "says so", raw: func(net.Conn) {}, exit: 69, says: "server closed the connection"},
		{does: "greets with 9,000 characters", then: "refuses the line",
			o: always("greeting", pop3test.Raw("+OK "+strings.Repeat("x", 9000)+"\r\n")), exit: 76, says: "line too long"},
		{does: "greets with escape sequences, NUL and DEL", then: "shows them escaped", o: always("greeting", pop3test.Err(injected)),
			exit: 76, says: `\x1b]0;title\a`},
		{does: "answers CAPA with garbage", then: "ignores what is no capability",
			o: pop3test.Options{Capa: []string{"\x00\x01\x02", esc("x"), strings.Repeat("A", 2000), "SASL", "USER", "", " ",
				"LOGIN-DELAY -5", "EXPIRE x"}}, exit: 0, got: 5},
		{does: "hangs up on CAPA", then: "goes on without, and remembers", o: always("CAPA", pop3test.Cut()), exit: 0, got: 5,
			says: "the server hangs up when it is asked what it can do"},
		{does: "falls silent at CAPA", then: "goes on without, and remembers", o: always("CAPA", pop3test.Stall()), slow: true,
			exit: 0, got: 5, says: "the server falls silent when it is asked what it can do"},
		{does: "refuses CAPA", then: "does without", o: pop3test.Options{NoCAPA: true}, exit: 0, got: 5},
	}
}

func tlsRows() []hostile {
	return []hostile{
		{does: "speaks no TLS on the TLS port", then: "never goes on in plain", raw: says("+OK plain\r\n"), tls: true, exit: 69,
			says: "does not speak TLS on this port"},
		{does: "falls silent in the TLS handshake", then: "waits for timeouts.connect",
			raw: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, tls: true, slow: true, exit: 69, says: "timeout in the handshake"},
		{does: "closes in the TLS handshake", then: "says so", tls: true, o: always("tls", pop3test.Cut()), exit: 69,
			says: "closed the connection in the handshake"},
		{does: "injects plaintext behind +OK to STLS", then: "throws the session away",
			o: stls(faults(pop3test.InjectAfterSTLS("+OK injected\r\n"))), exit: 76, says: "data before the TLS handshake"},
		{does: "does not offer STLS (stripped)", then: "never goes on in plain",
			o: stls(pop3test.Options{Capa: []string{"USER", "UIDL"}}), exit: 69, says: "server does not offer STLS"},
		{does: "refuses STLS", then: "never goes on in plain", o: stls(always("STLS", pop3test.Err("no"))), exit: 69,
			says: "stls: server refused"},
		{does: "says +OK to STLS and falls silent", then: "waits for timeouts.connect", o: stls(always("tls", pop3test.Stall())),
			slow: true, exit: 69, says: "timeout in the handshake"},
		{does: "says +OK to STLS and goes on in plain", then: "never goes on in plain",
			o: stls(faults(pop3test.Fault{On: "tls", Always: true, Do: pop3test.Await()},
				pop3test.Fault{On: "tls", Always: true, Do: pop3test.Raw("+OK plain text in place of a handshake\r\n")})), exit: 69,
			says: "does not speak TLS"},
	}
}

func loginRows() []hostile {
	refuse := func(text string) pop3test.Options { return always("AUTH", pop3test.Err(text)) }
	return []hostile{
		{does: "refuses the login with [AUTH]", then: "does not try again", o: refuse("[AUTH] wrong password"), exit: 77,
			says: "[AUTH] wrong password"},
		{does: "refuses the login with [IN-USE]", then: "the next run tries again", o: refuse("[IN-USE] locked"), exit: 75,
			says: "Another program holds the mailbox"},
		{does: "refuses the login with [LOGIN-DELAY]", then: "the next run tries again", o: refuse("[LOGIN-DELAY] slow down"),
			exit: 75, says: "pause between logins"},
		{does: "refuses the login with [SYS/TEMP]", then: "the next run tries again", o: refuse("[SYS/TEMP] backend down"), exit: 75,
			says: "backend down"},
		{does: "refuses the login with [SYS/PERM]", then: "a person has to act", o: refuse("[SYS/PERM] mailbox damaged"), exit: 77,
			says: "provider"},
		{does: "repeats the password in its refusal", then: "leaves it out", o: refuse("user alice may not use " + password),
			exit: 77, says: "user alice may not use ****"},
		{does: "refuses with 100 KB of text", then: "refuses the line", o: refuse(strings.Repeat("no ", 33000)), exit: 76,
			says: "line too long"},
		{does: "refuses with escape sequences", then: "shows them escaped", o: refuse(esc("pwned")), exit: 77, says: `\x1b]0;pwned\a`},
		{does: "says +OK to the login and -ERR to the first STAT", then: "takes it for a refused login",
			o: always("STAT", pop3test.Err("not authenticated")), exit: 77, says: "login accepted, but unusable"},
		{does: "sends a challenge that is not base64", then: "breaks off", o: always("AUTH", pop3test.Raw("+ !!!\r\n")), exit: 76,
			says: "challenge is not base64"},
		{does: "sends challenges for ever", then: "cancels the exchange", o: challenges(9), exit: 77, says: "login (login)"},
		{does: "sends a challenge of 64 KB", then: "refuses the line", o: challenges(64 << 10), exit: 76, says: "line too long"},
		{does: "sends +OK in the middle of a SCRAM exchange", then: "takes it for an impostor",
			o: withMechanisms(always("AUTH", pop3test.Raw("+OK welcome\r\n")), "SCRAM-SHA-256"), exit: 77, says: "login (scram-sha-256)"},
		{does: "asks SCRAM for 2,000,000,000 iterations", then: "refuses the work",
			o: withMechanisms(always("AUTH",
				pop3test.Raw("+ "+base64.StdEncoding.EncodeToString([]byte("r=x,s=c2FsdA==,i=2000000000"))+"\r\n")), "SCRAM-SHA-256"),
			exit: 77, says: "login (scram-sha-256)", measured: true},
		{does: "offers no login that we hold a secret for", then: "sends none",
			o: pop3test.Options{NoUSER: true, Mechanisms: []string{"GSSAPI"}}, exit: 77, says: "no usable login: server offers GSSAPI"},
	}
}

func withMechanisms(o pop3test.Options, names ...string) pop3test.Options {
	o.Mechanisms = names
	return o
}

func listRows() []hostile {
	return []hostile{
		{does: "lists more in UIDL than in STAT and LIST", then: "fetches the rest, reports the ghost",
			o: uidl(5, "5 uid-5\r\n6 ghost"), exit: 65, got: 5, says: "1 message could not be retrieved"},
		{does: "lists fewer in UIDL than in LIST", then: "leaves alone what has no name", o: uidl(3, ""), exit: 0, got: 4,
			says: "1 message, left alone"},
		{does: "has ghosts in LIST only", then: "leaves them alone", o: list(5, "5 100\r\n6 -1\r\n7 0"), exit: 0, got: 5,
			says: "2 messages, left alone"},
		{does: "sends empty lines in UIDL and LIST", then: "skips them", o: emptyListLines(), exit: 0, got: 5},
		{does: "leaves messages out of LIST", then: "fetches them all the same", o: list(3, ""), exit: 0, got: 5},
		{does: "lists a message number twice", then: "takes the first", o: uidl(3, "3 uid-3\r\n3 uid-4711"), exit: 0, got: 5,
			says: "lists a message number twice"},
		{does: "gives all messages the same UID", then: "tells them apart by their place", o: sameUID(), exit: 0, got: 5, messages: nil},
		{does: "gives UIDs with spaces, 8-bit and escape sequences, and of 900 characters", then: "takes them as they are",
			uids: []string{"a b", "\xff\xfe", esc("x"), strings.Repeat("c", 900), "a@b/c"}, exit: 0, got: 5},
		{does: "gives a UID of 2,000 characters", then: "leaves the message alone", o: uidl(3, "3 "+strings.Repeat("c", 2000)),
			exit: 0, got: 4, says: "cannot be understood"},
		{does: "sends escape sequences in a list line", then: "shows them escaped", o: uidl(3, esc("x")), exit: 0, got: 4,
			says: `\x1b]0;x\a`},
		{does: "has no UIDL", then: "knows messages by their headers (TOP)", o: pop3test.Options{NoUIDL: true}, exit: 0, got: 5},
		{does: "has neither UIDL nor TOP, and is to keep", then: "fetches nothing rather than all again and again",
			o: pop3test.Options{NoUIDL: true, NoTOP: true}, exit: 78, says: "no unique-ids (UIDL)"},
		{does: "refuses UIDL for now", then: "does not take it for a server without",
			o: always("UIDL", pop3test.Err("[SYS/TEMP] index is being rebuilt")), exit: 75, says: "index is being rebuilt"},
		{does: "begins its lists with an empty line", then: "takes it for no message", o: emptyLines(), exit: 0, got: 5},
		{does: "refuses LIST", then: "does without sizes", o: always("LIST", pop3test.Err("no")), exit: 0, got: 5},
		{does: "answers STAT with nonsense", then: "does without", o: always("STAT", pop3test.Raw("+OK -7 eleven\r\n")), exit: 0, got: 5},
		{does: "counts 2,000,000,000 messages in STAT", then: "reserves no memory for them",
			o: always("STAT", pop3test.Raw("+OK 2000000000 1\r\n")), exit: 0, got: 5, measured: true},
		{does: "lists nothing although there is something", then: "forgets nothing", o: always("UIDL", pop3test.Raw("+OK\r\n.\r\n")),
			exit: 0, says: "without a unique-id (UID)"},
		{does: "sends a message before it is asked for, so that all replies are one late",
			then: "fetches nothing: each message would come under another one's unique-id",
			o:    always("LIST", pop3test.Append("+OK\r\nSubject: evil\r\n\r\n.\r\n")), exit: 76, says: "sent what no command asked for"},
		{does: "breaks off in the middle of the list", then: "fetches nothing from half a list",
			o: noPipelining(faults(pop3test.Fault{On: "UIDL", Always: true, After: 20, Do: pop3test.Cut()})), exit: 69,
			says: "uidl: server closed the connection"},
		{does: "announces PIPELINING and hangs up on a pipelined list", then: "goes on one at a time, and remembers",
			o: always("STAT", pop3test.HangUpOnPipelining()), exit: 0, got: 5, says: "one at a time from now on"},
		{does: "announces PIPELINING and hangs up on pipelined RETR (o2.pl)", then: "goes on one at a time, and remembers",
			o: always("RETR", pop3test.HangUpOnPipelining()), exit: 0, got: 5, says: "one at a time from now on"},
		{does: "announces PIPELINING and falls silent behind the first of several RETR (tpop3d over TLS)",
			then: "goes on one at a time, and remembers",
			o:    faults(pop3test.Fault{On: "RETR", Always: true, After: -1, Do: pop3test.IfPipelined(pop3test.Stall())}), slow: true,
			exit: 0, got: 5, says: "detected server quirk: the server falls silent when several commands are sent at once"},
		{does: "announces PIPELINING and mixes up its replies to several RETR (WildDuck)",
			then: "goes on one at a time, and remembers",
			o: always("RETR", pop3test.IfPipelined(pop3test.Raw("+OK\r\nSubject: x\r\n\r\n+OK 62 octets\r\nSubject: "+
				"y\r\n\r\n.\r\nrest\r\n.\r\n"))), exit: 0, got: 5,
			says: "detected server quirk: the server garbles its replies when several commands are sent at once"},
	}
}

// emptyLines is a server whose lists begin with an empty line.
func emptyLines() pop3test.Options {
	first := func(line string, num int) string {
		if num == 1 {
			return "\r\n" + line
		}
		return line
	}
	return pop3test.Options{
		UIDLLine: func(num int, uid string) string { return first(fmt.Sprint(num, " ", uid), num) },
		ListLine: func(num int, size int64) string { return first(fmt.Sprint(num, " ", size), num) },
	}
}

// sameUID is a server as Dovecot may be for identical messages.
func emptyListLines() pop3test.Options {
	o := uidl(1, "\r\n1 uid-1\r\n ")
	o.ListLine = list(3, "\r\n3 100").ListLine
	return o
}

func sameUID() pop3test.Options {
	return pop3test.Options{UIDLLine: func(num int, _ string) string { return fmt.Sprintf("%d same", num) }}
}

func numberRows() []hostile {
	var out []hostile
	for _, n := range []string{"-3", "0", "4294967299", "99999999999999999999", "3x", "x"} {
		out = append(out, hostile{does: "numbers a message " + n + " in UIDL", then: "leaves the line alone",
			o: uidl(3, n+" uid-3"), exit: 0, got: 4, says: "cannot be understood"})
	}
	for _, n := range []int64{-1, 0, 1, 1 << 50, 9223372036854775807} {
		out = append(out, hostile{does: fmt.Sprintf("says every message has %d octets", n), then: "believes the terminator, not the size",
			o: sized(n), exit: 0, got: 5})
	}
	return append(out, hostile{does: "says a size of 99999999999999999999", then: "does without",
		o: list(3, "3 99999999999999999999"), exit: 0, got: 5})
}

func bodyRows() []hostile {
	long := func(n int) []byte {
		return []byte("Subject: long\r\n\r\n" + strings.Repeat("x", n) + "\r\n" + strings.Repeat(".y", n/2) + "\r\nend\r\n")
	}
	var lengths [][]byte
	for _, n := range []int{998, 8189, 8190, 8191, 8192, 16384, 65535, 65536, 150_000, 3_000_000} {
		lengths = append(lengths, long(n))
	}
	odd := [][]byte{
		[]byte("Subject: NUL\r\n\r\na\x00b\r\n\x00\r\n"),
		[]byte("Subject: CR only\rX: y\r\rbody\rmore\r\n"),
		[]byte("Subject: LF only\nX: y\n\nbody\n.\nnot the end\n"),
		[]byte("Subject: \x1b]0;pwned\x07\x1b[2J\r\n\r\n\x1b[31m\r\n"),
		[]byte("Subject: bytes \xff\xfe\r\n\r\n\xc3\x28\r\n"),
		[]byte("no header at all\r\n"),
		[]byte("\r\nbody without a header\r\n"),
		[]byte("Subject: no final newline\r\n\r\nend"),
		[]byte("Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n"),
		[]byte(strings.Repeat("X-Header: "+strings.Repeat("h", 60)+"\r\n", 10_000) + "\r\nbody\r\n"),
	}
	return []hostile{
		{does: "sends lines of 8,190 and up to 3,000,000 characters", then: "keeps each byte", messages: lengths, exit: 0,
			got: len(lengths)},
		{does: "sends NUL, lone CR, lone LF, 8-bit, escape sequences, no header, a header of 700 KB", then: "keeps each byte",
			messages: odd, exit: 0, got: len(odd)},
		{does: "refuses one RETR", then: "fetches the others", o: always("RETR 3", pop3test.Err("cannot read it")), exit: 65, got: 4,
			says: "retr 3: server refused: cannot read it"},
		{does: "refuses each RETR", then: "fetches nothing, deletes nothing", o: always("RETR", pop3test.Err("no")),
			conf: []string{deleting}, left: 5, exit: 65, says: "5 messages could not be retrieved"},
		{does: "refuses each RETR from the third message on: a daily limit",
			then: "fetches what it may, asks for little more, charges no message",
			o:    faults(pop3test.Fault{On: "RETR", Nth: 3, Always: true, Do: pop3test.Err("Download exceed. msg=3")}), exit: 75,
			got: 2, says: "sends no more messages for now: retr 3: server refused: Download exceed"},
		{does: "says at the third message that the limit is reached, and hangs up",
			then: "takes that for the limit, not for a message's failure",
			o: noPipelining(faults(pop3test.Fault{On: "RETR", Nth: 3, Always: true, Do: pop3test.Err("daily limit reached")},
				pop3test.Fault{On: "RETR", Nth: 3, Always: true, After: -1, Do: pop3test.Cut()})), exit: 75, got: 2,
			says: "daily limit reached, and then closed"},
		{does: "refuses one RETR in the words of a limit", then: "fetches the others",
			o: faults(pop3test.Fault{On: "RETR 3", Always: true, Do: pop3test.Err("quota exceeded")}), exit: 65, got: 4,
			says: "retr 3: server refused: quota exceeded"},
		{does: "answers RETR with neither +OK nor -ERR", then: "fetches the others",
			o: noPipelining(always("RETR 3", pop3test.Raw("*** what?\r\n"))), exit: 65, got: 4, says: "neither +OK nor -ERR"},
		{does: "breaks off in the middle of a message", then: "fetches the others, no half message",
			o: faults(pop3test.Fault{On: "RETR 3", Always: true, After: 60, Do: pop3test.Cut()}), exit: 65, got: 4,
			says: "retr 3: server closed the connection", measured: true},
		{does: "breaks off a TLS session in the middle of a message", then: "fetches the others, no half message", tls: true,
			o: faults(pop3test.Fault{On: "RETR 3", Always: true, After: 60, Do: pop3test.Cut()}), exit: 65, got: 4,
			says: "retr 3: server closed the connection", measured: true},
		{does: "resets the connection in the middle of a message", then: "fetches the others, no half message",
			o: faults(pop3test.Fault{On: "RETR 3", Always: true, After: 60, Do: pop3test.Reset()}), exit: 65, got: 4,
			says: "retr 3: ", measured: true},
		{does: "falls silent in the middle of a message", then: "waits for timeouts.idle, fetches the others",
			o: faults(pop3test.Fault{On: "RETR 3", Always: true, After: 60, Do: pop3test.Stall()}), slow: true, exit: 65, got: 4,
			says: "retr 3: timeout", measured: true},
		{does: "drips one byte of a message at a time", then: "waits for timeouts.idle: it asks for 1 KiB in that time",
			o:        faults(pop3test.Fault{On: "RETR 3", Always: true, After: 60, Do: pop3test.Drip(50 * time.Millisecond)}),
			messages: [][]byte{letters(1)[0], letters(2)[1], long(4000)}, slow: true, exit: 65, got: 2, says: "retr 3: timeout"},
		{does: "drips one byte of a status line at a time", then: "waits for timeouts.idle: it asks for a whole line in that time",
			o: noPipelining(always("RETR 1", pop3test.Drip(400*time.Millisecond))), slow: true, exit: 65, got: 4, says: "retr 1: timeout"},
		{does: "breaks off between the last line and the dot", then: "delivers nothing that has no end",
			o: faults(pop3test.Fault{On: "RETR 5", Always: true, After: int64(len("+OK 127 octets\r\n") + wire(5)),
				Do: pop3test.Cut()}), exit: 65, got: 4, says: "retr 5: server closed the connection"},
	}
}

// wire is the length of letter n with its dots doubled.
func wire(n int) int {
	m := letters(n)[n-1]
	return len(m) + bytes.Count(m, []byte("\r\n."))
}

func endRows() []hostile {
	del := []string{deleting}
	return []hostile{
		{does: "sends more after the reply to QUIT", then: "does not care",
			o: always("QUIT", pop3test.Append("+OK more\r\n"+esc("x"))), exit: 0, got: 5},
		{does: "closes at QUIT", then: "has delivered, deletes the next time with the same options",
			o: always("QUIT", pop3test.Cut()), conf: del, left: 5, exit: 69, got: 5, says: "before the server confirmed the deletions"},
		{does: "falls silent at QUIT", then: "has delivered, deletes the next time with the same options",
			o: always("QUIT", pop3test.Stall()), conf: del, left: 5, slow: true, exit: 69, got: 5,
			says: "before the server confirmed the deletions"},
		{does: "refuses QUIT after deletions", then: "has delivered, looks again the next time",
			o: always("QUIT", pop3test.Err("some deleted messages not removed")), conf: del, left: 5, exit: 75, got: 5,
			says: "did not confirm the deletions"},
		{does: "refuses QUIT, with nothing deleted", then: "notes it", o: always("QUIT", pop3test.Err("no")), exit: 0, got: 5,
			says: "refused to end the session"},
		{does: "refuses one DELE", then: "deletes the others, the one the next time with the same options",
			o: always("DELE 3", pop3test.Err("cannot")), conf: del, left: 1, exit: 0, got: 5, says: "refused to delete 1 message: dele 3"},
		{does: "refuses each DELE", then: "says it once, with the first reason", o: always("DELE", pop3test.Err("read-only mailbox")),
			conf: del, left: 5, exit: 0, got: 5,
			says: "refused to delete 5 messages, the first: dele 1: server refused: read-only mailbox"},
		{does: "closes at DELE", then: "has delivered, deletes the next time with the same options",
			o: always("DELE 3", pop3test.Cut()), conf: del, left: 5, exit: 69, got: 5, says: "before the server confirmed the deletions"},
		{does: "closes at DELE, and takes one command at a time", then: "knows that QUIT was not sent, so nothing was deleted",
			o: noPipelining(always("DELE 3", pop3test.Cut())), conf: del, left: 5, exit: 69, got: 5,
			says: "before QUIT, so the server keeps 5 messages that were to be deleted"},
		{does: "takes longer than timeouts.idle to answer QUIT after deletions",
			then: "waits three times as long, and half a second more for each deletion",
			o:    always("QUIT", pop3test.Pause(4*time.Second)), conf: del, slow: true, exit: 0, got: 5},
		{does: "sends an empty line behind each reply", then: "skips it",
			o: faults(pop3test.Fault{On: "greeting", Do: pop3test.Append("\r\n"), Always: true},
				pop3test.Fault{Do: pop3test.Append("\r\n"), Always: true}), conf: del, exit: 0, got: 5},
		{does: "sends nothing but empty lines in reply to DELE", then: "skips 16, then gives up",
			o: noPipelining(always("DELE", pop3test.Raw(strings.Repeat("\n", 40)))), conf: del, left: 5, exit: 76, got: 5,
			says: "before QUIT, so the server keeps 5 messages that were to be deleted"},
	}
}

func endlessRows() []hostile {
	return []hostile{
		{does: "greets with a line that never ends", then: "refuses it at 8 KiB", o: always("greeting", pop3test.EndlessLine()),
			exit: 76, says: "line too long", measured: true},
		{does: "sends capabilities for ever", then: "refuses them at 64 KiB", o: always("CAPA", pop3test.EndlessList()), exit: 76,
			says: "endless", measured: true},
		{does: "sends a UIDL line that never ends", then: "refuses it at 8 KiB", o: always("UIDL", pop3test.EndlessLine()), exit: 76,
			says: "line too long", measured: true},
		{does: "sends UIDs for ever", then: "refuses them at 2,000,000 or some 256 MB", o: always("UIDL", pop3test.EndlessList()),
			exit: 76, says: "endless", measured: true, rss: 400},
		{does: "sends sizes for ever", then: "refuses them at some 256 MB", o: always("LIST", pop3test.EndlessList()), exit: 76,
			says: "endless", measured: true},
		{does: "sends a message that never ends",
			then: "refuses it at 4 times its size and 64 MiB; nothing of it is delivered, and the others are",
			o:    always("RETR 3", pop3test.EndlessBody()), exit: 65, got: 4, says: "message is endless", measured: true},
		{does: "sends a message as one line that never ends",
			then: "refuses it at 4 times its size and 64 MiB; nothing of it is delivered, and the others are",
			o:    faults(pop3test.Fault{On: "RETR 3", Always: true, After: 40, Do: pop3test.EndlessLine()}), exit: 65, got: 4,
			says: "message is endless", measured: true},
	}
}
