package doctor

import (
	"cmp"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// soonExpired is how many days before it expires a certificate is reported.
const soonExpired = 14

// watched is cfg for a handshake whose result is wanted at once: the client does
// not hand it out before the session has begun.
func watched(cfg *tls.Config, secured **tls.ConnectionState) *tls.Config {
	cfg = cmp.Or(cfg, &tls.Config{}).Clone()
	verify := cfg.VerifyConnection
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		*secured = &cs
		if verify == nil {
			return nil
		}
		return verify(cs)
	}
	return cfg
}

// tellTLS reports what TLS has agreed on; whose is "target " or empty.
func (w *walk) tellTLS(whose string, cs *tls.ConnectionState, began time.Time) {
	cert := cs.PeerCertificates[0]
	left := int(time.Until(cert.NotAfter).Hours() / 24)
	detail := fmt.Sprintf("%s, %s, for %s, by %s, %d days left, %s", tls.VersionName(cs.Version), tls.CipherSuiteName(cs.CipherSuite),
		strings.Join(cert.DNSNames, " "), cert.Issuer, left, pop3.Pin(cert))
	if left < soonExpired {
		w.warn(whose+"tls", detail, "the certificate ends soon; its owner has to renew it", began)
	} else {
		w.ok(whose+"tls", detail, began)
	}
	w.ok(whose+"chain", chain(cs), began)
}

// chain names each certificate and who made it: as it was verified, or, where a
// pin replaces that, as it was sent.
func chain(cs *tls.ConnectionState) string {
	certs := cs.PeerCertificates
	if len(cs.VerifiedChains) > 0 {
		certs = cs.VerifiedChains[0]
	}
	links := make([]string, len(certs))
	for i, c := range certs {
		subject, issuer := shortName(c.Subject), shortName(c.Issuer)
		if subject == "" && len(c.DNSNames) > 0 {
			subject = c.DNSNames[0]
		}
		if string(c.RawSubject) == string(c.RawIssuer) {
			issuer = "itself"
		}
		links[i] = subject + " by " + issuer
	}
	return strings.Join(links, "; ")
}

// shortName is what people know a certificate by.
func shortName(n pkix.Name) string {
	if n.CommonName == "" || len(n.Organization) == 0 || strings.Contains(n.CommonName, n.Organization[0]) {
		return cmp.Or(n.CommonName, strings.Join(n.Organization, " "))
	}
	return n.CommonName + " (" + n.Organization[0] + ")"
}
