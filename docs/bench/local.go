//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

const (
	partOf = 1_000 // messages of the mixed mailbox for the slow tools
)

// localhost is target 1.
func localhost(l *lab) (*table, error) {
	n, err := l.mixed()
	if err != nil {
		return nil, err
	}
	part := l.size(partOf)
	if err := l.link("mixed", "part", part); err != nil {
		return nil, err
	}
	refill := func() error { return l.refill("mixed", "doomed", n) }
	entrants := l.entrants(
		fetch{tool: "mailhaul", box: "mixed", n: n},
		fetch{tool: "mpop", box: "mixed", n: n},
		fetch{tool: "mailhaul", label: "mailhaul, refilled", box: "doomed", n: n, before: refill},
		fetch{tool: "mailhaul", label: "mailhaul, refilled, delete", box: "doomed", n: n, delete: true, before: refill},
		fetch{tool: "mpop", label: "mpop, refilled, delete", box: "doomed", n: n, delete: true, before: refill},
		fetch{tool: "mailhaul", label: "mailhaul, TLS", box: "mixed", n: n, tls: true},
		fetch{tool: "mpop", label: "mpop, TLS", box: "mixed", n: n, tls: true},
		fetch{tool: "fdm", box: "part", n: part},
		fetch{tool: "fetchmail", label: "fetchmail and procmail", box: "part", n: part},
		fetch{tool: "getmail", box: "part", n: part},
	)
	entrants = append(entrants,
		entrant{name: "read limit", messages: n, run: func() (sample, error) { return l.readLimit(l.box("mixed", false), 1000) }},
		entrant{name: "read and delete limit", messages: n, run: func() (sample, error) {
			if err := refill(); err != nil {
				return sample{}, err
			}
			return l.deleteLimit(l.box("doomed", false), 1000)
		}},
		entrant{name: "read limit, TLS", messages: n, run: func() (sample, error) { return l.readLimit(l.box("mixed", true), 1000) }},
		entrant{name: "write limit", messages: n, run: func() (sample, error) { return l.writeLimit("mixed") }},
	)
	res, err := l.contest(entrants)
	if err != nil {
		return nil, err
	}
	for _, r := range res {
		l.done[r.name] = r // target 8 uses them
	}
	t := &table{title: "A whole mailbox on localhost into a Maildir"}
	t.runs(res)
	ours := find(res, "mailhaul")
	t.faster(ours, find(res, "mpop"), 1.6)
	t.faster(ours, find(res, "fdm"), 4)
	t.faster(ours, find(res, "fetchmail and procmail"), 8)
	t.faster(ours, find(res, "getmail"), 20)
	write := find(res, "write limit")
	limit := largerOf(find(res, "read limit"), write)
	t.atMost("mailhaul against the "+limit.name+", time", ours.wall()/limit.wall(), 1.25, " x")
	anew := find(res, "mailhaul, refilled") // as what is deleted must be: the server knows less of it
	t.atMost("deleting against keeping, time", find(res, "mailhaul, refilled, delete").wall()/anew.wall(), 1.15, " x")
	limit = largerOf(find(res, "read limit, TLS"), write)
	t.atMost("mailhaul, TLS, against the "+limit.name+", time", find(res, "mailhaul, TLS").wall()/limit.wall(), 1.3, " x")
	return t, nil
}

// mboxes is target 2.
func mboxes(l *lab) (*table, error) {
	n, err := l.mixed()
	if err != nil {
		return nil, err
	}
	res, err := l.contest(append(l.entrants(
		fetch{tool: "mailhaul", box: "mixed", n: n, mbox: true},
		fetch{tool: "mpop", box: "mixed", n: n, mbox: true},
	), entrant{name: "read limit", messages: n, run: func() (sample, error) { return l.readLimit(l.box("mixed", false), 1000) }}))
	if err != nil {
		return nil, err
	}
	t := &table{title: "A whole mailbox on localhost into an mbox file"}
	t.runs(res)
	t.faster(find(res, "mailhaul"), find(res, "mpop"), 4)
	return t, nil
}

