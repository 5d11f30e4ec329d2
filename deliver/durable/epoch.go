package durable

import (
	"encoding/hex"
	"hash/fnv"

	"github.com/mailhaul/mailhaul/deliver/fault"
)

// Epoch names the time in which nothing that was written to the volume of a
// directory can have been lost: from one mount of the volume, and one boot of
// the machine, to the next. It is the same for a process that was killed and
// for the one that comes after it. What was written in another epoch and not
// made durable may be missing, in any order. Empty if the system does not report it.
func Epoch(dir string) string {
	boot := BootID()
	if fault.Mutated("other-boot") {
		boot = "another"
	}
	if boot == "" {
		return ""
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(boot + " " + mountOf(dir))) // never fails
	return hex.EncodeToString(h.Sum(nil))
}
