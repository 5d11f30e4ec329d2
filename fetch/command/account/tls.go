package account

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// clientTLS makes the TLS configuration of an account. Verification is never
// off: a pin replaces the chain, it does not drop the check.
func clientTLS(a *config.TLS) (*tls.Config, error) {
	c := &tls.Config{ServerName: a.ServerName, MinVersion: a.MinVersion}
	if a.Legacy {
		c.MinVersion = tls.VersionTLS10
		for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			c.CipherSuites = append(c.CipherSuites, s.ID)
		}
	}
	if a.CAFile != "" {
		roots, err := config.Roots(a.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = roots
	}
	if a.ClientCert != "" {
		cert, err := tls.LoadX509KeyPair(a.ClientCert, a.ClientKey)
		if err != nil {
			return nil, pairError(err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	if len(a.Pins) > 0 {
		pop3.PinSPKI(c, a.Pins)
	}
	return c, nil
}

// pairError says what is wrong with client_cert and client_key; the library's
// words for a file without PEM in it do not.
func pairError(err error) error {
	if strings.Contains(err.Error(), "PEM") {
		err = errors.New("it, or client_key, holds nothing in PEM form")
	}
	return advice.Give(fmt.Errorf("client_cert: %w", err), advice.KeyPair)
}
