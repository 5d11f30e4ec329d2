package command

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/pop3"
)

// TestFailingCommandIsNoWrongUse: package cli takes an *exec.ExitError for one of its own.
func TestFailingCommandIsNoWrongUse(t *testing.T) {
	failed := exec.Command("false").Run()
	if got := exit.Of(&pop3.LoginError{Login: "PLAIN", Err: fmt.Errorf("command pass: %w", failed)}); got != fetch.ExitAuth {
		t.Errorf("exit %d", got)
	}
	if got := exit.Of(failed); got == fetch.ExitUsage {
		t.Errorf("exit %d", got)
	}
}
