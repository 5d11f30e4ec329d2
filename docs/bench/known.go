//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// news is how many messages of the large mailbox are new, in one variant.
const news = 50

// nothingNew is target 4.
func nothingNew(l *lab) (*table, error) {
	n := l.size(100_000)
	if err := l.tinyMail("tiny", n); err != nil {
		return nil, err
	}
	small, large := l.memory(n), l.memory(10*n)
	defer small.Close()
	defer large.Close()
	boxes := map[string]box{"": l.box("tiny", false), ", in-memory server": memoryBox(small),
		fmt.Sprintf(", in-memory server, %d", 10*n): memoryBox(large)}
	var entrants []entrant
	var sizes []string
	for _, label := range []string{"", ", in-memory server", fmt.Sprintf(", in-memory server, %d", 10*n)} {
		b := boxes[label]
		uids, err := b.uids()
		if err != nil {
			return nil, err
		}
		for _, name := range []string{"mailhaul", "mpop", "fdm", "fetchmail"} {
			t, ok := l.tool(name)
			if !ok || name != "mailhaul" && label != "" {
				continue
			}
			e, err := l.pollers(t, label, b, uids)
			if err != nil {
				return nil, err
			}
			entrants = append(entrants, e...)
		}
		entrants = append(entrants, entrant{name: "bare STAT, UIDL, LIST" + label, messages: len(uids),
			run: func() (sample, error) { return l.listLimit(b) }})
		size, err := stateSize(filepath.Join(l.dir, "known"+strings.ReplaceAll(label, " ", "")+"mailhaul"))
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, fmt.Sprintf("%d bytes an entry at %d known%s", size/int64(len(uids)), len(uids), label))
	}
	res, err := l.contest(entrants)
	if err != nil {
		return nil, err
	}
	t := &table{title: fmt.Sprintf("Nothing new, %d messages known", n)}
	t.runs(res)
	t.polls(res, n)
	t.note("State, entries imported: %s.", strings.Join(sizes, "; "))
	return t, nil
}

// polls are the promises for a poll.
func (t *table) polls(res []*result, n int) {
	ours, bare := find(res, "mailhaul"), find(res, "bare STAT, UIDL, LIST")
	t.atMost("mailhaul against the bare reader, time", ours.wall()/bare.wall(), 1.25, " x")
	for _, peer := range []string{"fdm", "mpop"} {
		t.faster(ours, find(res, peer), 1)
	}
	t.faster(find(res, "mailhaul, 50 new"), find(res, "mpop, 50 new"), 1)
	t.atMost("mailhaul, peak RSS", ours.rss(), 40, " MiB")
	few := find(res, "mailhaul, in-memory server")
	many := find(res, fmt.Sprintf("mailhaul, in-memory server, %d", 10*n))
	t.atMost(fmt.Sprintf("%d against %d known, time", 10*n, n), many.wall()/few.wall(), 11, " x")
	t.atMost(fmt.Sprintf("mailhaul, peak RSS at %d", 10*n), many.rss(), 120, " MiB")
}

// memory is an in-memory server with n tiny messages, whose UIDs are unsorted:
// Dovecot takes minutes to index a million files.
func (l *lab) memory(n int) *pop3test.Server {
	drop := &pop3test.Maildrop{}
	body := []byte("From: a@example.org\r\nSubject: tiny\r\n\r\nx\r\n")
	for i := range n {
		drop.Add(fmt.Sprintf("%016x", scramble(uint64(i))), body)
	}
	return pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain, Password: password})
}

// scramble is a bijection without order (the finaliser of MurmurHash3).
func scramble(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

func memoryBox(s *pop3test.Server) box { return box{host: s.Host, port: s.Port, user: "alice"} }

// uids are the unique-ids of a mailbox in the order of its listing.
func (b box) uids() ([]string, error) {
	var uids []string
	err := b.list(func(line []byte) {
		if _, uid, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); ok {
			uids = append(uids, string(uid))
		}
	})
	return uids, err
}

