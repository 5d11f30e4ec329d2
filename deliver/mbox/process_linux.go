package mbox

import (
	"fmt"
	"os"
	"strings"
)

// startOf returns when a process was started, in ticks since the boot; empty if
// it has ended or /proc does not report it.
func startOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The command's name, in parentheses, may hold anything (proc(5)).
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const start = 22 - 3 // of the fields after the name
	if len(fields) <= start {
		return ""
	}
	return fields[start]
}
