package command

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// kpop is a mailbox of alice's behind KPOP, with three letters.
type kpop struct {
	*lab
	kdc    *pop3test.KDC
	server *pop3test.Server
	front  *pop3test.KPOP
}

func newKPOP(t *testing.T, ahead time.Duration) *kpop {
	t.Helper()
	k := &kpop{lab: newLab(t), kdc: pop3test.StartKDC(t, "alice", password)}
	drop := &pop3test.Maildrop{}
	drop.AddAll(letters(3))
	// The word after PASS is, by convention, the user name.
	k.server = pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain, User: "alice", Password: "alice"})
	t.Cleanup(k.server.Close)
	k.front = pop3test.StartKPOP(t, k.kdc, k.server, ahead)
	return k
}

// at writes the configuration for a port.
func (k *kpop) at(port int, lines ...string) {
	k.t.Helper()
	k.account(append([]string{fmt.Sprintf("server: localhost:%d", port), "auth: kpop"}, lines...)...)
}

func (k *kpop) cache() string {
	return fmt.Sprintf("krb: {config: %s, ccache: %s}", k.kdc.Config, k.kdc.CCache)
}

func TestKPOP(t *testing.T) {
	t.Parallel()
	k := newKPOP(t, 0)
	keytab := fmt.Sprintf("krb: {config: %s, keytab: %s, principal: alice, service: pop/localhost}", k.kdc.Config, k.kdc.ClientKeytab)
	for _, krb := range []string{k.cache(), keytab} {
		k.at(k.front.Port, "tls: none", krb)
		o := k.run("-vv", "fetch")
		k.want(o, 0)
		k.wantMail(letters(3))
	}
	for _, who := range k.front.Said() {
		if who != "alice@EXAMPLE.ORG" {
			t.Errorf("let in: %q", k.front.Said())
		}
	}
	if f := k.facts(); f.AuthName != "KPOP" {
		t.Errorf("logged in by %s", f.AuthName)
	}
	o := k.run("check", "--connect")
	k.want(o, 0)
	if !strings.Contains(o.out, "kpop") {
		t.Error(o)
	}
	t.Run("implicit TLS", func(t *testing.T) {
		ca := pop3test.NewCA()
		cert := ca.Leaf("localhost")
		port := front(t, func(c net.Conn) {
			relay(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}), k.front.Port)
		})
		k.at(port, "ca_file: "+k.write("ca.pem", ca.RootPEM()), k.cache())
		k.want(k.run("fetch"), 0)
	})
	t.Run("other people's mailbox", func(t *testing.T) {
		k.write("config.yaml", []byte(accountYAML("lab", []string{"user: bob", fmt.Sprintf("server: localhost:%d", k.front.Port),
			"auth: kpop", "tls: none", k.cache(), "deliver: [{maildir: " + k.path("Bob") + "}]"})))
		k.want(k.run("fetch"), 77, "The ticket is good, but not for this mailbox")
	})
	t.Run("STLS", func(t *testing.T) {
		k.at(k.front.Port, "tls: stls", k.cache())
		k.want(k.run("fetch"), 78, "conflicts with auth: kpop")
	})
	t.Run("wrong realm", func(t *testing.T) {
		conf, err := os.ReadFile(k.kdc.Config)
		if err != nil {
			t.Fatal(err)
		}
		other := k.write("other.conf", bytes.ReplaceAll(conf, []byte("localhost = EXAMPLE.ORG"), []byte("localhost = ELSEWHERE.ORG")))
		k.at(k.front.Port, "tls: none", fmt.Sprintf("krb: {config: %s, ccache: %s}", other, k.kdc.CCache))
		k.want(k.run("fetch"), 77, "krbtgt/ELSEWHERE.ORG", "is its realm in krb5.conf right")
		k.at(k.front.Port, "tls: none", fmt.Sprintf("krb: {config: %s, keytab: %s, principal: alice@ELSEWHERE.ORG}", k.kdc.Config,
			k.kdc.ClientKeytab))
		k.want(k.run("fetch"), 77, "no KDCs defined in configuration for realm ELSEWHERE.ORG")
	})
	t.Run("unknown service", func(t *testing.T) {
		k.at(k.front.Port, "tls: none", fmt.Sprintf("krb: {config: %s, ccache: %s, service: pop/other}", k.kdc.Config, k.kdc.CCache))
		k.want(k.run("fetch"), 77, "The KDC does not know this service")
	})
	t.Run("expired", func(t *testing.T) {
		k.at(k.front.Port, "tls: none", fmt.Sprintf("krb: {config: %s, ccache: %s}", k.kdc.Config, k.expired()))
		k.want(k.run("fetch"), 77, "the ticket expired at", "Run kinit")
	})
	t.Run("replayed", func(t *testing.T) {
		k.at(front(t, func(c net.Conn) { replay(c, k.front.Port) }), "tls: none", k.cache())
		k.want(k.run("fetch"), 77, "KRB_AP_ERR_REPEAT", "somebody may be in between")
	})
	t.Run("answer of another session", func(t *testing.T) {
		answers := make(chan []byte, 1)
		record := front(t, func(c net.Conn) {
			up := dialLoopback(k.front.Port)
			go io.Copy(up, c)  //nolint:errcheck // ends with the connections
			io.CopyN(c, up, 1) //nolint:errcheck
			answers <- append(readFrame(up), readFrame(up)...)
			c.Close()
			up.Close()
		})
		k.at(record, "tls: none", k.cache())
		k.run("fetch")
		forger := front(t, func(c net.Conn) {
			readFrame(c)
			readFrame(c)
			c.Write([]byte{0}) //nolint:errcheck
			readFrame(c)
			c.Write(<-answers) //nolint:errcheck
			io.WriteString(c, "+OK\r\n")
			io.Copy(io.Discard, c) //nolint:errcheck
		})
		k.at(forger, "tls: none", k.cache())
		k.want(k.run("fetch"), 77, "login (kpop): ", "somebody may be in between")
	})
	t.Run("POP3 server", func(t *testing.T) {
		k.at(k.server.Port, "tls: none", k.cache())
		k.want(k.run("fetch"), 76, "not a KPOP server", "+OK", "KPOP is on port 1109")
	})
}

