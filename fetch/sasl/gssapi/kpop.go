package gssapi

import (
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// mutual is the exchange of KPOP: an AP-REQ, and the AP-REP to it.
type mutual struct {
	krb     Kerberos
	ch      sasl.Channel
	session types.EncryptionKey
	auth    types.Authenticator // what the server has to repeat of it proves that it could read it
	waits   bool                // for the server's answer
}

// NewKPOP is the Kerberos part of one KPOP login, with a ticket for pop/HOST. It is
// no SASL mechanism, but has the shape of one: the initial response is the AP-REQ
// (RFC 4120 section 3.2) with mutual authentication, and Next takes the server's
// AP-REP or KRB-ERROR. Start may talk to the KDC, as that of New does.
func NewKPOP(krb Kerberos, ch sasl.Channel) sasl.Mechanism { return &mutual{krb: krb, ch: ch} }

func (m *mutual) Start() (string, []byte, error) {
	cl, ticket, session, err := m.krb.ticket(m.ch.Host)
	if err != nil {
		return "", nil, err
	}
	defer cl.Destroy()
	req, err := m.apReq(cl, ticket, session)
	if err != nil {
		return "", nil, fmt.Errorf("kerberos: %w", kerberosError(err))
	}
	m.waits = true
	return "KPOP", req, nil
}

func (m *mutual) apReq(cl *client.Client, ticket messages.Ticket, session types.EncryptionKey) (der []byte, err error) {
	if m.auth, err = types.NewAuthenticator(cl.Credentials.Domain(), cl.Credentials.CName()); err != nil {
		return nil, err
	}
	m.session = session
	req, err := messages.NewAPReq(ticket, session, m.auth)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&req.APOptions, flags.APOptionMutualRequired)
	return req.Marshal()
}

// Next takes the one message of the server, which gets no answer. Nil means that the
// server proved who it is.
func (m *mutual) Next(message []byte) ([]byte, error) {
	if !m.waits {
		return nil, errSpent
	}
	m.waits = false
	return nil, guarded(func() error { return m.verify(message) })
}

// verify reads an AP-REP: only who could read our ticket can encrypt the time in it
// (RFC 4120 section 3.2.5).
func (m *mutual) verify(message []byte) error {
	var refused messages.KRBError
	if refused.Unmarshal(message) == nil {
		return &RefusedError{refused.ErrorCode, kerberosText(refused)}
	}
	var rep messages.APRep
	if rep.Unmarshal(message) != nil {
		return errors.New("malformed answer of the server: neither AP-REP nor KRB-ERROR")
	}
	plain, err := crypto.DecryptEncPart(rep.EncPart, m.session, keyusage.AP_REP_ENCPART)
	var part messages.EncAPRepPart
	if err != nil || part.Unmarshal(plain) != nil {
		return errors.New("wrong checksum: the server could not read the ticket")
	}
	if part.CTime.Unix() != m.auth.CTime.Unix() || part.Cusec != m.auth.Cusec {
		return errors.New("the server answered another request than ours")
	}
	return nil
}

// RefusedError means that the mail server did not take a ticket.
type RefusedError struct {
	// Code is that of its KRB-ERROR (RFC 4120 section 7.5.9), and Text its name and
	// the server's words, without control characters. Nothing proves that the server
	// sent it: use it for advice only.
	Code int32
	Text string
}

// The codes that people can do something about.
const (
	TicketExpired = 32
	Replayed      = 34
	OtherService  = 35
	ServerSkew    = 37
	NewerKey      = 44
	NoServerKey   = 45
)

// Error implements error.
func (e *RefusedError) Error() string { return "server refused the ticket: " + e.Text }
