package command

import "testing"

// TestMessagesOfUsage: a wrong configuration or command line says that nothing
// was done, and how it is done right.
func TestMessagesOfUsage(t *testing.T) {
	t.Setenv("MAILHAUL_PASSWORD", thePassword)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	runMishaps(t, "usage.txtar")
}

// TestMessagesOfFrom: without a configuration no hint names a key alone, for
// there is nowhere to put it.
func TestMessagesOfFrom(t *testing.T) {
	t.Setenv("MAILHAUL_PASSWORD", thePassword)
	runMishaps(t, "from.txtar")
}

// TestMessagesOfStops: a signal is answered with one true sentence.
func TestMessagesOfStops(t *testing.T) { runMishaps(t, "stops.txtar") }
