package sasl_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/sasl"
	"github.com/mailhaul/mailhaul/fetch/sasl/gssapi"
)

func TestGSSAPI(t *testing.T) {
	kdc := pop3test.StartKDC(t, "alice", "sesame")
	d := startDovecot(t, kdc)
	conf, keytab := kdc.Config, kdc.ClientKeytab
	t.Run("keytab", func(t *testing.T) {
		conn, r := d.dial(t, false)
		krb := gssapi.Kerberos{Config: conf, Keytab: keytab, Principal: "alice@" + kdc.Realm}
		mustLogin(t, conn, r, gssapi.New("alice", krb, d.channel(conn)))
	})
	t.Run("keytab, default realm, no authzid", func(t *testing.T) {
		conn, r := d.dial(t, false)
		krb := gssapi.Kerberos{Config: conf, Keytab: keytab, Principal: "alice"}
		mustLogin(t, conn, r, gssapi.New("", krb, d.channel(conn)))
	})
	t.Run("someone else's mailbox", func(t *testing.T) {
		conn, r := d.dial(t, false)
		krb := gssapi.Kerberos{Config: conf, Keytab: keytab, Principal: "alice"}
		last, err := auth(t, conn, r, gssapi.New("bob", krb, d.channel(conn)))
		if err != nil || !strings.HasPrefix(last, "-ERR") {
			t.Fatalf("%s, %v", last, err)
		}
	})
	t.Run("cache", func(t *testing.T) {
		for _, name := range []string{kdc.CCache, "FILE:" + kdc.CCache} {
			conn, r := d.dial(t, false)
			mustLogin(t, conn, r, gssapi.New("alice", gssapi.Kerberos{Config: conf, CCache: name}, d.channel(conn)))
		}
		t.Setenv("KRB5CCNAME", "FILE:"+kdc.CCache)
		t.Setenv("KRB5_CONFIG", conf)
		conn, r := d.dial(t, false)
		mustLogin(t, conn, r, gssapi.New("alice", gssapi.Kerberos{}, d.channel(conn)))
	})
	t.Run("damaged cache", func(t *testing.T) {
		cache := filepath.Join(t.TempDir(), "cache")
		whole, err := os.ReadFile(kdc.CCache)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 10, 40, len(whole) / 2} {
			if err := os.WriteFile(cache, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			m := gssapi.New("", gssapi.Kerberos{Config: conf, CCache: cache}, sasl.Channel{Host: "localhost"})
			if _, _, err := m.Start(); err == nil || !strings.Contains(err.Error(), cache) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	})
	t.Run("unknown service", func(t *testing.T) {
		krb := gssapi.Kerberos{Config: conf, Keytab: keytab, Principal: "alice"}
		_, _, err := gssapi.New("", krb, sasl.Channel{Host: "other.test.example"}).Start()
		var e *gssapi.TicketError
		if !errors.As(err, &e) || e.Problem != gssapi.ServiceUnknown ||
			!strings.Contains(err.Error(), "ticket for pop/other.test.example") {
			t.Fatal(err)
		}
	})
	t.Run("unknown principal", func(t *testing.T) {
		krb := gssapi.Kerberos{Config: conf, Keytab: keytab, Principal: "mallory"}
		if _, _, err := gssapi.New("", krb, sasl.Channel{Host: "localhost"}).Start(); err == nil {
			t.Fatal("started")
		}
	})
}
