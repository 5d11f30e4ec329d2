package pop3test

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// mayLogIn reports whether a login is allowed on this connection.
func (s *session) mayLogIn() bool {
	return s.tls != nil || s.opts.Security != STLS || s.opts.LoginBeforeTLS
}

// authorization answers the commands of the AUTHORIZATION state.
func (s *session) authorization(verb, arg string) error {
	switch verb {
	case "STLS":
		return s.stls()
	case "UTF8":
		s.utf8Command()
		return nil
	case "USER", "PASS", "APOP", "AUTH":
		if !s.mayLogIn() {
			s.line("-ERR log in after STLS")
			return nil
		}
	default:
		s.line("-ERR unknown command in this state")
		return nil
	}
	switch verb {
	case "USER":
		s.userCommand(arg)
	case "PASS":
		s.passCommand(arg)
	case "APOP":
		s.apop(arg)
	case "AUTH":
		return s.auth(arg)
	}
	return nil
}

func (s *session) stls() error {
	if s.opts.Security != STLS || s.tls != nil || s.utf8 {
		s.line("-ERR STLS not possible now")
		return nil
	}
	s.line("+OK begin TLS")
	if err := s.out.end(); err != nil {
		return err
	}
	if s.out.dropped {
		return nil
	}
	if err := s.out.flush(); err != nil {
		return err
	}
	s.user = ""
	return s.handshake()
}

func (s *session) utf8Command() {
	if s.opts.UTF8 == NoUTF8 {
		s.line("-ERR unknown command")
		return
	}
	s.utf8 = true
	s.line("+OK UTF8 enabled")
}

func (s *session) userCommand(arg string) {
	if s.opts.NoUSER || arg == "" {
		s.line("-ERR USER not possible")
		return
	}
	s.user = arg
	s.line("+OK send PASS")
}

func (s *session) passCommand(arg string) {
	if s.user == "" {
		s.line("-ERR send USER first")
		return
	}
	s.login(s.user, s.opts.checkPassword(s.user, arg))
}

// apop is RFC 1939 section 7.
func (s *session) apop(arg string) {
	user, digest, _ := strings.Cut(arg, " ")
	if s.stamp == "" {
		s.line("-ERR no APOP here")
		return
	}
	sum := md5.Sum([]byte(s.stamp + s.opts.Password))
	s.login(user, s.opts.isUser(user) && equal(digest, hex.EncodeToString(sum[:])))
}

// auth is RFC 5034 section 4. AUTH alone lists the mechanisms.
func (s *session) auth(arg string) error {
	name, initial, hasInitial := strings.Cut(arg, " ")
	if name == "" {
		s.line("+OK\r\n%s", strings.Join(append(slices.Clone(s.opts.Mechanisms), "."), "\r\n"))
		return nil
	}
	if hasInitial && s.opts.TwoStepAuth {
		s.line("-ERR Protocol error. Connection is closed. 10")
		return errHangUp
	}
	mech := s.mechanism(strings.ToUpper(name))
	if mech == nil {
		s.line("-ERR unknown mechanism")
		return nil
	}
	if !hasInitial {
		return s.exchange(mech, nil)
	}
	if initial == "=" { // an empty initial response
		initial = ""
	}
	response, err := decodeResponse(initial)
	if err != nil {
		s.line("-ERR bad base64")
		return nil
	}
	return s.exchange(mech, response)
}

// exchange runs a mechanism to its end. Faults hit its first reply only.
func (s *session) exchange(mech ServerMech, response []byte) error {
	for {
		challenge, done, err := mech.Next(response)
		if err != nil {
			s.line("-ERR %s", s.opts.LoginError)
			return nil
		}
		if done {
			s.login(mech.User(), true)
			return nil
		}
		s.line("+ %s", base64.StdEncoding.EncodeToString(challenge))
		if err := s.out.end(); err != nil {
			return err
		}
		if err := s.out.flush(); err != nil {
			return err
		}
		line, err := s.readLine()
		if err != nil {
			return err
		}
		s.out.begin("AUTH", nil)
		if line == "*" {
			s.line("-ERR cancelled")
			return nil
		}
		if response, err = decodeResponse(line); err != nil {
			s.line("-ERR bad base64")
			return nil
		}
	}
}

// decodeResponse never returns nil for a response that was sent.
func decodeResponse(line string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(line)
	return append([]byte{}, b...), err
}

// login ends a login that was right or wrong.
func (s *session) login(user string, right bool) {
	if !right {
		s.user = ""
		s.line("-ERR %s", s.opts.LoginError)
		return
	}
	if s.out.add(s.srv.match("login", "")) {
		return
	}
	list, err := s.srv.drop.open(strings.HasPrefix(user, "recent:"))
	if err != nil {
		s.line("-ERR %s", err)
		return
	}
	if !s.srv.admit() {
		s.srv.drop.release()
		s.line("-ERR [LOGIN-DELAY] minimum time between logins is %s", s.opts.LoginDelay)
		return
	}
	s.loggedIn, s.list = true, list
	s.line("+OK logged in")
}

// isUser accepts Gmail's "recent:" form of the user name as well.
func (o *Options) isUser(user string) bool {
	return strings.TrimPrefix(user, "recent:") == o.User
}

func (o *Options) checkPassword(user, password string) bool {
	return o.isUser(user) && equal(password, o.Password)
}

func equal(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
