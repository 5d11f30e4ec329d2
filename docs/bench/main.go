//go:build linux

// Command bench compares mailhaul with the other retrievers in Debian and with the
// limits of the machine: the same mailboxes, the same server, in turn, as whole
// processes. It prints one Markdown table for each target and, after a full run,
// writes them into docs/performance.md.
//
//	make bench              every target
//	make bench T=1,4        some of them
//	make bench Q=1          small mailboxes, one round: a quick test
//	make bench P=mpop       some of the programs
//	make bench R=5          more rounds (3 is the default)
//
// It needs Linux and Dovecot's POP3 server, and uses the peers that are installed.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureArg {
		os.Exit(measureChild(os.Args[2:]))
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: bench PATH-OF-MAILHAUL")
		os.Exit(64)
	}
	if err := bench(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// targets are the tables, in the order of their numbers.
var targets = []func(*lab) (*table, error){
	localhost, mboxes, latency, nothingNew, large, accounts, relay, cost, mailboxes,
}

func bench(binary string) (err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	l, err := newLab(binary)
	if err != nil {
		return err
	}
	defer l.Close()
	wanted := strings.Split(os.Getenv("T"), ",")
	var done []*table
	for i, run := range targets {
		if os.Getenv("T") != "" && !slices.Contains(wanted, strconv.Itoa(i+1)) {
			continue
		}
		t, err := run(l)
		if err != nil {
			return fmt.Errorf("target %d: %w", i+1, err)
		}
		t.number = i + 1
		fmt.Println(t)
		done = append(done, t)
	}
	if l.quick {
		return nil
	}
	return writeReport("performance.md", l, done) // make runs us in docs
}
