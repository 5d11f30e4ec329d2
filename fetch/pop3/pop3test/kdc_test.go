package pop3test_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestDovecotGSSAPI lets fetchmail, which has libkrb5's own GSSAPI, log in.
func TestDovecotGSSAPI(t *testing.T) {
	fetchmail := pop3test.Require(t, "fetchmail")
	k := pop3test.StartKDC(t, "alice", "secret")
	d := pop3test.StartDovecot(t, pop3test.DovecotOptions{Mechanisms: []string{"gssapi"}, Keytab: k.Keytab, Krb5Config: k.Config})
	d.AddMessages("alice", pop3test.CorpusOptions{Seed: 1, N: 1, Small: true}.Generate())
	dir := t.TempDir()
	rc := filepath.Join(dir, "rc")
	text := fmt.Sprintf("poll localhost port %d proto pop3 auth gssapi user alice is root here sslproto '' mda 'cat >/dev/null'\n", d.Port)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(fetchmail, "--nosyslog", "-d0", "-f", rc, "--pidfile", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "HOME="+dir, "KRB5_CONFIG="+k.Config, "KRB5CCNAME=FILE:"+k.CCache)
	if out, err := cmd.CombinedOutput(); err != nil || d.Maildrop("alice") != 0 {
		t.Errorf("%v, %d left\n%s", err, d.Maildrop("alice"), out)
	}
}
