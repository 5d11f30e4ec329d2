//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// writers stores the messages without any network.
const writers = "write limit"

// latency is target 3.
func latency(l *lab) (*table, error) {
	n, few := l.size(1_000), l.size(100)
	if err := l.fill("latency", n, smallMail); err != nil {
		return nil, err
	}
	if err := l.link("latency", "few", few); err != nil {
		return nil, err
	}
	t := &table{title: "Round trips of 20 and 80 ms"}
	walls := make(map[time.Duration]map[string]*result)
	var all []*result
	for _, rtt := range []time.Duration{20 * time.Millisecond, 80 * time.Millisecond} {
		res, err := l.distant(rtt, n, few)
		if err != nil {
			return nil, err
		}
		walls[rtt] = make(map[string]*result)
		for _, r := range res {
			walls[rtt][r.name] = r
			named := *r
			named.name = fmt.Sprintf("%s, %d ms", r.name, rtt.Milliseconds())
			all = append(all, &named)
		}
		t.distances(rtt, res)
	}
	t.runs(all)
	trips := func(name string) float64 {
		near, far := walls[20*time.Millisecond][name], walls[80*time.Millisecond][name]
		return (far.wall() - near.wall()) / 0.06
	}
	t.head = append(t.head, "round trips")
	for i, r := range all {
		name := strings.Split(r.name, ", ")
		key := strings.Join(name[:len(name)-1], ", ")
		if key == writers {
			continue // no network
		}
		t.rows[i] = append(t.rows[i], figure(trips(key)))
	}
	t.note("Round trips are the difference of the two times, divided by 60 ms; TCP's handshake and its slow start count. " +
		"Those of a message without pipelining are counted by the proxy.")
	return t, nil
}

// distant lets the tools fetch through a proxy that delays.
func (l *lab) distant(rtt time.Duration, n, few int) ([]*result, error) {
	proxy := pop3test.NewDelayProxy(l.dovecot.Addr(), rtt)
	defer proxy.Close()
	via := &box{host: proxy.Host, port: proxy.Port}
	entrants := l.entrants(
		fetch{tool: "mailhaul", box: "latency", n: n, via: via},
		fetch{tool: "mpop", box: "latency", n: n, via: via},
		fetch{tool: "fdm", box: "few", n: few, via: via, rounds: 1},
		fetch{tool: "fetchmail", box: "few", n: few, via: via, rounds: 1},
		fetch{tool: "getmail", box: "few", n: few, via: via, rounds: 1},
	)
	for _, del := range []bool{false, true} {
		entrants = append(entrants, l.lockStep(proxy, via, few, del))
	}
	reader := l.box("latency", false)
	reader.host, reader.port = via.host, via.port
	entrants = append(entrants, entrant{name: "bare reader, 1000 pipelined", messages: n, run: func() (sample, error) {
		return l.readLimit(reader, 1000)
	}}, entrant{name: writers, messages: n, run: func() (sample, error) { return l.writeLimit("latency") }})
	return l.contest(entrants)
}

// lockStep runs mailhaul with a server that does not announce PIPELINING.
func (l *lab) lockStep(proxy *pop3test.DelayProxy, via *box, few int, del bool) entrant {
	n := few - 1 // from 100 on, a list that was emptied is looked at once more
	name, keep, user := "mailhaul without pipelining", "all", "doomed"
	if del {
		name, keep = name+" and delete", "none"
	}
	return entrant{name: name, messages: n, rounds: 1, run: func() (sample, error) {
		if err := l.refill("few", user, n); err != nil {
			return sample{}, err
		}
		dir, err := l.fresh()
		if err != nil {
			return sample{}, err
		}
		defer l.discard(dir)
		ours, _ := l.tool("mailhaul")
		j := job{dir: dir, to: dest{maildir: filepath.Join(dir, "Maildir")}}
		c, err := writeFile(j, "config.yaml", `state: %[1]s/state
accounts:
  far:
    server: %[2]s
    tls: none
    user: %[3]s
    password: {env: MAILHAUL_PASSWORD}
    keep: %[4]s
    pipelining: "off"
    deliver: [{maildir: %[1]s/Maildir}]
`, dir, via.addr(), user, keep)
		if err != nil {
			return sample{}, err
		}
		before := proxy.Turns()
		s, err := l.measure(with(exec.Command(ours.program, "-c", c, "-q", "fetch"), j))
		if err != nil {
			return s, err
		}
		s.Turns = proxy.Turns() - before
		return s, arrived(j, n)
	}}
}

// sessionTurns is the number of round trips of a session without pipelining, in
// addition to its messages: CAPA, AUTH, CAPA, STAT, UIDL, LIST and QUIT.
const sessionTurns = 7

