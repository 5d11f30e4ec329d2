package command

import (
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestQuirkPipelining: a server that hangs up on pipelined commands, on the
// list or on RETR as o2.pl does, is asked one thing at a time from then on.
func TestQuirkPipelining(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"STAT", "RETR"} {
		t.Run(on, func(t *testing.T) {
			l := newLab(t)
			o := always(on, pop3test.HangUpOnPipelining())
			drop := dropOf(letters(5))
			s := serve(t, drop, o)
			l.account(append(l.to(s, o), secret)...)
			l.want(l.run("fetch"), 0, "one at a time from now on")
			l.wantMail(letters(5))
			if !l.facts().NoPipelining {
				t.Error("not remembered")
			}
			wantOut(t, l.run("state", "show", "lab"), "(pipelining): one at a time until 2")
			wantOut(t, l.run("state", "show", "lab", "--json"), `"no_pipelining_until":"2`)
			first := s.Connections()
			all := letters(8)
			for _, m := range all[5:] {
				drop.Add("", m)
			}
			out := l.run("fetch")
			l.want(out, 0)
			l.wantMail(all)
			if s.Connections() != first+1 || strings.Contains(out.err, "note") {
				t.Errorf("%d connections in the second run: %s", s.Connections()-first, out)
			}
		})
	}
}

func TestQuirkCapa(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := always("CAPA", pop3test.Cut())
	s := serve(t, dropOf(letters(5)), o)
	l.account(append(l.to(s, o), secret)...)
	l.want(l.run("fetch"), 0, "the server hangs up when it is asked what it can do (CAPA): not asking any more")
	if !l.facts().NoCapa {
		t.Error("not remembered")
	}
	wantOut(t, l.run("state", "show", "lab"), "(CAPA): not asked until 2")
	wantOut(t, l.run("state", "show", "lab", "--json"), `"no_capa_until":"2`)
	connections := s.Connections()
	l.want(l.run("fetch"), 0)
	if s.Count("CAPA") != 1 || s.Connections() != connections+1 {
		t.Errorf("CAPA asked %d times", s.Count("CAPA"))
	}
}

// TestQuirkTop: without UIDL and TOP only `keep: none` works, and the second
// run does not ask for TOP again.
func TestQuirkTop(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := pop3test.Options{NoUIDL: true, NoTOP: true}
	drop := dropOf(letters(5))
	s := serve(t, drop, o)
	l.account(append(l.to(s, o), secret, deleting)...)
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(5))
	if !l.facts().NoTop || s.Count("TOP") != 3 {
		t.Errorf("NoTop %v, TOP asked %d times", l.facts().NoTop, s.Count("TOP"))
	}
	all := letters(8)
	for _, m := range all[5:] {
		drop.Add("", m)
	}
	l.want(l.run("fetch"), 0)
	l.wantMail(all)
	if s.Count("TOP") != 3 || drop.Len() != 0 {
		t.Errorf("TOP asked %d times, %d messages left", s.Count("TOP"), drop.Len())
	}
}

// TestNoUIDLKeeps: without UIDL nothing is fetched twice.
func TestNoUIDLKeeps(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := pop3test.Options{NoUIDL: true}
	drop := dropOf(letters(5))
	s := serve(t, drop, o)
	l.account(append(l.to(s, o), secret)...)
	for range 3 {
		l.want(l.run("fetch"), 0)
	}
	all := letters(6)
	drop.Add("", all[5])
	l.want(l.run("fetch"), 0)
	l.wantMail(all)
	if s.Count("RETR") != 6 {
		t.Errorf("%d RETR", s.Count("RETR"))
	}
}

// TestUTF8IsSent: wherever it is announced, in one round trip with the login.
func TestUTF8IsSent(t *testing.T) {
	t.Parallel()
	messages := append(letters(2), []byte("Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\nbody\r\n"), []byte("Subject: \xe2\x82\xac\r\n\r\nbody\r\n"))
	o := pop3test.Options{UTF8: pop3test.UTF8Required}
	for _, tt := range []struct {
		conf          string
		exit, got     int
		utf8, session int
	}{{"utf8: auto", 0, 4, 1, 1}, {"utf8: on", 0, 4, 1, 1}, {"utf8: off", 65, 2, 0, 1}} {
		t.Run(tt.conf, func(t *testing.T) {
			l := newLab(t)
			s := serve(t, dropOf(messages), o)
			l.account(append(l.to(s, o), secret, tt.conf)...)
			l.want(l.run("fetch"), tt.exit)
			l.wantCount(tt.got)
			if s.Count("UTF8") != tt.utf8 || s.Sessions() != tt.session {
				t.Errorf("UTF8 sent %d times in %d sessions", s.Count("UTF8"), s.Sessions())
			}
			if tt.exit != 0 {
				return
			}
			l.wantMail(messages)
			l.want(l.run("fetch"), 0)
			if s.Count("UTF8") != tt.utf8+1 || s.Sessions() != tt.session+1 {
				t.Errorf("second run: UTF8 sent %d times in %d sessions", s.Count("UTF8"), s.Sessions())
			}
		})
	}
}

