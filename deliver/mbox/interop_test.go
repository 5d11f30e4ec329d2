package mbox

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/deliver"
)

// program skips a test whose program is not here.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" {
		t.Fatalf("needs %s: %v", name, err)
	}
	t.Skipf("needs %s: %v", name, err)
	return ""
}

// run runs a program with input, and returns its output.
func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, errs.String())
	}
	return out.String()
}

// readBack is Python's own mbox reader; it prints the hash of each message.
const readBack = `
import hashlib, mailbox, re, sys
box = mailbox.mbox(sys.argv[1], create=False)
for key in box.iterkeys():
    text = box.get_bytes(key)
    if sys.argv[2] == "mboxrd":
        text = re.sub(rb"(?m)^>(>*From )", rb"\1", text)
    if sys.argv[2] == "mboxo":
        text = re.sub(rb"(?m)^>From ", rb"From ", text)
    print(hashlib.sha256(text).hexdigest())
`

// pythonSums returns how often Python finds each message.
func pythonSums(t *testing.T, path, format string) map[string]int {
	t.Helper()
	count := make(map[string]int)
	for _, line := range strings.Fields(run(t, "", program(t, "python3"), "-c", readBack, path, format)) {
		count[line]++
	}
	return count
}

func sums(messages ...string) map[string]int {
	count := make(map[string]int)
	for _, m := range messages {
		count[fmt.Sprintf("%x", sha256.Sum256(endLine([]byte(m))))]++
	}
	return count
}

var samples = []string{
	"A: b\n\nFrom x\n\n>>From y\n.\n", "From first\nA: b\n\nbody", "A: only header\n", "A: b\n\n\n\n\n",
	"A: \xff\xfe\n\n\x00\r\r x\n", mail(7, 5000), "A: b\nContent-Length: 3\nStatus: R\n\nFrom z\n",
}

func TestPythonReadsIt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mboxrd", "mboxo"} {
		messages := samples
		if name == "mboxo" {
			messages = samples[1:] // its ">>From" is fine, but Python cannot know
		}
		path := filepath.Join(t.TempDir(), "mbox")
		send(t, newDeliverer(t, Options{Path: path, Format: formats[name]}), messages...)
		if got, want := pythonSums(t, path, name), sums(messages...); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// TestFormailSplitsIt: procmail's own reader counts the messages of all forms,
// with its belief in Content-Length and without.
func TestFormailSplitsIt(t *testing.T) {
	t.Parallel()
	formail := program(t, "formail")
	var messages []string // it wants two fields to take a message for one
	for i, body := range samples {
		messages = append(messages, fmt.Sprintf("Subject: %d\nTo: a@example.org\n\n%s", i, body))
	}
	for name, format := range formats {
		path := filepath.Join(t.TempDir(), "mbox")
		send(t, newDeliverer(t, Options{Path: path, Format: format}), messages...)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"-s", "sh", "-c", "cat >/dev/null; echo one"}
		if format != MBOXCL2 {
			args = append([]string{"-Y"}, args...)
		}
		if got := strings.Count(run(t, string(content), formail, args...), "one"); got != len(messages) {
			t.Errorf("%s: %d messages, want %d", name, got, len(messages))
		}
	}
}

