package sasl_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// startKDC runs a private MIT KDC for the realm TEST.EXAMPLE in dir, with the
// principals alice (alice.keytab) and pop/localhost (pop.keytab).
func startKDC(t *testing.T, dir string) {
	t.Helper()
	kdc := program(t, "krb5kdc", "krb5-kdc")
	util := program(t, "kdb5_util", "krb5-kdc")
	admin := program(t, "kadmin.local", "krb5-admin-server")
	port := strconv.Itoa(freePort(t))
	write(t, dir+"/krb5.conf", strings.NewReplacer("DIR", dir, "PORT", port).Replace(`
[libdefaults]
	default_realm = TEST.EXAMPLE
	dns_lookup_realm = false
	dns_lookup_kdc = false
	rdns = false
	dns_canonicalize_hostname = false
	udp_preference_limit = 1
[realms]
	TEST.EXAMPLE = {
		kdc = 127.0.0.1:PORT
	}
[domain_realm]
	localhost = TEST.EXAMPLE
`))
	write(t, dir+"/kdc.conf", strings.NewReplacer("DIR", dir, "PORT", port).Replace(`
[kdcdefaults]
	kdc_listen = 127.0.0.1:PORT
	kdc_tcp_listen = 127.0.0.1:PORT
[realms]
	TEST.EXAMPLE = {
		database_name = DIR/principal
		key_stash_file = DIR/stash
		acl_file = DIR/acl
	}
[logging]
	kdc = FILE:DIR/kdc.log
	admin_server = FILE:DIR/kdc.log
	default = FILE:DIR/kdc.log
`))
	env := []string{"KRB5_CONFIG=" + dir + "/krb5.conf", "KRB5_KDC_PROFILE=" + dir + "/kdc.conf"}
	run := func(argv ...string) {
		t.Helper()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	run(util, "create", "-s", "-P", "master", "-r", "TEST.EXAMPLE")
	run(admin, "-q", "addprinc -randkey alice")
	run(admin, "-q", "addprinc -randkey pop/localhost")
	run(admin, "-q", "ktadd -k "+dir+"/alice.keytab alice")
	run(admin, "-q", "ktadd -k "+dir+"/pop.keytab pop/localhost")
	// The server's authentication process is not root.
	if err := os.Chmod(dir+"/pop.keytab", 0o644); err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	serve(t, n, dir+"/kdc.log", env, kdc, "-n", "-r", "TEST.EXAMPLE")
}

// kinit fills a cache from alice's keytab.
func kinit(t *testing.T, dir, cache string, options ...string) {
	t.Helper()
	cmd := exec.Command(program(t, "kinit", "krb5-user"), append(options, "-k", "-t", dir+"/alice.keytab", "-c", cache, "alice")...)
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+dir+"/krb5.conf")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kinit: %v\n%s", err, out)
	}
}

func TestGSSAPI(t *testing.T) {
	dir := privateDir(t)
	startKDC(t, dir)
	d := startDovecot(t, dir, true)
	conf := dir + "/krb5.conf"
	t.Run("keytab", func(t *testing.T) {
		conn, r := d.dial(t, false)
		krb := sasl.Kerberos{Config: conf, Keytab: dir + "/alice.keytab", Principal: "alice@TEST.EXAMPLE"}
		mustLogin(t, conn, r, sasl.NewGSSAPI("alice", krb, d.channel(conn)))
	})
	t.Run("keytab, default realm, no authzid", func(t *testing.T) {
		conn, r := d.dial(t, false)
		krb := sasl.Kerberos{Config: conf, Keytab: dir + "/alice.keytab", Principal: "alice"}
		mustLogin(t, conn, r, sasl.NewGSSAPI("", krb, d.channel(conn)))
	})
	t.Run("someone else's mailbox", func(t *testing.T) {
		conn, r := d.dial(t, false)
		krb := sasl.Kerberos{Config: conf, Keytab: dir + "/alice.keytab", Principal: "alice"}
		last, err := auth(t, conn, r, sasl.NewGSSAPI("bob", krb, d.channel(conn)))
		if err != nil || !strings.HasPrefix(last, "-ERR") {
			t.Fatalf("%s, %v", last, err)
		}
	})
	t.Run("cache", func(t *testing.T) {
		cache := filepath.Join(t.TempDir(), "cache")
		kinit(t, dir, cache)
		for _, name := range []string{cache, "FILE:" + cache} {
			conn, r := d.dial(t, false)
			mustLogin(t, conn, r, sasl.NewGSSAPI("alice", sasl.Kerberos{Config: conf, CCache: name}, d.channel(conn)))
		}
		t.Setenv("KRB5CCNAME", "FILE:"+cache)
		t.Setenv("KRB5_CONFIG", conf)
		conn, r := d.dial(t, false)
		mustLogin(t, conn, r, sasl.NewGSSAPI("alice", sasl.Kerberos{}, d.channel(conn)))
	})
	t.Run("damaged cache", func(t *testing.T) {
		cache := filepath.Join(t.TempDir(), "cache")
		kinit(t, dir, cache)
		whole, err := os.ReadFile(cache)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 10, 40, len(whole) / 2} {
			write(t, cache, string(whole[:n]))
			m := sasl.NewGSSAPI("", sasl.Kerberos{Config: conf, CCache: cache}, sasl.Channel{Host: "localhost"})
			if _, _, err := m.Start(); err == nil || !strings.Contains(err.Error(), cache) {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	})
	t.Run("unknown service", func(t *testing.T) {
		krb := sasl.Kerberos{Config: conf, Keytab: dir + "/alice.keytab", Principal: "alice"}
		_, _, err := sasl.NewGSSAPI("", krb, sasl.Channel{Host: "other.test.example"}).Start()
		if err == nil || !strings.Contains(err.Error(), "ticket for pop/other.test.example") || !strings.Contains(err.Error(), "does not know this service") {
			t.Fatal(err)
		}
	})
	t.Run("unknown principal", func(t *testing.T) {
		krb := sasl.Kerberos{Config: conf, Keytab: dir + "/alice.keytab", Principal: "mallory"}
		if _, _, err := sasl.NewGSSAPI("", krb, sasl.Channel{Host: "localhost"}).Start(); err == nil {
			t.Fatal("started")
		}
	})
}
