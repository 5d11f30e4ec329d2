package command

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// pseudoTerminal returns both ends of a terminal of the given height. It ends
// with the test.
func pseudoTerminal(t *testing.T, rows uint16) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: 80}); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestBarsThatComeAndGo between two drawings are never more than the terminal
// has room for: what scrolls off it cannot be removed.
func TestBarsThatComeAndGo(t *testing.T) {
	t.Parallel()
	const rows = 12
	master, slave := pseudoTerminal(t, rows)
	drawn := reading(master)
	synctest.Test(t, func(*testing.T) { manyBars(slave) })
	slave.Close()
	most := 0
	for _, up := range regexp.MustCompile(`\x1b\[(\d+)A`).FindAllSubmatch(<-drawn, -1) {
		n, _ := strconv.Atoi(string(up[1]))
		most = max(most, n)
	}
	if most < 2 || most > rows/2 {
		t.Errorf("%d bars at a time, want 2 to %d", most, rows/2)
	}
}

// reading collects what is written to a terminal until its other end is closed.
func reading(master *os.File) <-chan []byte {
	all := make(chan []byte)
	go func() {
		text, _ := io.ReadAll(master) // EIO: nobody has the other end open
		all <- text
	}()
	return all
}

// TestBarStaysToTheEnd: sizes are estimates, so a bar that is full is no bar that is done.
func TestBarStaysToTheEnd(t *testing.T) {
	t.Parallel()
	master, slave := pseudoTerminal(t, 24)
	drawn := reading(master)
	synctest.Test(t, func(*testing.T) {
		screen := &term.Screen{W: slave}
		b := term.NewBars(screen)
		full := fetch.Event{Account: "full", Progress: ledger.Progress{Stage: ledger.Retrieving, Total: 4, TotalBytes: 1000, Bytes: 1000}}
		b.Report(full)
		time.Sleep(time.Second)
		fmt.Fprintln(screen, "later")
		full.Bytes = 1500
		b.Report(full)
		time.Sleep(time.Second)
		b.Close()
	})
	slave.Close()
	_, later, _ := strings.Cut(string(<-drawn), "later")
	if !strings.Contains(later, "full") || !strings.Contains(later, "1.5 KiB") {
		t.Errorf("no bar any more: %q", later)
	}
}

// manyBars runs in a bubble, whose clock stands still while anything is drawn.
func manyBars(screen *os.File) {
	b := term.NewBars(&term.Screen{W: screen})
	defer b.Close()
	report := func(account string, stage ledger.Stage) {
		b.Report(fetch.Event{Account: account, Progress: ledger.Progress{Stage: stage, Total: 4, TotalBytes: 1000, Bytes: 10}})
	}
	report("stays", ledger.Retrieving)
	for round := range 4 {
		for i := range 50 {
			account := fmt.Sprint(round, "-", i)
			report(account, ledger.Retrieving)
			report(account, ledger.Finished)
		}
		time.Sleep(200 * time.Millisecond) // more than from one drawing to the next
	}
}
