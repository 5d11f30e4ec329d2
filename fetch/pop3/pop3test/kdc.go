package pop3test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// KDC is a private MIT Kerberos server of the realm EXAMPLE.ORG, on a free
// loopback port.
type KDC struct {
	// Config is the krb5.conf, Keytab holds the keys of pop/localhost, and
	// ClientKeytab and CCache (a FILE ccache with a ticket) those of the user.
	Config, Keytab, ClientKeytab, CCache string
	// User is the principal without its realm, Password what it knows.
	User, Password, Realm string

	dir string
	env []string
}

// StartKDC starts a Kerberos server that ends with the test, with the
// principals user and pop/localhost. It skips or fails the test if one of its
// programs is not installed, as StartDovecot does.
func StartKDC(t testing.TB, user, password string) *KDC {
	t.Helper()
	for _, program := range []string{"krb5kdc", "kdb5_util", "kadmin.local", "kinit"} {
		Require(t, program)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	k := &KDC{Config: path("krb5.conf"), Keytab: path("pop.keytab"), ClientKeytab: path("user.keytab"),
		CCache: path("ccache"), User: user, Password: password, Realm: "EXAMPLE.ORG", dir: dir}
	k.env = append(os.Environ(), "KRB5_CONFIG="+k.Config, "KRB5_KDC_PROFILE="+path("kdc.conf"), "KRB5CCNAME=FILE:"+k.CCache)
	k.writeConfig(t)
	k.run(t, "", "kdb5_util", "create", "-s", "-P", "master")
	k.run(t, "", "kadmin.local", "addprinc", "-pw", password, user)
	k.run(t, "", "kadmin.local", "addprinc", "-randkey", "pop/localhost")
	k.run(t, "", "kadmin.local", "ktadd", "-k", k.Keytab, "pop/localhost")
	k.run(t, "", "kadmin.local", "ktadd", "-norandkey", "-k", k.ClientKeytab, user)
	err := k.start(t)
	for range 2 { // another process may take a free port before krb5kdc does
		if err == nil {
			break
		}
		k.writeConfig(t)
		err = k.start(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	k.run(t, password+"\n", "kinit", user)
	return k
}

// writeConfig writes the configuration, for a free port.
func (k *KDC) writeConfig(t testing.TB) {
	t.Helper()
	ports, err := FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"krb5.conf": "[libdefaults]\n default_realm = REALM\n rdns = false\n dns_canonicalize_hostname = false\n" +
			" dns_lookup_kdc = false\n dns_lookup_realm = false\n udp_preference_limit = 1\n" +
			"[realms]\n REALM = {\n  kdc = 127.0.0.1:PORT\n }\n[domain_realm]\n localhost = REALM\n",
		"kdc.conf": "[kdcdefaults]\n kdc_listen = 127.0.0.1:PORT\n kdc_tcp_listen = 127.0.0.1:PORT\n" +
			"[realms]\n REALM = {\n  database_name = DIR/db\n  key_stash_file = DIR/stash\n }\n" +
			"[logging]\n kdc = STDERR\n",
	}
	fill := strings.NewReplacer("REALM", k.Realm, "PORT", fmt.Sprint(ports[0]), "DIR", k.dir)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(fill.Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs one of Kerberos' programs with this server's environment.
func (k *KDC) run(t testing.TB, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(Require(t, args[0]), args[1:]...)
	cmd.Env, cmd.Stdin = k.env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

// start runs the server under a shell that ends it with our standard input. An
// error is what the server said at its end.
func (k *KDC) start(t testing.TB) error {
	t.Helper()
	const watch = `exec 3<&0
"$0" -n 3<&- </dev/null & p=$!
(cat <&3 >/dev/null; kill -TERM $p 2>/dev/null) & w=$!
wait $p; kill $w 2>/dev/null; exit 0`
	out, err := os.Create(filepath.Join(k.dir, "kdc.out"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", "-c", watch, Require(t, "krb5kdc"))
	cmd.Env, cmd.Stdout, cmd.Stderr = append(k.env, "LC_ALL=C"), out, out
	ownGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() //nolint:errcheck // the shell always ends with 0
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-ended
		killGroup(cmd)
	})
	return awaitKDC(out.Name(), ended)
}

// awaitKDC waits until the server listens, which it says itself: somebody
// else might answer at its port.
func awaitKDC(output string, ended <-chan struct{}) error {
	patience := time.After(dovecotPatience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for over := false; ; {
		select {
		case <-tick.C:
		case <-ended:
			over = true
		case <-patience:
			over = true
		}
		text, err := os.ReadFile(output)
		if err != nil || strings.Contains(string(text), "starting...") {
			return err
		}
		if over {
			return fmt.Errorf("krb5kdc does not listen: %s", text)
		}
	}
}
