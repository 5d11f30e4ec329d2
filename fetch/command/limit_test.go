package command

import (
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestLimitPreset: limit: gmail is what Google allows a day.
func TestLimitPreset(t *testing.T) {
	t.Parallel()
	conf, err := config.Parse("c", []byte("accounts:\n  a: {server: s, user: u, password: p, limit: gmail, deliver: [{maildir: "+
		"/m}]}\n"), configOptions())
	if err != nil {
		t.Fatal(err)
	}
	if l := conf.Accounts[0].Limits; l.BytesPerDay != 1190<<20 || l.Bytes != 0 || l.Messages != 0 || l.Rate != 0 {
		t.Errorf("%+v", l)
	}
}

// TestLimitsStopARun: a day's budget holds over runs, and a rate slows one down.
func TestLimitsStopARun(t *testing.T) {
	t.Parallel()
	for !limitsStopARun(t) { // midnight came between the runs, as it does once
	}
}

func limitsStopARun(t *testing.T) (oneDay bool) {
	l := newLab(t)
	var mail [][]byte
	for _, m := range letters(8) {
		mail = append(mail, append(m, strings.Repeat(strings.Repeat("x", 998)+"\r\n", 100)...)) // 100 kB each
	}
	s := serve(t, dropOf(mail), pop3test.Options{Security: pop3test.Plain})
	lines := append(l.to(s, pop3test.Options{Security: pop3test.Plain}), "password: "+password)
	l.account(append(lines, "limit: {bytes_per_day: 350kB}")...)
	today := time.Now().UTC().Day()
	o := l.run("fetch")
	l.want(o, 0)
	wantOut(t, o, "3 messages fetched", "5 skipped: over limit")
	again, plan := l.run("fetch"), l.run("plan")
	if time.Now().UTC().Day() != today {
		return false
	}
	wantOut(t, again, "nothing new", "5 skipped: over limit")
	wantOut(t, plan, "5 over limit: a later run takes them")
	l.account(append(lines, "limit: {rate: 200kB/s}")...)
	o = l.run("fetch")
	l.want(o, 0)
	wantOut(t, o, "5 messages fetched")
	if o.took < 900*time.Millisecond { // 500 kB less the 256 KiB that may come at once
		t.Errorf("not held to the rate: %s", o)
	}
	l.wantMail(mail)
	return true
}