func TestKPOPClockSkew(t *testing.T) {
	t.Parallel()
	k := newKPOP(t, time.Hour)
	k.at(k.front.Port, "tls: none", k.cache())
	k.want(k.run("fetch"), 77, "KRB_AP_ERR_SKEW", "The clock of this machine differs from the mail server's")
}

// expired is a copy of the ticket cache whose tickets have ended. A ticket's times are
// four numbers of 32 bits: authenticated, start, end, renewable until.
func (k *kpop) expired() string {
	k.t.Helper()
	b, err := os.ReadFile(k.kdc.CCache)
	if err != nil {
		k.t.Fatal(err)
	}
	now := uint32(time.Now().Unix())
	near := func(b []byte) bool { v := binary.BigEndian.Uint32(b); return v <= now && v > now-600 }
	for i := 0; i+12 <= len(b); i++ {
		if near(b[i:]) && near(b[i+4:]) {
			binary.BigEndian.PutUint32(b[i+8:], now-1)
			i += 15
		}
	}
	return k.write("expired", b)
}

// front listens on a loopback port.
func front(t *testing.T, serve func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { serve(c); c.Close() }()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func dialLoopback(port int) net.Conn {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		panic(err)
	}
	return c
}

// relay passes everything on.
func relay(c net.Conn, port int) {
	up := dialLoopback(port)
	defer up.Close()
	go io.Copy(up, c) //nolint:errcheck // ends with the connections
	io.Copy(c, up)    //nolint:errcheck
}

// readFrame reads one message of the exchange, with its length.
func readFrame(r io.Reader) []byte {
	head := make([]byte, 4)
	io.ReadFull(r, head) //nolint:errcheck // what is missing fails later
	b := make([]byte, min(binary.BigEndian.Uint32(head), 1<<16))
	io.ReadFull(r, b) //nolint:errcheck
	return append(head, b...)
}

// replay uses the client's request for a connection of its own, and only then for that
// of the client.
func replay(c net.Conn, port int) {
	versions := append(readFrame(c), readFrame(c)...)
	var request []byte
	for i := range 2 {
		up := dialLoopback(port)
		defer up.Close()
		up.Write(versions)               //nolint:errcheck // what is missing fails later
		io.ReadFull(up, make([]byte, 1)) //nolint:errcheck
		if i == 0 {
			c.Write([]byte{0}) //nolint:errcheck
			request = readFrame(c)
		}
		up.Write(request) //nolint:errcheck
		if i == 0 {
			readFrame(up) // accepted
			continue
		}
		io.Copy(c, up) //nolint:errcheck
	}
}
