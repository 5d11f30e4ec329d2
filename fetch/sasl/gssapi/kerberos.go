package gssapi

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// Kerberos says where GSSAPI and KPOP find their credentials. The zero value is the
// environment of a user who ran kinit.
type Kerberos struct {
	// Config is the path of krb5.conf; empty: $KRB5_CONFIG, then
	// /etc/krb5.conf, and DNS if there is none.
	Config string
	// CCache is a credential cache, FILE:PATH or PATH; empty: $KRB5CCNAME,
	// then /tmp/krb5cc_UID. Other kinds of cache cannot be read.
	CCache string
	// Keytab is the path of a keytab and Principal, NAME@REALM or NAME, its
	// entry to use. An empty Keytab means that CCache is used.
	Keytab, Principal string
	// Service is the server's principal; empty: pop/HOST.
	Service string
}

// client loads the credentials. It does not talk to the KDC.
func (k Kerberos) client() (*client.Client, error) {
	conf, err := k.config()
	if err != nil {
		return nil, err
	}
	if k.Keytab != "" {
		return k.fromKeytab(conf)
	}
	return k.fromCCache(conf, time.Now())
}

func (k Kerberos) config() (*config.Config, error) {
	path := k.Config
	if path == "" {
		// MIT's KRB5_CONFIG may be a list of files; the library reads one.
		path, _, _ = strings.Cut(os.Getenv("KRB5_CONFIG"), string(os.PathListSeparator))
	}
	named := path != ""
	if !named {
		path = "/etc/krb5.conf"
	}
	conf, err := config.Load(path)
	var ignored config.UnsupportedDirective
	switch {
	case err == nil, errors.As(err, &ignored) && conf != nil:
		return conf, nil
	case !named && errors.Is(err, fs.ErrNotExist), !named && os.IsNotExist(statError(path)):
		conf = config.New()
		conf.LibDefaults.DNSLookupKDC = true
		return conf, nil
	}
	return nil, fmt.Errorf("%s: %w", path, kerberosError(err))
}

func statError(path string) error {
	_, err := os.Stat(path)
	return err
}

func (k Kerberos) fromKeytab(conf *config.Config) (*client.Client, error) {
	if k.Principal == "" {
		return nil, errors.New("a keytab needs a principal")
	}
	name, realm, ok := strings.Cut(k.Principal, "@")
	if !ok {
		realm = conf.LibDefaults.DefaultRealm
	}
	if realm == "" {
		return nil, fmt.Errorf("principal %q has no realm and krb5.conf no default_realm", k.Principal)
	}
	data, err := os.ReadFile(k.Keytab)
	if err != nil {
		return nil, err
	}
	kt := keytab.New()
	if err := guarded(func() error { return kt.Unmarshal(data) }); err != nil {
		return nil, fmt.Errorf("keytab %s: %w", k.Keytab, err)
	}
	return client.NewWithKeytab(name, realm, kt, conf, client.DisablePAFXFAST(true)), nil
}

func (k Kerberos) fromCCache(conf *config.Config, now time.Time) (*client.Client, error) {
	path, err := k.ccachePath()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &TicketError{NoTicket, fmt.Errorf("no credential cache: %w", err)}
	}
	if err != nil {
		return nil, err
	}
	var cl *client.Client
	err = guarded(func() error {
		cc := new(credentials.CCache)
		if err := cc.Unmarshal(data); err != nil {
			return err
		}
		if err := checkTickets(cc, now); err != nil {
			return err
		}
		cl, err = client.NewFromCCache(cc, conf, client.DisablePAFXFAST(true))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("credential cache %s: %w", path, err)
	}
	return cl, nil
}

// ccachePath refuses the kinds of cache that only MIT's library can read.
func (k Kerberos) ccachePath() (string, error) {
	name := cmp.Or(k.CCache, os.Getenv("KRB5CCNAME"))
	if name == "" {
		return "/tmp/krb5cc_" + strconv.Itoa(os.Getuid()), nil
	}
	if path, ok := strings.CutPrefix(name, "FILE:"); ok {
		return path, nil
	}
	// One letter before the colon is a drive.
	if kind, _, ok := strings.Cut(name, ":"); ok && len(kind) > 1 && !strings.ContainsAny(kind, `/\.`) {
		return "", &TicketError{OtherCache, fmt.Errorf("credential cache %q: only FILE caches can be read, not %s", name, kind)}
	}
	return name, nil
}

