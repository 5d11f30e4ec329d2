package plan

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/state"
)

// uidPrefix marks a UID that we made from a header's fingerprint, for a server
// without UIDL.
const uidPrefix = "fingerprint:"

// FingerprintUID makes a unique-id of a fingerprint.
func FingerprintUID(p state.Fingerprint) string { return uidPrefix + hex.EncodeToString(p[:]) }

// IsFingerprintUID reports whether a unique-id is one of these.
func IsFingerprintUID(uid string) bool { return strings.HasPrefix(uid, uidPrefix) }

// Some servers make a unique-id of a message's header or beginning (popa3d,
// solid-pop3d, tpop3d), or of its place: another message may have it later.
// Others make it of a counter that never goes back, and of the time at which
// that was started (UID and UIDVALIDITY, RFC 3501 section 2.3.1.1): nothing
// else is ever listed under it. Their form shows it.

// counter64 is a unique-id of a counter: the validity is the same in all of a
// listing.
type counter64 struct{ uid, validity uint64 }

// uidForms parse the known ones. Dovecot's documentation of pop3_uidl_format
// lists them with the servers.
var uidForms = []func(uid string) (counter64, bool){
	func(uid string) (counter64, bool) { return hexPair(uid, false) }, // Dovecot: %08Xu%08Xv
	func(uid string) (counter64, bool) { return hexPair(uid, true) },  // UW ipop3d, Cyrus: %08Xv%08Xu
	courierUID, // Courier: UID%u-%v
	cyrusUID,   // Cyrus, Dovecot 0.99: %v.%u
	gmailUID,   // Gmail: GmailId and 16 hex digits
}

func hexPair(uid string, validityFirst bool) (counter64, bool) {
	if len(uid) != 16 {
		return counter64{}, false
	}
	a, errA := strconv.ParseUint(uid[:8], 16, 32)
	b, errB := strconv.ParseUint(uid[8:], 16, 32)
	if validityFirst {
		a, b = b, a
	}
	return counter64{a, b}, errA == nil && errB == nil
}

func courierUID(uid string) (counter64, bool) {
	rest, ok := strings.CutPrefix(uid, "UID")
	if !ok {
		return counter64{}, false
	}
	return decimalPair(rest, "-")
}

func cyrusUID(uid string) (counter64, bool) {
	c, ok := decimalPair(uid, ".")
	return counter64{c.validity, c.uid}, ok
}

func decimalPair(text, between string) (counter64, bool) {
	first, second, ok := strings.Cut(text, between)
	a, errA := strconv.ParseUint(first, 10, 32)
	b, errB := strconv.ParseUint(second, 10, 32)
	return counter64{a, b}, ok && errA == nil && errB == nil
}

func gmailUID(uid string) (counter64, bool) {
	id, ok := strings.CutPrefix(uid, "GmailId")
	_, err := strconv.ParseUint(id, 16, 64)
	return counter64{1, sometime}, ok && len(id) == 16 && err == nil
}

// A validity is the time at which the counter was started. In a listing of one
// message only a small number shows that it is no hash.
const (
	sometime = 946684800 // 2000-01-01
	farAway  = 1 << 31
	small    = 1 << 16
)

// NeverReused reports whether all unique-ids of a listing are of a form that no
// server gives twice.
func NeverReused(list []pop3.Message) bool {
	return slices.ContainsFunc(uidForms, func(form func(string) (counter64, bool)) bool { return allOf(list, form) })
}

func allOf(list []pop3.Message, form func(string) (counter64, bool)) bool {
	validity := uint64(0)
	for i := range list {
		c, ok := form(list[i].UID)
		if !ok || i > 0 && c.validity != validity || c.validity < sometime || c.validity >= farAway || len(list) == 1 && c.uid >= small {
			return false
		}
		validity = c.validity
	}
	return len(list) > 0
}