// distances are the promises for one round trip time.
func (t *table) distances(rtt time.Duration, res []*result) {
	ours, ms := find(res, "mailhaul"), rtt.Milliseconds()
	bare := find(res, "bare reader, 1000 pipelined")
	t.atMost(fmt.Sprintf("mailhaul against the bare reader at %d ms, time", ms), ours.wall()/bare.wall(), 1.4, " x")
	if rtt == 80*time.Millisecond {
		if peer := find(res, "mpop"); peer != nil {
			t.atLeast("mailhaul against mpop at 80 ms", ours.rate()/peer.rate(), 2)
		}
	}
	for i, name := range []string{"mailhaul without pipelining", "mailhaul without pipelining and delete"} {
		r := find(res, name)
		t.atMost(fmt.Sprintf("%s at %d ms, round trips a message", name, ms), (r.turns()-sessionTurns)/float64(r.messages), float64(i+1), "")
	}
	for _, name := range []string{"fdm", "fetchmail"} {
		if peer := find(res, name); peer != nil {
			t.atLeast(fmt.Sprintf("mailhaul against %s at %d ms, messages/s", name, ms), ours.rate()/peer.rate(), 40)
		}
	}
}

// accounts is target 6.
func accounts(l *lab) (*table, error) {
	n, per := manyAccounts, l.size(perAccount)
	if l.quick {
		n = 10
	}
	if err := l.fill("latency", l.size(1_000), smallMail); err != nil {
		return nil, err
	}
	for i := range n {
		if err := l.link("latency", accountName(i), per); err != nil {
			return nil, err
		}
	}
	const rtt = 80 * time.Millisecond
	proxy := pop3test.NewDelayProxy(l.dovecot.Addr(), rtt)
	defer proxy.Close()
	res, err := l.contest([]entrant{
		{name: "one account", messages: per, run: func() (sample, error) { return l.runAccounts(proxy.Addr(), 1, per) }},
		{name: fmt.Sprintf("%d accounts, parallel: 16", n), messages: n * per, run: func() (sample, error) {
			return l.runAccounts(proxy.Addr(), n, per)
		}},
		{name: "bare readers of one account", messages: per, run: func() (sample, error) { return l.readAccounts(proxy, 1) }},
		{name: fmt.Sprintf("bare readers of %d accounts, 16 at a time", n), messages: n * per, run: func() (sample, error) {
			return l.readAccounts(proxy, n)
		}},
	})
	if err != nil {
		return nil, err
	}
	t := &table{title: fmt.Sprintf("%d accounts of %d messages, 16 at a time, round trip of 80 ms", n, per)}
	t.runs(res)
	t.atMost("time against 100/16 times one account's", res[1].wall()/(res[0].wall()*float64(n)/16), 1.3, " x")
	return t, nil
}

// readAccounts measures the fastest way to read so many maildrops, 16 at a time.
func (l *lab) readAccounts(proxy *pop3test.DelayProxy, n int) (sample, error) {
	return timed(func() error {
		slots, errs := make(chan struct{}, 16), make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			slots <- struct{}{}
			wg.Go(func() {
				b := box{host: proxy.Host, port: proxy.Port, user: accountName(i)}
				errs[i] = b.read(1000, false)
				<-slots
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}

func (l *lab) runAccounts(server string, n, per int) (sample, error) {
	dir, err := l.fresh()
	if err != nil {
		return sample{}, err
	}
	defer l.discard(dir)
	var b strings.Builder
	fmt.Fprintf(&b, "state: %s/state\nparallel: 16\naccounts:\n", dir)
	for i := range n {
		name := accountName(i)
		fmt.Fprintf(&b, "  %[1]s:\n    server: %[2]s\n    tls: none\n    user: %[1]s\n    password: {env: MAILHAUL_PASSWORD}\n"+
			"    deliver: [{maildir: %[3]s/%[1]s}]\n", name, server, dir)
	}
	j := job{dir: dir}
	c, err := writeFile(j, "config.yaml", "%s", b.String())
	if err != nil {
		return sample{}, err
	}
	ours, _ := l.tool("mailhaul")
	s, err := l.measure(with(exec.Command(ours.program, "-c", c, "-q", "fetch"), j))
	if err != nil {
		return s, err
	}
	for i := range n {
		if err := arrived(job{to: dest{maildir: filepath.Join(dir, accountName(i))}}, per); err != nil {
			return s, err
		}
	}
	return s, nil
}

func freePort() (int, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer lis.Close()
	return lis.Addr().(*net.TCPAddr).Port, nil
}

// waitFor waits until something listens on a port.
func waitFor(port int, patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(end) {
			return err
		}
	}
}
