package command

import (
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// manager tells systemd how the loop does (sd_notify(3)). Without systemd each
// call does nothing.
type manager struct{ last string }

func (m *manager) tell(state string) { _, _ = daemon.SdNotify(false, state) }

func (m *manager) ready() { m.tell(daemon.SdNotifyReady) }

func (m *manager) stopping() {
	m.tell(daemon.SdNotifyStopping + "\nSTATUS=finishing what is under way")
}

// reloading is followed by ready. Type=notify-reload wants the time with it.
func (m *manager) reloading() {
	m.tell(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, monotonic()))
}

func (m *manager) alive() { m.tell(daemon.SdNotifyWatchdog) }

// status is what `systemctl status` shows.
func (m *manager) status(text string) {
	if text != m.last {
		m.last = text
		m.tell("STATUS=" + text)
	}
}

// watchdogEvery is how often systemd wants to hear that we are alive, with
// time to spare; 0 if it does not.
func watchdogEvery() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d / 3
}