// checkTickets says in plain words when kinit must be run again.
func checkTickets(cc *credentials.CCache, now time.Time) error {
	realm := cc.GetClientRealm()
	tgt, ok := cc.GetEntry(types.PrincipalName{NameString: []string{"krbtgt", realm}})
	if !ok {
		return &TicketError{NoTicket, fmt.Errorf("no ticket-granting ticket for realm %q", realm)}
	}
	if !now.Before(tgt.EndTime) {
		return &TicketError{NoTicket, fmt.Errorf("the ticket expired at %s", tgt.EndTime.Format(time.DateTime))}
	}
	return nil
}

// ticket is that for pop/HOST, or Service, and its session key. The caller destroys
// the client.
func (k Kerberos) ticket(host string) (cl *client.Client, t messages.Ticket, key types.EncryptionKey, err error) {
	if host == "" {
		return nil, t, key, errors.New("host is empty")
	}
	if err := sasl.CheckText("host", host); err != nil {
		return nil, t, key, err
	}
	if cl, err = k.client(); err != nil {
		return nil, t, key, fmt.Errorf("kerberos: %w", err)
	}
	if t, key, err = serviceTicket(cl, cmp.Or(k.Service, "pop/"+host)); err != nil {
		cl.Destroy()
		return nil, t, key, fmt.Errorf("kerberos: %w", err)
	}
	return cl, t, key, nil
}

// serviceTicket is the ticket for a service and its session key, from the cache
// or the KDC.
func serviceTicket(cl *client.Client, spn string) (ticket messages.Ticket, key types.EncryptionKey, err error) {
	err = guarded(func() error {
		ticket, key, err = cl.GetServiceTicket(spn)
		return err
	})
	if err != nil {
		return ticket, key, fmt.Errorf("ticket for %s: %w", spn, kerberosError(err))
	}
	return ticket, key, nil
}

// guarded runs a parser of the library, which indexes past the end of damaged
// files and messages, and turns that into an error.
func guarded(parse func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("damaged data")
		}
	}()
	return parse()
}

// TicketProblem says why there is no ticket of Kerberos for a login.
type TicketProblem uint8

const (
	// NoTicket means that there is none, or that it has expired.
	NoTicket TicketProblem = iota
	// OtherCache means that the tickets are in a cache that only MIT's library reads.
	OtherCache
	// ServiceUnknown and PrincipalUnknown mean that the KDC does not know the one
	// or the other.
	ServiceUnknown
	PrincipalUnknown
	// WrongKey means that the keytab does not hold the principal's key.
	WrongKey
	// ClockSkew means that the clock differs from the KDC's.
	ClockSkew
)

// kdcCodes are what a KDC's errors are called (RFC 4120 section 7.5.9).
var kdcCodes = [...]string{
	NoTicket: "TKT_EXPIRED", ServiceUnknown: "KDC_ERR_S_PRINCIPAL_UNKNOWN", PrincipalUnknown: "KDC_ERR_C_PRINCIPAL_UNKNOWN",
	WrongKey: "KDC_ERR_PREAUTH_FAILED", ClockSkew: "KRB_AP_ERR_SKEW",
}

// TicketError means that there is no ticket of Kerberos for a login.
type TicketError struct {
	Problem TicketProblem
	Err     error
}

// Error implements error.
func (e *TicketError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TicketError) Unwrap() error { return e.Err }

// kerberosError words an error of the library, whose text may hold what a KDC
// said: bounded and without control characters.
func kerberosError(err error) error {
	text := kerberosText(err)
	for problem, code := range kdcCodes {
		if code != "" && strings.Contains(err.Error(), code) {
			return &TicketError{TicketProblem(problem), errors.New(text)}
		}
	}
	return errors.New(text)
}

// kerberosText is the text of such an error, without control characters.
func kerberosText(err error) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, clip(err.Error()))
}

// clip bounds a foreign text that goes into an error.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
