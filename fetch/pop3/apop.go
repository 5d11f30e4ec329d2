package pop3

import (
	"context"
	"crypto/md5" // RFC 1939 section 7: APOP is MD5
	"encoding/hex"
	"errors"
	"strings"
)

// userPass is USER and PASS (RFC 1939 section 7), in lock step: a server that
// refuses the name never sees the password.
func (a *attempt) userPass(ctx context.Context) error {
	password, err := secret(ctx, a.login)
	if err != nil {
		return err
	}
	a.hide = append(a.hide, password)
	if _, err := a.command("USER " + a.login.User); err != nil {
		return err
	}
	a.send("PASS "+password, "PASS ****")
	_, err = a.status("PASS", 0)
	return err
}

// apop is APOP (RFC 1939 section 7).
func (a *attempt) apop(ctx context.Context) error {
	challenge, err := apopChallenge(a.greeting)
	if err != nil {
		return err
	}
	password, err := secret(ctx, a.login)
	if err != nil {
		return err
	}
	sum := md5.Sum([]byte(challenge + password))
	digest := hex.EncodeToString(sum[:])
	a.hide = append(a.hide, digest)
	a.send("APOP "+a.login.User+" "+digest, escape("APOP "+a.login.User)+" ****")
	_, err = a.status("APOP", 0)
	return err
}

var errChallenge = errors.New("the greeting holds no sound APOP challenge")

// apopChallenge finds the challenge in a greeting. It must be one strict
// msg-id of RFC 5322: an attacker who chooses the challenge freely can find
// the password by MD5 collisions (CVE-2007-1558), and those are not printable.
func apopChallenge(greeting string) (string, error) {
	start := strings.IndexByte(greeting, '<')
	end := strings.LastIndexByte(greeting, '>')
	if start < 0 || end < start {
		return "", errChallenge
	}
	id := greeting[start+1 : end]
	left, right, ok := strings.Cut(id, "@")
	if !ok || !dotAtom(left) || !dotAtom(strings.TrimSuffix(strings.TrimPrefix(right, "["), "]")) {
		return "", errChallenge
	}
	return greeting[start : end+1], nil
}

// dotAtom reports whether s is words of atext with dots between (RFC 5322
// section 3.2.3). A dot at an end or a doubled one is accepted: servers make
// such ids, and they are no weaker. The colon is for address literals.
func dotAtom(s string) bool {
	for i := range len(s) {
		b := s[i]
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.:", rune(b)) {
			return false
		}
	}
	return s != ""
}
