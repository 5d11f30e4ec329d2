// Package gssapi is the SASL mechanism GSSAPI with Kerberos V5 (RFC 4752). It is a
// package of its own because it alone needs a Kerberos library: who does not
// import it does not link one.
package gssapi

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/crypto"
	krbgss "github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// layerNone is the bit of "no security layer" (RFC 4752 section 3.1). TLS
// protects the connection, or nothing does.
const layerNone = 1

// Flags of a wrap token, RFC 4121 section 4.2.2.
const (
	wrapSealed         = 2
	wrapAcceptorSubkey = 4
)

var (
	errSpent      = errors.New("exchange is over")
	errUnexpected = errors.New("unexpected challenge")
)

type exchange struct {
	authzid string
	krb     Kerberos
	ch      sasl.Channel
	key     types.EncryptionKey // this exchange's own, from us
	seq     uint64              // ours
	started bool
	done    bool
}

// New is one exchange, with a ticket for pop/HOST. The
// authzid is the mailbox to open; empty means the one of the principal.
//
// Start talks to the KDC unless the credential cache holds the service ticket;
// that takes at most 5 s an attempt and cannot be cancelled.
//
// The context is made without mutual authentication, but with a fresh key in
// the ticket's authenticator: only the server can read it, so the server's first
// wrapped message proves it. It implements Completer for that.
func New(authzid string, krb Kerberos, ch sasl.Channel) sasl.Mechanism {
	return &exchange{authzid: authzid, krb: krb, ch: ch}
}

func (g *exchange) Start() (string, []byte, error) {
	if err := sasl.CheckText("authorisation identity", g.authzid); err != nil {
		return "", nil, err
	}
	cl, ticket, session, err := g.krb.ticket(g.ch.Host)
	if err != nil {
		return "", nil, err
	}
	defer cl.Destroy()
	first, err := g.apReq(cl, ticket, session)
	if err != nil {
		return "", nil, fmt.Errorf("kerberos: %w", kerberosError(err))
	}
	g.started = true
	return "GSSAPI", first, nil
}

// apReq is the initial context token, RFC 4121 section 4.1.
func (g *exchange) apReq(cl *client.Client, ticket messages.Ticket, session types.EncryptionKey) ([]byte, error) {
	// RFC 4121 defines its tokens for the newer types only.
	switch session.KeyType {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96,
		etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.AES256_CTS_HMAC_SHA384_192:
	default:
		return nil, fmt.Errorf("the ticket's encryption type %d is too old: AES is needed", session.KeyType)
	}
	etype, err := crypto.GetEtype(session.KeyType)
	if err != nil {
		return nil, err
	}
	auth, err := types.NewAuthenticator(cl.Credentials.Domain(), cl.Credentials.CName())
	if err != nil {
		return nil, err
	}
	if err := auth.GenerateSeqNumberAndSubKey(session.KeyType, etype.GetKeyByteSize()); err != nil {
		return nil, err
	}
	auth.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: contextFlags(krbgss.ContextFlagInteg)}
	req, err := messages.NewAPReq(ticket, session, auth)
	if err != nil {
		return nil, err
	}
	der, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	g.key, g.seq = auth.SubKey, uint64(auth.SeqNumber)
	// RFC 2743 section 3.1: the mechanism's OID, 1.2.840.113554.1.2.2; then
	// TOK_ID 01 00 and the AP-REQ.
	token := []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02, 0x01, 0x00}
	return asn1tools.AddASNAppTag(append(token, der...), 0), nil
}

// contextFlags is the authenticator's checksum (RFC 4121 section 4.1.1): no
// channel binding, as RFC 4752 says, and the flags.
func contextFlags(flags uint32) []byte {
	b := make([]byte, 24)
	binary.LittleEndian.PutUint32(b, 16)
	binary.LittleEndian.PutUint32(b[20:], flags)
	return b
}

func (g *exchange) Next(challenge []byte) ([]byte, error) {
	switch {
	case !g.started:
		return nil, errSpent
	case g.done:
		return nil, errUnexpected
	case len(challenge) == 0:
		// The context stands and the server waits to be asked for its offer.
		return []byte{}, nil
	}
	offer, err := unwrap(challenge, g.key)
	if err != nil {
		g.started = false
		return nil, err
	}
	if len(offer) != 4 {
		g.started = false
		return nil, fmt.Errorf("offer of security layers has %d bytes, not 4", len(offer))
	}
	if offer[0]&layerNone == 0 {
		g.started = false
		return nil, errors.New("server insists on a security layer: use TLS and configure it to accept none")
	}
	// RFC 4752 section 3.1: the layer, a maximum size of 0, the authzid.
	answer, err := g.wrap(append([]byte{layerNone, 0, 0, 0}, g.authzid...))
	if err != nil {
		return nil, err
	}
	g.done = true
	return answer, nil
}

// Complete is nil once the server proved that it could read our ticket.
func (g *exchange) Complete() error {
	if !g.done {
		return sasl.ErrIncomplete
	}
	return nil
}

// wrap makes a wrap token with integrity only, RFC 4121 section 4.2.6.2.
func (g *exchange) wrap(payload []byte) ([]byte, error) {
	etype, err := crypto.GetEtype(g.key.KeyType)
	if err != nil {
		return nil, err
	}
	t := krbgss.WrapToken{
		EC:        uint16(etype.GetHMACBitLength() / 8),
		SndSeqNum: g.seq,
		Payload:   payload,
	}
	if err := t.SetCheckSum(g.key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		return nil, err
	}
	return t.Marshal()
}

// unwrap verifies a wrap token of the server and gives its content.
func unwrap(token []byte, key types.EncryptionKey) ([]byte, error) {
	token, err := unrotate(token)
	if err != nil {
		return nil, err
	}
	var t krbgss.WrapToken
	if err := t.Unmarshal(token, true); err != nil {
		return nil, errors.New("malformed wrap token of the server")
	}
	switch {
	case t.Flags&wrapSealed != 0:
		return nil, errors.New("server encrypted its offer of security layers, which was not asked for")
	case t.Flags&wrapAcceptorSubkey != 0:
		return nil, errors.New("server uses a key of its own, which was not agreed on")
	}
	if ok, err := t.Verify(key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil || !ok {
		return nil, errors.New("wrong checksum: the server could not read the ticket")
	}
	return t.Payload, nil
}

// unrotate undoes the right rotation of a wrap token (RFC 4121 section 4.2.5),
// which the library leaves as it is.
func unrotate(token []byte) ([]byte, error) {
	if len(token) <= krbgss.HdrLen {
		return nil, errors.New("malformed wrap token of the server")
	}
	body := token[krbgss.HdrLen:]
	n := int(binary.BigEndian.Uint16(token[6:8])) % len(body)
	out := append([]byte(nil), token[:krbgss.HdrLen]...)
	return append(append(out, body[n:]...), body[:n]...), nil
}
