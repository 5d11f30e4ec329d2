//go:build unix

package command

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestReloadErrors: each mistake is a log record of its own, with its place and
// the way out, and whatever the reason is, nobody is asked to report it.
func TestReloadErrors(t *testing.T) {
	t.Parallel()
	o := pop3test.Options{Security: pop3test.Plain}
	l := newLab(t)
	l.account(append(l.to(serve(t, dropOf(letters(1)), o), o), "every: 1h", secret)...)
	p := l.loop(nil)
	p.until("msg=run", "fetched=1")
	good, err := os.ReadFile(l.path("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	fix := "hint=\"Fix this, run `mailhaul check`, and reload again; every key: man mailhaul.yaml.\""
	bad := strings.Replace(string(good), "every:", "evry:", 1) + "    keep: sme\nlog: {level: x}\n"
	line := func(text, key string) string {
		before, _, _ := strings.Cut(text, key)
		return fmt.Sprintf(" line=%d ", 1+strings.Count(before, "\n"))
	}
	for _, r := range []struct {
		name, text string // no text: no file
		records    [][]string
	}{
		{"mistakes", bad, [][]string{
			{line(bad, "evry"), `err="accounts.lab.evry: unknown key`, fix},
			{line(bad, "keep: sme"), `err="accounts.lab.keep: `, fix},
			{line(bad, "log:"), `err="log.level: wants one of`, fix}}},
		{"no file", "", [][]string{{`config.yaml: no such file or directory" ` + fix}}},
		{"another state", string(good) + "state: /elsewhere\nmetrics: 127.0.0.1:1\n", [][]string{
			{`err="state and metrics cannot change while loop runs" hint="To take it over, restart loop."`}}},
		{"disabled", strings.Replace(string(good), "every:", "enabled: false\n    every:", 1), [][]string{
			{"no account is enabled", "hint=\"Nothing was changed. Take `enabled: false` out"}}},
	} {
		if r.text == "" {
			if err := os.Remove(l.path("config.yaml")); err != nil {
				t.Fatal(err)
			}
		} else {
			l.write("config.yaml", []byte(r.text))
		}
		p.signal(syscall.SIGHUP)
		for _, texts := range r.records {
			got := p.until("level=ERROR", "not taken over")
			if !containsAll(got, texts) || strings.Contains(got, `\x0a`) || len(r.records) > 1 &&
				!strings.Contains(got, "file="+l.path("config.yaml")) {
				t.Errorf("%s: %s\nlacks one of %q", r.name, got, texts)
			}
		}
	}
	l.write("config.yaml", bytes.TrimSpace(good))
	p.signal(syscall.SIGHUP)
	p.until("configuration read again")
	p.end(syscall.SIGTERM)
}
