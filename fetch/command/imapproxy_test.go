package command

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// imapFault is what goes wrong at an APPEND.
type imapFault struct {
	// before is called when the message is announced, half when half of it has come, and
	// stored with the server's reply to it: true if the client does not get that.
	before, half func(p *proxied, tag string)
	stored       func(p *proxied, reply string) bool
	// every lets all of them fail; else only the first one does.
	every bool
}

// imapProxy is go-imap's server in memory, behind a proxy that makes faults.
type imapProxy struct {
	addr, backend string
	user          *imapmemserver.User

	mu       sync.Mutex
	fault    *imapFault
	appends  int
	validity int // added to each UIDVALIDITY
}

// proxied is one session.
type proxied struct {
	*imapProxy
	client, server net.Conn
	up             *bufio.Reader // from the client
	mu             sync.Mutex    // guards the rest, and writes to the client
	tag            string        // of the APPEND whose reply is awaited
}

func (p *proxied) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.client, format+"\r\n", args...)
}

func (p *proxied) end() { p.client.Close(); p.server.Close() }

// startIMAPProxy starts both. literals is the capability for what a client may send at
// once: LITERAL+ or LITERAL-.
func startIMAPProxy(t *testing.T, literals imap.Cap, fault *imapFault) *imapProxy {
	t.Helper()
	p := &imapProxy{fault: fault}
	p.backend = p.startServer(t, nil, false, literals)
	p.addr = listenIMAP(t, nil, p.serve)
	return p
}

// listenIMAP serves until the test ends.
func listenIMAP(t *testing.T, secure *tls.Config, serve func(net.Listener)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	var wg sync.WaitGroup
	wg.Go(func() { serve(l) })
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// startServer starts the server in memory; with TLS if secure is set.
func (p *imapProxy) startServer(t *testing.T, secure *tls.Config, implicit bool, literals imap.Cap) string {
	t.Helper()
	p.user = imapmemserver.NewUser("alice", password)
	if err := p.user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	memory := imapmemserver.New()
	memory.AddUser(p.user)
	o := &imapserver.Options{InsecureAuth: secure == nil, Logger: log.New(io.Discard, "", 0),
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapNamespace: {}, literals: {}},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		}}
	if !implicit {
		o.TLSConfig, secure = secure, nil
	}
	server := imapserver.New(o)
	t.Cleanup(func() { server.Close() })
	return listenIMAP(t, secure, func(l net.Listener) { _ = server.Serve(l) })
}

func (p *imapProxy) serve(l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		wg.Go(func() {
			defer client.Close()
			server, err := net.Dial("tcp", p.backend)
			if err != nil {
				return
			}
			s := &proxied{imapProxy: p, client: client, server: server, up: bufio.NewReader(client)}
			wg.Go(s.fromServer)
			s.fromClient()
			server.Close()
		})
	}
}

// take reports whether the next APPEND fails.
func (p *imapProxy) take() *imapFault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.appends++
	if p.fault == nil || p.appends > 1 && !p.fault.every {
		return nil
	}
	return p.fault
}

var announced = regexp.MustCompile(`\{(\d+)(\+?)\}\r\n$`)

// fromClient passes on what the client sends.
func (p *proxied) fromClient() {
	for {
		line, err := p.up.ReadString('\n')
		if err != nil {
			return
		}
		var fault *imapFault
		if tag, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, "APPEND") {
			if fault = p.take(); fault != nil && fault.stored != nil {
				p.mu.Lock()
				p.tag = tag
				p.mu.Unlock()
			}
			if fault != nil && fault.before != nil {
				fault.before(p, tag)
				if m := announced.FindStringSubmatch(line); m[2] != "" {
					p.discard(m[1])
				}
				continue
			}
			if fault != nil && fault.half != nil {
				p.halfway(fault, tag, line)
				continue
			}
		}
		if _, err := io.WriteString(p.server, line); err != nil {
			return
		}
		if m := announced.FindStringSubmatch(line); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			if _, err := io.CopyN(p.server, p.up, n); err != nil {
				return
			}
		}
	}
}

// discard reads the rest of an APPEND.
func (p *proxied) discard(size string) {
	n, _ := strconv.ParseInt(size, 10, 64)
	_, _ = io.CopyN(io.Discard, p.up, n)
	_, _ = p.up.ReadString('\n')
}

// halfway lets the client send, and fails in the middle of it.
func (p *proxied) halfway(fault *imapFault, tag, line string) {
	m := announced.FindStringSubmatch(line)
	if m[2] == "" {
		p.say("+ go on")
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	_, _ = io.CopyN(io.Discard, p.up, n/2)
	fault.half(p, tag)
	p.discard(strconv.FormatInt(n-n/2, 10))
}

var validityWord = regexp.MustCompile(`UIDVALIDITY (\d+)`)

// fromServer passes on what the server says.
func (p *proxied) fromServer() {
	defer p.client.Close()
	down := bufio.NewReader(p.server)
	for {
		line, err := down.ReadString('\n')
		if err != nil {
			return
		}
		p.imapProxy.mu.Lock()
		more := p.validity
		p.imapProxy.mu.Unlock()
		line = validityWord.ReplaceAllStringFunc(line, func(s string) string {
			n, _ := strconv.Atoi(strings.Fields(s)[1])
			return fmt.Sprintf("UIDVALIDITY %d", n+more)
		})
		p.mu.Lock()
		tag := p.tag
		p.mu.Unlock()
		if tag != "" && strings.HasPrefix(line, tag+" ") {
			p.mu.Lock()
			p.tag = ""
			p.mu.Unlock()
			if p.fault.stored(p, line) {
				continue
			}
		}
		p.mu.Lock()
		_, err = io.WriteString(p.client, line)
		if m := announced.FindStringSubmatch(line); m != nil && err == nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			_, err = io.CopyN(p.client, down, n)
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// kept are the messages of the mailbox, without CR. They are read by another door.
func (p *imapProxy) kept(t *testing.T) (out []string) {
	t.Helper()
	server := imapserver.New(&imapserver.Options{InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return imapmemserver.NewUserSession(p.user), &imapserver.GreetingData{PreAuth: true}, nil
		}})
	defer server.Close()
	c, err := imapclient.DialInsecure(listenIMAP(t, nil, func(l net.Listener) { _ = server.Serve(l) }), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if box.NumMessages == 0 {
		return nil
	}
	all := imap.SeqSet{{Start: 1, Stop: 0}}
	messages, err := c.Fetch(all, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		for _, s := range m.BodySection {
			out = append(out, strings.ReplaceAll(string(s.Bytes), "\r", ""))
		}
	}
	return out
}
