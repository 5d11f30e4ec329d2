package command

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

func TestTable(t *testing.T) {
	t.Parallel()
	const uid = "0123456789abcdefghijklmnopqrstuvwxyz"
	for _, tt := range []struct {
		width int
		want  string
	}{
		{0, "  DO    UID                                   WHY\n  take  " + uid +
			"  new\n  skip                                        too big\n"},
		{80, "  DO    UID                                   WHY\n  take  " + uid +
			"  new\n  skip                                        too big\n"},
		{40, "  DO    UID                      WHY\n  take  0123456789a..qrstuvwxyz  new\n  skip                           too big\n"},
		{29, "  DO    UID           WHY\n  take  01234..vwxyz  new\n  skip                too big\n"},
		{28, "  DO  take\n  UID 0123456789..qrstuvwxyz\n  WHY new\n\n  DO  skip\n  WHY too big\n"},
	} {
		tab := term.Table{Indent: "  ", Head: []string{"DO", "UID", "WHY"}, Long: "UID"}
		tab.Add("take", uid, "new")
		tab.Add("skip", "", "too big")
		var b strings.Builder
		if err := tab.Write(&b, tt.width); err != nil {
			t.Fatal(err)
		}
		if b.String() != tt.want {
			t.Errorf("width %d:\n%s\nwant\n%s", tt.width, &b, tt.want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 0, "one two three"}, {"one two three", 7, "one two|three"}, {"one two three", 3, "one|two|three"},
		{"a averyverylongword b", 5, "a|averyverylongword|b"}, {"ä ä ä", 3, "ä ä|ä"}, {"", 5, ""},
	} {
		if got := strings.Join(term.Fold(tt.text, tt.width), "|"); got != tt.want {
			t.Errorf("%q at %d: %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}

// longUIDs is a terminal with an account whose UIDs are longer than a line.
func longUIDs(t *testing.T, width int) (*terminal, string) {
	t.Helper()
	drop := &pop3test.Maildrop{}
	uid := strings.Repeat("0123456789", 6)
	for i := range 2 {
		drop.Add(fmt.Sprint(uid, i), []byte("Subject: x\r\n\r\nbody\r\n"))
	}
	s := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain})
	t.Cleanup(s.Close)
	term := newTerminal(t, width, 60)
	text := fmt.Sprintf("accounts:\n  work: {server: '%s', tls: none, user: alice, password: secret, deliver: [{maildir: m}]}\n", s.Addr())
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return term, uid
}

// shows runs a command and returns the lines that the terminal has of it, as it
// broke them.
func (term *terminal) shows(line string) []string {
	term.t.Helper()
	term.clear()
	term.enter(line + "; echo do''ne $?")
	term.until(func(s string) bool { return regexp.MustCompile(`(?m)^done \d+$`).MatchString(s) }, "done")
	text := term.command("capture-pane", "-p", "-e", "-J", "-S", "-")
	text = text[strings.LastIndex(text, "$?\n")+3:] // behind what scrolled off
	text, _, _ = strings.Cut(text, "\ndone ")
	return strings.Split(text, "\n")
}

// TestNarrowTerminal: in 40 columns no line of a table is broken, and a UID is
// cut; redirected output is not truncated.
func TestNarrowTerminal(t *testing.T) {
	t.Parallel()
	const width = 40
	term, uid := longUIDs(t, width)
	for line, wants := range map[string][]string{
		"mailhaul -c c.yaml plan":          {"  ACTION  NUM  SIZE  UID", "..", "  new"},
		"mailhaul -c c.yaml plan --delete": {"  ACTION fetch, delete\n  NUM    1\n", "..", "\n  WHY    new\n\n  ACTION"},
		"mailhaul -c c.yaml status":        {"ACCOUNT      work", "LAST RUN     never", "NOW          idle"},
	} {
		lines := term.shows(line)
		text := strings.Join(lines, "\n")
		wantAll(t, text, wants...)
		for _, l := range lines {
			if len([]rune(l)) > width && !strings.HasPrefix(l, "work: ") {
				t.Errorf("%s: longer than the terminal: %q", line, l)
			}
		}
		if strings.Contains(text, uid) {
			t.Errorf("%s: a UID is not cut:\n%s", line, text)
		}
	}
	for _, line := range []string{"mailhaul -c c.yaml plan | cat", "mailhaul -c c.yaml --json plan"} {
		if text := strings.Join(term.shows(line), "\n"); strings.Count(text, uid) != 2 || strings.Contains(text, "..") {
			t.Errorf("%s: UIDs are not whole:\n%s", line, text)
		}
	}
	colour := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, l := range term.shows("mailhaul -c c.yaml check --connect") {
		l = colour.ReplaceAllString(l, "")
		if len([]rune(l)) > width && strings.Contains(strings.TrimSpace(l), " ") { // a path is one word
			t.Errorf("check: longer than the terminal: %q", l)
		}
	}
}

// TestColours: marks have colours on a terminal, unless they are not wanted.
func TestColours(t *testing.T) {
	t.Parallel()
	term, _ := longUIDs(t, 100)
	check := "mailhaul -c c.yaml check --connect"
	for line, coloured := range map[string]bool{
		check: true, "NO_COLOR=1 " + check: false, "NO_COLOR= " + check: true, "TERM=dumb " + check: false,
		"mailhaul --no-color -c c.yaml check --connect": false, check + " | cat": false,
	} {
		text := strings.Join(term.shows(line), "\n")
		wantAll(t, text, "ok  ", "warn", "everything works")
		if green, yellow := strings.Contains(text, "\x1b[32mok"), strings.Contains(text, "\x1b[33mwarn"); green != coloured ||
			yellow != coloured {
			t.Errorf("%s: green %t, yellow %t, want %t:\n%q", line, green, yellow, coloured, text)
		}
	}
}

// TestStatusFits: in 80 columns status is a table, also with long names and
// after failures; with -v it has exact times.
func TestStatusFits(t *testing.T) {
	t.Parallel()
	const width = 80
	term, _ := longUIDs(t, width)
	refused := "{server: 'localhost:1', tls: none, user: bob, password: secret, deliver: [{maildir: m2}]}"
	text, err := os.ReadFile(filepath.Join(term.home, "c.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	long := "the-archive-of-the-old-provider"
	if err := os.WriteFile(filepath.Join(term.home, "c.yaml"), fmt.Appendf(text, "  %s: %s\n", long, refused), 0o600); err != nil {
		t.Fatal(err)
	}
	term.shows("mailhaul -c c.yaml fetch")
	lines := term.shows("mailhaul -c c.yaml status")
	wantAll(t, strings.Join(lines, "\n"), "ACCOUNT ", "  LAST RUN  RESULT      NEW  KNOWN  LAST SUCCESS  NOW\n", " ago ", "connection")
	for _, l := range lines {
		if len([]rune(l)) > width && !strings.HasPrefix(l, long+": ") {
			t.Errorf("longer than the terminal: %q", l)
		}
	}
	failed := strings.Join(term.shows("mailhaul -c c.yaml status --failed"), "\n")
	if wantAll(t, failed, "connection", long+": last run: "); strings.Contains(failed, "work") {
		t.Errorf("an account that did not fail:\n%s", failed)
	}
	if exact := strings.Join(term.shows("mailhaul -v -c c.yaml status"), "\n"); strings.Contains(exact, " ago") {
		t.Errorf("not exact:\n%s", exact)
	}
}

// TestDumbTerminal: with TERM=dumb nothing is written but text.
func TestDumbTerminal(t *testing.T) {
	t.Parallel()
	term, _ := longUIDs(t, 100)
	raw := filepath.Join(term.home, "raw")
	term.command("pipe-pane", "cat >"+raw)
	for line, control := range map[string]bool{
		"mailhaul -c c.yaml fetch --all": true, "TERM=dumb mailhaul -c c.yaml fetch --all": false,
		"timeout -s INT 1 mailhaul -c c.yaml status --watch": true, "TERM=dumb timeout -s INT 1 mailhaul -c c.yaml status --watch": false,
	} {
		before, _ := os.ReadFile(raw)
		end := fmt.Sprintf("end of %d", len(before))
		term.enter(fmt.Sprintf("%s; echo 'end' of %d", line, len(before)))
		var after []byte
		term.until(func(string) bool {
			after, _ = os.ReadFile(raw)
			return strings.Contains(string(after[len(before):]), end+"\r\n")
		}, end)
		if text := string(after[len(before):]); strings.Contains(text, "\x1b") != control {
			t.Errorf("%s: control sequences %t, want %t:\n%q", line, !control, control, text)
		}
	}
}
