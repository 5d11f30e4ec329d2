package header

import (
	"crypto/sha256"
	"io"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/state"
)

// authored are fields that are the same in all copies of a message, and differ where
// somebody has sent it once more: the author's, and those of mailing lists and of who
// resent it. What servers write on the way is not among them.
var authored = []string{"message-id", "date", "from", "sender", "reply-to", "to", "cc", "subject", "in-reply-to",
	"mime-version", "content-type", "content-transfer-encoding", "list-id"}

func isAuthored(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(authored, name) || strings.HasPrefix(name, "resent-")
}

// Authored returns a reader of a message that starts with the header h, and what gives,
// once that is read to its end, the sum of what its author wrote: copies that a server
// made of one message have the same. The sum is zero for a message without Message-ID:
// two of those are equal by chance.
func Authored(h Header, message io.Reader) (io.Reader, func() state.Fingerprint) {
	if id, _ := h.Get("Message-ID", 1); id == "" {
		return message, func() (none state.Fingerprint) { return none }
	}
	sum := sha256.New()
	for name, value := range h.Fields() {
		if isAuthored(string(name)) {
			_, _ = io.WriteString(sum, strings.ToLower(string(name))+":"+Text(value)+"\n")
		}
	}
	return io.TeeReader(message, &skipper{len(h), sum}), func() state.Fingerprint { return state.Fingerprint(sum.Sum(nil)[:16]) }
}
