package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestMessages has a fetch meet each failure: the message names the account
// and the cause, says what to do in the words of check --connect and what it
// means for the mail, holds no secret, and the mail is where it was.
func TestMessages(t *testing.T) {
	t.Parallel()
	for _, m := range meetings() {
		t.Run(m.name, m.fetch)
	}
}

// TestStoppedFetch: "nothing else" only if there was something.
func TestStoppedFetch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sums []fetch.Summary
		want string
	}{
		{nil, "recorded, nothing was deleted"},
		{[]fetch.Summary{{Fetched: 2}, {}}, "recorded, nothing was deleted"},
		{[]fetch.Summary{{}, {Deleted: 1}}, "recorded, nothing else was deleted"},
		{[]fetch.Summary{{Unconfirmed: 1}}, "recorded, nothing else was deleted"},
	} {
		if got := fetchStopped(tt.sums); !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %s", tt.sums, got)
		}
	}
}

// hintIn is the hint in what a command printed, on one line or several.
func hintIn(text string) string {
	_, hint, _ := strings.Cut(text, "\n  hint: ")
	hint, _, _ = strings.Cut(hint, "\n  mail: ")
	return strings.ReplaceAll(hint, "\n        ", "\n")
}

func (m *meeting) fetch(t *testing.T) {
	drop := &pop3test.Maildrop{Exclusive: true}
	drop.Add("uid-1", []byte("Subject: x\r\n\r\nbody\r\n"))
	s := pop3test.NewServer(drop, m.server)
	defer s.Close()
	dir := t.TempDir()
	ca, err := s.CA.WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{"ADDR": s.Addr(), "DIR": dir, "CA": ca}
	if m.ground != nil {
		m.ground(t, vars)
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(os.Expand(m.yaml(s), func(k string) string { return vars[k] })), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	code := Main(t.Context(), []string{"mailhaul", "-c", path, "--state", filepath.Join(dir, "state"), "fetch"},
		term.Streams{Out: &out, Err: &log})
	text := log.String()
	if code != m.exit {
		t.Errorf("exit %d, want %d", code, m.exit)
	}
	if !strings.HasPrefix(text, "mailhaul: work: ") && !strings.Contains(text, "\nmailhaul: work: ") {
		t.Errorf("does not name the account: %s", text)
	}
	if !m.explains(hintIn(text)) {
		t.Errorf("does not say what to do as check --connect does, by %q: %s", m.says, text)
	}
	if !strings.Contains(text, "\n  mail: this run deleted nothing from the server; ") {
		t.Errorf("does not say what it means for the mail: %s", text)
	}
	text = pinned.ReplaceAllString(text, "")
	if strings.Contains(text, "wrong\n") || strings.Contains(text, "secret") || strings.Contains(text, "0x") ||
		strings.Contains(text, "panic") {
		t.Errorf("shows what it must not: %s", text)
	}
	if !strings.HasPrefix(out.String(), "work: ") {
		t.Errorf("no summary: %s", &out)
	}
	if drop.Len() != 1 {
		t.Error("the message is gone from the server")
	}
}
