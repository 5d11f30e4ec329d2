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

func TestInspected(t *testing.T) {
	for issuer, want := range map[string]bool{
		"CN=ESET SSL Filter CA,O=ESET\\, spol. s r. o.": true, "CN=AVG Web/Mail Shield Root": true, "O=Zscaler Inc.": true,
		"CN=Interne CA,O=Gesetzliche Krankenversicherung": false, "CN=Average CA": false,
	} {
		if got := inspected(issuer); got != want {
			t.Errorf("%s: %v", issuer, got)
		}
	}
}
