package pop3test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func (d *Dovecot) configFile() string { return filepath.Join(d.Dir, "dovecot.conf") }

func (d *Dovecot) path(name string) string { return filepath.Join(d.Dir, name) }

// prepare writes everything but the configuration, which needs the ports.
func (d *Dovecot) prepare() error {
	if err := os.Chmod(d.Dir, 0o755); err != nil { // its processes are several users
		return err
	}
	if _, _, err := WritePEM(d.Dir, "server", d.CA.Leaf("localhost", "127.0.0.1", "::1")); err != nil {
		return err
	}
	if _, err := d.CA.WriteRoot(d.Dir); err != nil {
		return err
	}
	if d.opts.LMTP {
		d.LMTPSocket = d.path("lmtp")
	}
	for name, from := range map[string]string{"keytab": d.opts.Keytab, "krb5.conf": d.opts.Krb5Config} {
		if from == "" {
			continue
		}
		data, err := os.ReadFile(from)
		if err == nil {
			err = d.writeShared(name, data)
		}
		if err != nil {
			return err
		}
	}
	if err := d.writeUsers(); err != nil {
		return err
	}
	return d.writeTokenKeys()
}

func (d *Dovecot) writeUsers() error {
	var users strings.Builder
	for _, name := range slices.Sorted(maps.Keys(d.opts.Users)) {
		fmt.Fprintf(&users, "%s:{PLAIN}%s::::::\n", name, d.opts.Users[name])
		if err := d.makeMaildir(name); err != nil {
			return err
		}
	}
	return d.writeShared("users", []byte(users.String()))
}

// writeShared writes a file that Dovecot's auth process reads, which under
// root is another user. The secrets in it are a test's.
func (d *Dovecot) writeShared(name string, data []byte) error {
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func (d *Dovecot) writeTokenKeys() error {
	keys := d.opts.TokenKeys
	if keys == nil {
		d.secret = []byte(rand.Text())
		keys = map[string][]byte{"default/HS256/default": []byte(base64.StdEncoding.EncodeToString(d.secret))}
	}
	for name, key := range keys {
		if err := d.writeShared(filepath.Join("keys", name), key); err != nil {
			return err
		}
	}
	return d.writeShared("oauth2.conf", []byte("introspection_mode = local\n"+
		"local_validation_key_dict = fs:posix:prefix="+d.path("keys")+"/\nusername_attribute = sub\n"))
}

// MintToken makes a JWT for user that this Dovecot accepts, unless TokenKeys
// were given; valid for the time, negative for one that has expired. Padding
// bytes make it longer.
func (d *Dovecot) MintToken(user string, valid time.Duration, padding int) string {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"sub": user, "iat": now.Add(-2 * time.Hour).Unix(), "nbf": now.Add(-2 * time.Hour).Unix(),
		"exp": now.Add(valid).Unix(), "pad": strings.Repeat("x", padding),
	})
	must(err)
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc.EncodeToString(claims)
	mac := hmac.New(sha256.New, d.secret)
	mac.Write([]byte(text))
	return text + "." + enc.EncodeToString(mac.Sum(nil))
}

// chown gives path to the user that owns the mail.
func (d *Dovecot) chown(path string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Chown(path, d.uid, d.gid)
}

// has reports whether one of the mechanisms is wanted.
func (d *Dovecot) has(names ...string) bool {
	return slices.ContainsFunc(d.opts.Mechanisms, func(m string) bool {
		return slices.Contains(names, strings.ToLower(m))
	})
}

// config is the whole dovecot.conf.
func (d *Dovecot) config() string {
	var b strings.Builder
	b.WriteString(strings.NewReplacer(
		"DIR", d.Dir, "MECHS", strings.Join(d.opts.Mechanisms, " "),
		"MAILUID", fmt.Sprint(d.uid), "MAILGID", fmt.Sprint(d.gid),
		"TLSPORT", fmt.Sprint(d.TLSPort), "PORT", fmt.Sprint(d.Port),
	).Replace(baseConfig))
	if os.Getuid() != 0 {
		b.WriteString(d.rootlessConfig())
	}
	d.authConfig(&b)
	if d.opts.LMTP {
		fmt.Fprintf(&b, "protocols = pop3 lmtp\nservice lmtp {\n unix_listener %s {\n  mode = 0666\n }\n"+
			" inet_listener lmtp {\n  address = 127.0.0.1\n  port = %d\n }\n}\n", d.LMTPSocket, d.LMTPPort)
	}
	b.WriteString(d.opts.Config + "\n")
	return b.String()
}

// authConfig writes the passdbs. Each names its mechanisms, so that a token is
// never tried as a password.
func (d *Dovecot) authConfig(b *strings.Builder) {
	if d.has("external") {
		b.WriteString("ssl_ca = <" + d.path("ca.pem") + "\nssl_verify_client_cert = yes\nssl_require_crl = no\n" +
			"auth_ssl_username_from_cert = yes\nssl_cert_username_field = commonName\n" +
			"passdb {\n driver = static\n args = nopassword=y\n mechanisms = external\n}\n")
	}
	if d.has("xoauth2", "oauthbearer") {
		b.WriteString("passdb {\n driver = oauth2\n args = " + d.path("oauth2.conf") + "\n mechanisms = xoauth2 oauthbearer\n}\n")
	}
	if d.has("gssapi") {
		b.WriteString("auth_krb5_keytab = " + d.path("keytab") + "\nauth_gssapi_hostname = localhost\n" +
			"import_environment = TZ KRB5_CONFIG=" + d.path("krb5.conf") + "\n")
	}
	b.WriteString("passdb {\n driver = passwd-file\n args = scheme=PLAIN username_format=%u " + d.path("users") +
		"\n mechanisms = none plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256 gssapi\n}\n")
}

// baseConfig has no limits on clients and no delay after a wrong password.
const baseConfig = `
protocols = pop3
base_dir = DIR/run
state_dir = DIR/state
instance_name = pop3test
log_path = /dev/stderr
listen = 127.0.0.1
ssl = yes
ssl_cert = <DIR/server.pem
ssl_key = <DIR/server.key
disable_plaintext_auth = no
auth_mechanisms = MECHS
auth_failure_delay = 0
auth_verbose = yes
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 0
mail_fsync = never
pop3_no_flag_updates = yes
shutdown_clients = yes
userdb {
 driver = static
 args = uid=MAILUID gid=MAILGID home=DIR/mail/%u allow_all_users=yes
}
service pop3-login {
 inet_listener pop3 {
  address = 127.0.0.1
  port = PORT
 }
 inet_listener pop3s {
  address = 127.0.0.1
  port = TLSPORT
  ssl = yes
 }
 service_count = 0
 process_min_avail = 1
 process_limit = 4
 client_limit = 1000
}
service pop3 {
 process_limit = 1024
}
service anvil {
 unix_listener anvil-auth-penalty {
  mode = 0
 }
}
`

// rootlessConfig runs every process as the one user there is.
func (d *Dovecot) rootlessConfig() string {
	self, err := user.Current()
	if err != nil {
		d.t.Skipf("dovecot needs a user name: %v", err)
	}
	group, err := user.LookupGroupId(self.Gid)
	if err != nil {
		d.t.Skipf("dovecot needs a group name: %v", err)
	}
	return fmt.Sprintf("default_internal_user = %[1]s\ndefault_login_user = %[1]s\ndefault_internal_group = %[2]s\n"+
		"service anvil {\n chroot =\n}\nservice pop3-login {\n chroot =\n}\n"+
		"service stats {\n chroot =\n}\nservice lmtp {\n user =\n}\n", self.Username, group.Name)
}
