package sasl

import (
	"crypto/tls"
	"errors"

	"github.com/xdg-go/scram"
)

// plusSuffix marks the mechanisms with channel binding.
const plusSuffix = "-PLUS"

// ErrNoBinding means that the connection has nothing that a -PLUS mechanism
// could be bound to: no TLS, or a certificate with a signature for which RFC
// 5929 defines no hash (Ed25519) on TLS 1.2 without extended master secret.
var ErrNoBinding = errors.New("the connection offers no channel binding")

// channelBinding is tls-exporter (RFC 9266) where Go exports keying material:
// TLS 1.3, and TLS 1.2 with extended master secret (RFC 7627). Otherwise it is
// tls-server-end-point (RFC 5929 section 4).
func channelBinding(state *tls.ConnectionState) (scram.ChannelBinding, error) {
	if state == nil {
		return scram.ChannelBinding{}, ErrNoBinding
	}
	if b, err := exporterBinding(state); err == nil {
		return b, nil
	}
	if b, err := scram.NewTLSServerEndpointBinding(state); err == nil {
		return b, nil
	}
	return scram.ChannelBinding{}, ErrNoBinding
}

// exporterBinding guards against a state that is not of a finished handshake,
// for which ExportKeyingMaterial would call a nil function.
func exporterBinding(state *tls.ConnectionState) (scram.ChannelBinding, error) {
	if !state.HandshakeComplete {
		return scram.ChannelBinding{}, ErrNoBinding
	}
	return scram.NewTLSExporterBinding(state)
}
