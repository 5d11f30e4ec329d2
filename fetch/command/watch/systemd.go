package watch

import (
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/state"
)

// Systemd reports the state of the loop to systemd (sd_notify(3)). Without systemd
// each call does nothing.
type Systemd struct{ last string }

func (m *Systemd) tell(state string) { _, _ = daemon.SdNotify(false, state) }

func (m *Systemd) Ready() { m.tell(daemon.SdNotifyReady) }

func (m *Systemd) Stopping() {
	m.tell(daemon.SdNotifyStopping + "\nSTATUS=finishing runs in progress")
}

// Reloading is followed by Ready. Type=notify-reload needs the time as well.
func (m *Systemd) Reloading() {
	m.tell(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, monotonic()))
}

func (m *Systemd) Alive() { m.tell(daemon.SdNotifyWatchdog) }

// Status is what `systemctl status` shows.
func (m *Systemd) Status(text string) {
	if text != m.last {
		m.last = text
		m.tell("STATUS=" + text)
	}
}

// WatchdogEvery is the interval of the signs of life that systemd expects, with
// time to spare; 0 if it expects none.
func WatchdogEvery() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d / 3
}

// StatusLine sums up the accounts in a line.
func StatusLine(list []state.StatusFile) string {
	running, failing := 0, 0
	var next []time.Time
	for i := range list {
		if list[i].State == state.StateRunning {
			running++
		}
		if !list[i].Failing().IsZero() {
			failing++
		}
		if !list[i].NextRun.IsZero() {
			next = append(next, list[i].NextRun)
		}
	}
	line := fmt.Sprintf("%s, %d running, %d failing", term.Plural(len(list), "account"), running, failing)
	if len(next) > 0 {
		line += ", next run at " + slices.MinFunc(next, time.Time.Compare).Local().Format(time.TimeOnly)
	}
	return line
}
