package pop3

import "time"

const (
	absurd       = 1 << 40   // octets: a message is not so large, whatever LIST says
	firstRate    = 128 << 10 // octets a second that a scanner on the way reads at least
	maxFirstByte = 10 * time.Minute
)

// firstByte is how long to wait for the first line of a message of that size.
// Some servers, and scanners on the way, read all of it before they pass any on.
func firstByte(idle time.Duration, size int64) time.Duration {
	if size <= 0 || size > absurd {
		return idle
	}
	return idle + min(time.Duration(size/firstRate)*time.Second, maxFirstByte)
}