// TestPythonRewritesIt: between a crash and the recovery a program removes a
// message and marks the others as read.
func TestPythonRewritesIt(t *testing.T) {
	t.Parallel()
	python := program(t, "python3")
	path := filepath.Join(t.TempDir(), "mbox")
	if err := os.WriteFile(path, []byte("From a Thu Nov 24 18:22:48 1986\nA: b\n\nold\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	intents := send(t, newDeliverer(t, Options{Path: path}), mail(1, 3), mail(2, 300), mail(3, 3))
	const rewrite = `
import mailbox, sys
box = mailbox.mbox(sys.argv[1], create=False)
box.remove(0)
for key in list(box.keys()):
    message = box[key]
    message.set_flags("RO")
    box[key] = message
box.flush()
`
	run(t, "", python, "-c", rewrite, path)
	for i, intent := range intents {
		if fate, err := Recover(t.Context(), intent); err != nil || fate != deliver.Visible {
			t.Errorf("message %d: got %d, %v", i, fate, err)
		}
	}
	m, err := Open(path, MBOXRD)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i, text := range []string{mail(1, 3), mail(2, 300), mail(3, 3)} {
		if _, found, err := m.Find(t.Context(), intents[i].Receipt, sha256.Sum256([]byte(text))); !found || err != nil {
			t.Errorf("message %d: not found: %v", i, err)
		}
	}
	if _, found, err := m.Find(t.Context(), "", sha256.Sum256([]byte("A: b\n\nold\n"))); found || err != nil {
		t.Errorf("found what was removed: %v", err)
	}
}

// TestFind: at the place of the receipt, and without it.
func TestFind(t *testing.T) {
	t.Parallel()
	samples := append(slices.Clone(samples), "From a\n>From b\n") // mboxo cannot reverse the last
	for name, format := range formats {
		path := filepath.Join(t.TempDir(), "mbox")
		intents := send(t, newDeliverer(t, Options{Path: path, Format: format}), samples...)
		m, err := Open(path, format)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for i, text := range samples {
			sum := sha256.Sum256([]byte(text))
			_, found, err := m.Find(t.Context(), intents[i].Receipt, sum)
			if !found || err != nil || m.index != nil {
				t.Errorf("%s: message %d is not where its receipt says: %v", name, i, err)
			}
		}
		for i, text := range samples {
			_, found, err := m.Find(t.Context(), "", sha256.Sum256([]byte(text)))
			if want := format != MBOXO || i != len(samples)-1; found != want || err != nil {
				t.Errorf("%s: message %d: found %v, %v", name, i, found, err)
			}
		}
		send(t, newDeliverer(t, Options{Path: path, Format: format}), "new\n")
		if _, found, err := m.Find(t.Context(), "", sha256.Sum256([]byte("new\n"))); found || !errors.Is(err, ErrChanged) {
			t.Errorf("%s: got %v, %v, want ErrChanged", name, found, err)
		}
	}
}

// TestProcmailAppends: a real delivery agent between the crash and recovery.
func TestProcmailAppends(t *testing.T) {
	t.Parallel()
	procmail := program(t, "procmail")
	path := filepath.Join(t.TempDir(), "mbox")
	d := newDeliverer(t, Options{Path: path})
	ours := []string{mail(1, 10), mail(2, 100), mail(3, 10)}
	for _, written := range []int64{0, 50, 900, 1 << 20} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		intents := crash(t, d, written, ours...)
		const theirs = "From them@example.org Thu Nov 24 18:22:48 1986\nSubject: theirs\n\nFrom them\n"
		for range 3 {
			run(t, theirs, procmail, "-f-", "DEFAULT="+path, "ORGMAIL="+path, "/dev/null")
		}
		settleAll(t, d, intents, ours)
		const quoted = "Subject: theirs\n\nFrom them\n"
		if got, want := pythonSums(t, path, "mboxrd"), sums(append(ours, quoted, quoted, quoted)...); !maps.Equal(got, want) {
			t.Errorf("%d written: got %v, want %v", written, got, want)
		}
	}
}

// otherOrder delivers as a program does that takes the dotlock first, and then
// waits for the fcntl lock while holding it.
const otherOrder = `
import fcntl, os, sys, time
path, n = sys.argv[1], int(sys.argv[2])
for i in range(n):
    while True:
        try:
            os.close(os.open(path + ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
            break
        except FileExistsError:
            time.sleep(0.001)
    with open(path, "ab") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        f.write(b"From o@example.org Thu Nov 24 18:22:48 1986\nSubject: other %d\n\nx\n\n" % i)
        f.flush()
        fcntl.lockf(f, fcntl.LOCK_UN)
    os.unlink(path + ".lock")
`

// TestOtherLockingOrder: two writers, a thousand messages, no loss, no deadlock.
func TestOtherLockingOrder(t *testing.T) {
	t.Parallel()
	python := program(t, "python3")
	path := filepath.Join(t.TempDir(), "mbox")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const each, batch = 500, 5
	other := exec.CommandContext(t.Context(), python, "-c", otherOrder, path, fmt.Sprint(each))
	var errs bytes.Buffer
	other.Stderr = &errs
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	d := newDeliverer(t, Options{Path: path})
	var want []string
	for i := 0; i < each; i += batch {
		var messages []string
		for j := range batch {
			messages = append(messages, fmt.Sprintf("Subject: ours %d\n\nFrom x\n", i+j))
		}
		send(t, d, messages...)
		want = append(want, messages...)
	}
	if err := other.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	for i := range each {
		want = append(want, fmt.Sprintf("Subject: other %d\n\nx\n", i))
	}
	checkOnce(t, path, MBOXRD, want...)
	if got := pythonSums(t, path, "mboxrd"); !maps.Equal(got, sums(want...)) {
		t.Errorf("Python finds %d different messages, want %d", len(got), len(want))
	}
}