// pollers are one tool that knows all messages, and one that knows all but a few,
// spread over the mailbox.
func (l *lab) pollers(t tool, label string, b box, uids []string) ([]entrant, error) {
	all := filepath.Join(l.dir, "known"+strings.ReplaceAll(label, " ", "")+t.name)
	most := all + "most"
	var known []string
	for i, u := range uids {
		if i%(len(uids)/news) != 0 {
			known = append(known, u)
		}
	}
	fresh := len(uids) - len(known)
	jobs := map[string]job{}
	for dir, list := range map[string][]string{all: uids, most: known} {
		if dir == most && label != "" {
			continue
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		j := job{from: b, to: dest{maildir: filepath.Join(dir, "Maildir")}, dir: dir}
		if err := makeMaildir(j.to.maildir); err != nil {
			return nil, err
		}
		if err := l.remember(t, j, list); err != nil {
			return nil, err
		}
		jobs[dir] = j
	}
	if _, err := l.poll(t, jobs[all], 0); err != nil { // the one after the import
		return nil, err
	}
	out := []entrant{{name: t.name + label, messages: len(uids), run: func() (sample, error) {
		return l.poll(t, jobs[all], 0)
	}}}
	if label != "" {
		return out, nil
	}
	return append(out, entrant{name: fmt.Sprintf("%s, %d new", t.name, news), messages: len(uids), run: func() (sample, error) {
		dir, err := l.fresh()
		if err != nil {
			return sample{}, err
		}
		defer l.discard(dir)
		if err := exec.Command("cp", "-a", most+"/.", dir).Run(); err != nil {
			return sample{}, err
		}
		j := job{from: b, to: dest{maildir: filepath.Join(dir, "Maildir")}, dir: dir}
		return l.poll(t, j, fresh)
	}}), nil
}

// poll runs one poll that finds so many new messages.
func (l *lab) poll(t tool, j job, fresh int) (sample, error) {
	command := t.command
	if t.name == "mailhaul" {
		command = mailhaulKnown
	}
	cmd, err := command(t.program, j)
	if err != nil {
		return sample{}, err
	}
	s, err := l.measure(cmd, 1) // fetchmail's code for "no mail"
	if err != nil {
		return s, err
	}
	return s, arrived(j, fresh)
}

// mailhaulKnown runs with a configuration, as state import needs one. The
// target keeps its name wherever the directory is: the state refers to it.
func mailhaulKnown(program string, j job) (*exec.Cmd, error) {
	if err := os.Remove(filepath.Join(j.dir, "config.yaml")); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	c, err := writeFile(j, "config.yaml", `state: %s/state
accounts:
  bench:
    id: bench
    server: %s
    tls: none
    user: %s
    password: {env: MAILHAUL_PASSWORD}
    deliver: [{maildir: Maildir}]
`, j.dir, j.from.addr(), j.from.user)
	return with(exec.Command(program, "-c", c, "-q", "fetch"), j), err
}

// remember writes a tool's list of messages that it never saw.
func (l *lab) remember(t tool, j job, uids []string) error {
	var b bytes.Buffer
	switch t.name {
	case "mailhaul":
		return l.importState(t, j, uids)
	case "mpop": // its list is in ascending order
		fmt.Fprintf(&b, " %d %s %s\n%s\n", len(uids), j.from.host, j.from.user, strings.Join(slices.Sorted(slices.Values(uids)), "\n"))
		return os.WriteFile(filepath.Join(j.dir, "uidls"), b.Bytes(), 0o600)
	case "fetchmail":
		for _, u := range uids {
			fmt.Fprintf(&b, "%s@%s %s\n", j.from.user, j.from.host, u)
		}
		return os.WriteFile(filepath.Join(j.dir, "fetchids"), b.Bytes(), 0o600)
	}
	for _, u := range uids { // fdm
		fmt.Fprintf(&b, "%d %s\n", len(u), u)
	}
	if err := os.Mkdir(filepath.Join(j.dir, "open"), 0o777); err != nil {
		return err
	}
	path := filepath.Join(j.dir, "open", "cache")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		return err
	}
	return os.Chmod(path, 0o666) // it writes as another user
}

// importState gives mailhaul entries as complete as after a fetch.
func (l *lab) importState(t tool, j job, uids []string) error {
	path := filepath.Join(j.dir, "import.jsonl")
	var b bytes.Buffer
	for i, u := range uids {
		sum := scramble(uint64(i) + 1<<40)
		fmt.Fprintf(&b, `{"uid":%q,"size":38,"sha256":"%016[2]x%016[2]x%016[2]x%016[2]x","fingerprint":"%016[2]x%016[2]x",`+
			`"first_seen":"2026-01-02T03:04:05Z","source":"fetched","done":true,"outcomes":[{"target":"maildir:Maildir",`+
			`"status":"delivered","receipt":"1600000000.R%016[2]xQ%[3]d","at":"2026-01-02T03:04:05Z"}]}`+"\n", u, sum|1<<63, i)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return err
	}
	defer os.Remove(path)
	cmd, err := mailhaulKnown(t.program, j)
	if err != nil {
		return err
	}
	cmd.Args = []string{t.program, "-c", filepath.Join(j.dir, "config.yaml"), "state", "import", "bench", path}
	s, err := l.measure(cmd)
	l.Logf("import of %d entries: %.1f s, %d MiB", len(uids), s.Wall.Seconds(), s.RSS/1024)
	return err
}

func stateSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(filepath.Join(dir, "state"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".db" {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		return err
	})
	return size, err
}