// TestUTF8AskedAndRefused: a server that asks for UTF8 and then refuses it, or
// still wants it, is not asked for ever.
func TestUTF8AskedAndRefused(t *testing.T) {
	t.Parallel()
	for name, f := range map[string][]pop3test.Fault{
		"refused":   {{On: "UTF8", Always: true, Do: pop3test.Err("no")}, {On: "RETR 1", Always: true, Do: pop3test.Err("[UTF8] needed")}},
		"for ever":  {{On: "RETR 1", Always: true, Do: pop3test.Err("[UTF8] needed")}},
		"hangs up":  {{On: "UTF8", Always: true, Do: pop3test.Cut()}, {On: "RETR 1", Always: true, Do: pop3test.Err("[UTF8] needed")}},
		"not there": {{On: "RETR 1", Always: true, Do: pop3test.Err("[UTF8] needed")}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			o := pop3test.Options{UTF8: pop3test.UTF8Offered, Faults: f}
			if name == "not there" {
				o.UTF8 = pop3test.NoUTF8
			}
			s := serve(t, dropOf(letters(5)), o)
			l.account(append(l.to(s, o), secret)...)
			out := l.run("fetch")
			if out.code == 0 || s.Connections() > 3 {
				t.Errorf("%d connections: %s", s.Connections(), out)
			}
			l.wantCount(4)
		})
	}
}

func TestLoginDelay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := pop3test.Options{LoginDelay: time.Hour}
	s := serve(t, dropOf(letters(5)), o)
	l.account(append(l.to(s, o), secret)...)
	l.want(l.run("fetch"), 0)
	l.want(l.run("fetch"), 75, "the server allows one login every 1h;", "--wait")
	if s.Connections() != 1 {
		t.Errorf("%d connections", s.Connections())
	}
	short := newLab(t)
	o.LoginDelay = time.Second
	s = serve(t, dropOf(letters(5)), o)
	short.account(append(short.to(s, o), secret)...)
	short.want(short.run("fetch"), 0)
	short.want(short.run("fetch"), 0)
	if s.Sessions() != 2 {
		t.Errorf("%d sessions", s.Sessions())
	}
}

func TestQuirkWindow(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	drop := dropOf(letters(300))
	drop.Newest = 120
	o := pop3test.Options{}
	s := serve(t, drop, o)
	l.account(append(l.to(s, o), secret, deleting)...)
	l.want(l.run("fetch"), 0)
	l.wantMail(letters(300))
	if f := l.facts(); f.Window != 120 || s.Sessions() != 3 {
		t.Errorf("window %d, %d sessions", f.Window, s.Sessions())
	}
	l.want(l.run("fetch"), 0)
	if f := l.facts(); f.Window != 120 || s.Sessions() != 4 {
		t.Errorf("second run: window %d, %d sessions", f.Window, s.Sessions())
	}
}

// TestExpire: a server that announces EXPIRE is reported once and obeyed in
// nothing.
func TestExpire(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := pop3test.Options{Expire: "0"}
	drop := dropOf(letters(5))
	s := serve(t, drop, o)
	l.account(append(l.to(s, o), secret)...)
	l.want(l.run("fetch"), 0, "may delete mail 0 days after it was fetched, whatever this account keeps there")
	if out := l.run("fetch"); out.code != 0 || strings.Contains(out.err, "may delete") {
		t.Errorf("second run: %s", out)
	}
	if drop.Len() != 5 || s.Count("DELE") != 0 {
		t.Errorf("%d messages left", drop.Len())
	}
}

// TestRespCodes is in the rows for logins; here for the other commands.
func TestRespCodes(t *testing.T) {
	t.Parallel()
	for text, exit := range map[string]int{
		"[SYS/TEMP] disk": 75, "[IN-USE] by another": 75, "mailbox is locked": 75, "too many requests": 75,
		"[SYS/PERM] gone": 76, "no": 76,
	} {
		t.Run(text, func(t *testing.T) {
			l := newLab(t)
			o := faults(pop3test.Fault{On: "UIDL", Always: true, Do: pop3test.Err(text)},
				pop3test.Fault{On: "LIST", Always: true, Do: pop3test.Err(text)})
			l.account(append(l.to(serve(t, dropOf(letters(5)), o), o), secret)...)
			l.want(l.run("fetch"), exit, "server refused: "+text)
		})
	}
}
