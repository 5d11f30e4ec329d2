//go:build unix

package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manyUsers is a POP3 server with an empty maildrop for any user. It counts sessions.
type manyUsers struct {
	mu         sync.Mutex
	open, runs map[string]int
	together   []string // users who were there twice at once
}

func serveManyUsers(t *testing.T) (*manyUsers, string) {
	t.Helper()
	m := &manyUsers{open: map[string]int{}, runs: map[string]int{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go m.session(conn)
		}
	}()
	return m, l.Addr().String()
}

func (m *manyUsers) session(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "+OK\r\n")
	user := ""
	for s := bufio.NewScanner(conn); s.Scan(); {
		word, arg, _ := strings.Cut(s.Text(), " ")
		answer := "+OK\r\n"
		switch strings.ToUpper(word) {
		case "CAPA":
			answer = "+OK\r\nUSER\r\nUIDL\r\n.\r\n"
		case "USER":
			user = arg
		case "PASS":
			m.count(user, 1)
			defer m.count(user, -1)
		case "STAT":
			answer = "+OK 0 0\r\n"
		case "UIDL", "LIST":
			answer = "+OK\r\n.\r\n"
		case "QUIT":
			fmt.Fprint(conn, answer)
			return
		}
		fmt.Fprint(conn, answer)
	}
}

func (m *manyUsers) count(user string, by int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[user] += by; m.open[user] > 1 {
		m.together = append(m.together, user)
	}
	m.runs[user] += max(by, 0)
}

// sessions counts those of some users.
func (m *manyUsers) sessions(of func(i int) bool) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for user, runs := range m.runs {
		if i, _ := strconv.Atoi(user[1:]); of(i) {
			n += runs
		}
	}
	return n
}

// results is a service that takes the results of runs.
type results struct {
	mu   sync.Mutex
	seen map[string]int
	bad  []string
}

func serveResults(t *testing.T) (*results, string) {
	r := &results{seen: map[string]int{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var row struct {
			Account string `json:"account"`
			Exit    *int   `json:"exit"`
		}
		err := json.NewDecoder(req.Body).Decode(&row)
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil && row.Exit != nil && *row.Exit == 143 {
			return // the end of the loop
		}
		if err != nil || row.Exit == nil || *row.Exit != 0 || req.Header.Get("X-Key") != "secret" {
			r.bad = append(r.bad, fmt.Sprint(row.Account, err, row.Exit))
		}
		r.seen[row.Account]++
	}))
	t.Cleanup(s.Close)
	return r, s.URL
}

// databaseSize is the number of accounts and of changes: MAILHAUL_DATABASE=1000,50.
func databaseSize() (accounts, changes int) {
	a, c, ok := strings.Cut(os.Getenv("MAILHAUL_DATABASE"), ",")
	accounts, _ = strconv.Atoi(a)
	if changes, _ = strconv.Atoi(c); !ok {
		return 40, 8
	}
	return accounts, changes
}

// TestDatabaseOfAccounts changes a list of accounts behind accounts_from again and again
// under a running loop: no account is in two runs at once, none is forgotten, and each
// has its results. Those that were taken out have no more runs.
func TestDatabaseOfAccounts(t *testing.T) {
	t.Parallel()
	size, changes := databaseSize()
	users, addr := serveManyUsers(t)
	got, url := serveResults(t)
	l := newLab(t)
	there := map[int]bool{}
	write := func() {
		var b bytes.Buffer
		for i := range there {
			fmt.Fprintf(&b, "{\"name\":\"a%d\",\"user\":\"u%d\",\"note\":null,\"timeout\":\"%ds\"}\n", i, i, 5+rand.IntN(2))
		}
		l.write("list.new", b.Bytes())
		if err := os.Rename(l.path("list.new"), l.path("list")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range size {
		there[i] = true
	}
	write()
	l.write("config.yaml", []byte(fmt.Sprintf("state: state\nparallel: 8\nrefresh: 1s\naccounts_from: [{command: [cat, %s]}]\n"+
		"result: {url: %s, headers: {X-Key: secret}}\n"+
		"defaults: {server: %q, tls: none, password: secret, every: 2s, deliver: [{maildir: Mail}]}\n", l.path("list"), url, addr)))
	p := l.loop(nil)
	p.until("loop begins") // before that SIGHUP ends it
	go func() {
		for range p.lines { // the pipe must not fill
		}
	}()
	next := size
	for range changes {
		time.Sleep(300 * time.Millisecond) // changes come while runs are under way, at any time
		for range 1 + size/20 {
			for i := range there {
				delete(there, i)
				break
			}
			there[next] = true
			next++
		}
		write()
		if rand.IntN(4) == 0 {
			p.signal(syscall.SIGHUP)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.text())
		}
	})
	wait(t, func() string {
		got.mu.Lock()
		defer got.mu.Unlock()
		for i := range there {
			if got.seen[fmt.Sprint("a", i)] == 0 {
				return fmt.Sprintf("a%d has no result", i)
			}
		}
		return ""
	})
	gone := users.sessions(func(i int) bool { return !there[i] })
	again := users.sessions(func(i int) bool { return there[i] })
	wait(t, func() string {
		if n := users.sessions(func(i int) bool { return there[i] }) - again; n < 2*size {
			return fmt.Sprint("only so many more sessions: ", n)
		}
		return ""
	})
	if n := users.sessions(func(i int) bool { return !there[i] }); n != gone {
		t.Errorf("%d sessions of accounts that were taken out", n-gone)
	}
	l.write("list", []byte("<html>"))
	again = users.sessions(func(i int) bool { return there[i] })
	wait(t, func() string {
		if n := users.sessions(func(i int) bool { return there[i] }) - again; n < size || !strings.Contains(p.text(), "accounts not read") {
			return fmt.Sprintf("with a page of HTML: %d sessions, %s", n, p.text())
		}
		return ""
	})
	memory := peakMemory(p.cmd.Process.Pid)
	if code := p.end(syscall.SIGTERM); code != 143 {
		t.Errorf("exit %d\n%s", code, p.text())
	}
	if len(users.together) > 0 || len(got.bad) > 0 {
		t.Errorf("two runs at once: %v; results: %v", users.together, got.bad)
	}
	for user, runs := range users.runs {
		if name := "a" + user[1:]; runs-got.seen[name] > 1 || runs < got.seen[name] { // SIGTERM ended one
			t.Errorf("%s had %d sessions and %d results", user, runs, got.seen[name])
		}
	}
	t.Logf("%d accounts, %d changes, %d accounts in all, %d sessions, %d MiB", size, changes, next, sum(users.runs), memory>>20)
	if memory > 64<<20 {
		t.Errorf("%d MiB", memory>>20)
	}
}

func sum(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// wait tries until nothing is missing.
func wait(t *testing.T, missing func() string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); missing() != ""; {
		if time.Now().After(end) {
			t.Fatal(missing())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// peakMemory is the largest resident size of a process; 0 where it is not known.
func peakMemory(pid int) (bytes int64) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	text, _ := io.ReadAll(f)
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, _ := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	return kib << 10
}