// large is target 5.
func large(l *lab) (*table, error) {
	n := l.size(20)
	if l.quick {
		n = 2
	}
	if err := l.fill("big", n, bigMessages); err != nil {
		return nil, err
	}
	res, err := l.contest(l.entrants(
		fetch{tool: "mailhaul", box: "big", n: n},
		fetch{tool: "mpop", box: "big", n: n},
		fetch{tool: "fdm", box: "big", n: n},
		fetch{tool: "fetchmail", box: "big", n: n, rounds: 1},
		fetch{tool: "getmail", box: "big", n: n, rounds: 1},
	))
	if err != nil {
		return nil, err
	}
	t := &table{title: fmt.Sprintf("%d messages of 25 MB", n)}
	t.runs(res)
	ours := find(res, "mailhaul")
	t.atMost("mailhaul, peak RSS", ours.rss(), 32, " MiB")
	t.faster(ours, find(res, "mpop"), 1)
	return t, nil
}

// relay is target 7.
func relay(l *lab) (*table, error) {
	n, few := l.size(2_000), l.size(100)
	if err := l.fill("latency", l.size(1_000), smallMail); err != nil {
		return nil, err
	}
	n = min(n, l.size(1_000))
	if err := l.link("latency", "few", few); err != nil {
		return nil, err
	}
	sink, err := l.startSink()
	if err != nil {
		return nil, err
	}
	res, err := l.contest(l.entrants(
		fetch{tool: "mailhaul", box: "latency", n: n, smtp: sink},
		fetch{tool: "fetchmail", box: "few", n: few, smtp: sink},
	))
	if err != nil {
		return nil, err
	}
	t := &table{title: "To an SMTP server on loopback (smtp-sink)"}
	t.runs(res)
	t.faster(find(res, "mailhaul"), find(res, "fetchmail"), 20)
	return t, nil
}

func smallMail(n int) [][]byte {
	return pop3test.CorpusOptions{Seed: seed, N: n, Small: true}.Generate()
}

// startSink starts Postfix's smtp-sink, which throws away what it accepts.
func (l *lab) startSink() (port int, err error) {
	port, err = freePort()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(pop3test.Require(l, "smtp-sink"), "-u", "nobody", fmt.Sprintf("127.0.0.1:%d", port), "100")
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	l.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "signal: killed", as intended
	})
	return port, waitFor(port, 5*time.Second)
}

// cost is target 8.
func cost(l *lab) (*table, error) {
	if l.done["mailhaul"] == nil || l.done["mpop"] == nil {
		n, err := l.mixed()
		if err != nil {
			return nil, err
		}
		res, err := l.contest(l.entrants(fetch{tool: "mailhaul", box: "mixed", n: n}, fetch{tool: "mpop", box: "mixed", n: n}))
		if err != nil {
			return nil, err
		}
		for _, r := range res {
			l.done[r.name] = r
		}
	}
	ours, _ := l.tool("mailhaul")
	start := &result{}
	for range 20 {
		s, err := l.measure(exec.Command(ours.program, "version"))
		if err != nil {
			return nil, err
		}
		start.samples = append(start.samples, s)
	}
	t := &table{title: "Processor time, and how long a start takes", head: []string{"", "user s", "system s", "together"}}
	for _, name := range []string{"mailhaul", "mpop"} {
		if r := l.done[name]; r != nil {
			t.row(r.name, figure(r.user()), figure(r.sys()), figure(r.cpu()))
		}
	}
	if peer := l.done["mpop"]; peer != nil {
		t.atMost("mailhaul against mpop, user and system", l.done["mailhaul"].cpu()/peer.cpu(), 1.5, " x")
	}
	t.atMost("`mailhaul version`", start.wall()*1000, 15, " ms")
	return t, nil
}
