package command

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// answerDNS has the process ask a DNS server of the test, which knows one
// address of each family for every name.
func answerDNS(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	usual, done := net.DefaultResolver, make(chan struct{})
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = usual
		_ = conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type, TTL: 1}
			m.Response, m.Additionals = true, nil
			switch q.Type {
			case dnsmessage.TypeA:
				m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
			case dnsmessage.TypeAAAA:
				m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte(net.IPv6loopback)}}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
}

// TestBrokenIPv6: the server is reached by IPv4, and a person is told that its
// IPv6 address does not answer.
func TestBrokenIPv6(t *testing.T) {
	answerDNS(t)
	ca := pop3test.NewCA()
	cert := ca.Leaf("pop.example.test")
	s := pop3test.NewServer(&pop3test.Maildrop{}, pop3test.Options{CA: ca, Certificate: &cert})
	defer s.Close()
	dir := t.TempDir()
	root, err := ca.WriteRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr())
	steps, code := checkSteps(t, dir, "accounts:\n  work: {server: 'pop.example.test:"+port+"', ca_file: "+root+
		", user: alice, password: secret, deliver: [{maildir: '"+dir+"/Mail'}]}\n")
	i := slices.IndexFunc(steps, func(s jsonline.Step) bool { return s.Step == "address" && s.Mark == jsonline.Warn })
	if code != 0 || i < 0 || !strings.HasPrefix(steps[i].Advice, "this IPv6 address does not answer; mailhaul uses another one") {
		t.Errorf("exit %d: %+v", code, steps)
	}
}
