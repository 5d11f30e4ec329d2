package sasl

import "slices"

// Method is a way to log in, as the user names it in the config. It includes
// the three that are not SASL: Password (USER and PASS), APOP (RFC 1939), and KPOP.
type Method uint8

// The methods. Auto, the zero value, stands for what Order says.
const (
	Auto Method = iota
	Password
	APOP
	Plain
	Login
	CRAMMD5
	DIGESTMD5
	SCRAMSHA1
	SCRAMSHA1PLUS
	SCRAMSHA256
	SCRAMSHA256PLUS
	XOAUTH2
	OAUTHBEARER
	External
	GSSAPI
	KPOP
	numMethods
)

// methodRow is what is known of one method.
type methodRow struct {
	word     string
	wire     string
	class    Class
	needsTLS bool
}

// row is the table of methods.
func (m Method) row() methodRow {
	switch m {
	case Password:
		return methodRow{"password", "USER", ClassClear, true}
	case APOP:
		return methodRow{"apop", "APOP", ClassChallenge, false}
	case Plain:
		return methodRow{"plain", "PLAIN", ClassClear, true}
	case Login:
		return methodRow{"login", "LOGIN", ClassClear, true}
	case CRAMMD5:
		return methodRow{"cram-md5", "CRAM-MD5", ClassChallenge, false}
	case DIGESTMD5:
		return methodRow{"digest-md5", "DIGEST-MD5", ClassChallenge, false}
	case SCRAMSHA1:
		return methodRow{"scram-sha-1", "SCRAM-SHA-1", ClassChallenge, false}
	case SCRAMSHA1PLUS:
		return methodRow{"scram-sha-1-plus", "SCRAM-SHA-1-PLUS", ClassBound, true}
	case SCRAMSHA256:
		return methodRow{"scram-sha-256", "SCRAM-SHA-256", ClassChallenge, false}
	case SCRAMSHA256PLUS:
		return methodRow{"scram-sha-256-plus", "SCRAM-SHA-256-PLUS", ClassBound, true}
	case XOAUTH2:
		return methodRow{"xoauth2", "XOAUTH2", ClassToken, true}
	case OAUTHBEARER:
		return methodRow{"oauthbearer", "OAUTHBEARER", ClassToken, true}
	case External:
		return methodRow{"external", "EXTERNAL", ClassToken, true}
	case GSSAPI:
		return methodRow{"gssapi", "GSSAPI", ClassToken, false}
	case KPOP:
		return methodRow{"kpop", "KPOP", ClassToken, false}
	}
	return methodRow{word: "auto"}
}

// Methods lists all methods in the order of the documentation, Auto first.
func Methods() []Method {
	all := make([]Method, numMethods)
	for i := range all {
		all[i] = Method(i)
	}
	return all
}

// String is the word that the config uses.
func (m Method) String() string { return m.row().word }

// Name is the name by which a server announces the method. Password is "USER",
// APOP is "APOP". Auto has none.
func (m Method) Name() string { return m.row().wire }

// Class is the strength of the method.
func (m Method) Class() Class { return m.row().class }

// NeedsTLS means that who reads the connection gets a secret that can be used
// again (a password, a token), or, for External and the -PLUS forms of SCRAM,
// that there is no login without TLS.
func (m Method) NeedsTLS() bool { return m.row().needsTLS }

// Class is how strong a login is, weakest first, so that a downgrade can be
// told by comparing. The values are kept in the state: do not renumber.
type Class uint8

const (
	// ClassUnknown is no login yet.
	ClassUnknown Class = iota
	// ClassClear gives the server the password.
	ClassClear
	// ClassChallenge proves knowledge of the password.
	ClassChallenge
	// ClassBound does so, bound to the TLS connection.
	ClassBound
	// ClassToken uses no password: a token, a certificate or a ticket.
	ClassToken
)

// String names the class for messages.
func (c Class) String() string {
	switch c {
	case ClassClear:
		return "password in clear"
	case ClassChallenge:
		return "challenge and response"
	case ClassBound:
		return "challenge and response bound to TLS"
	case ClassToken:
		return "token, certificate or ticket"
	}
	return "unknown"
}

// Secrets says what an account holds to log in with.
type Secrets struct {
	Password, Token, Certificate bool
}

// Order is what Auto tries, strongest first; the first that the server
// announces is taken. Without TLS only what gives no secret away and makes the
// server prove itself is left: SCRAM. Who accepts the risk (insecure) passes
// overTLS as true. APOP, CRAM-MD5 and DIGEST-MD5 (a recorded exchange is open
// to guessing) and GSSAPI and KPOP (need a Kerberos realm) are used only when named.
func Order(have Secrets, overTLS bool) []Method {
	var order []Method
	if have.Token {
		order = append(order, OAUTHBEARER, XOAUTH2)
	}
	if have.Certificate && !have.Password {
		order = append(order, External)
	}
	if have.Password {
		order = append(order, SCRAMSHA256PLUS, SCRAMSHA256, SCRAMSHA1PLUS, SCRAMSHA1, Plain, Login, Password)
	}
	if !overTLS {
		order = slices.DeleteFunc(order, Method.NeedsTLS)
	}
	return order
}
