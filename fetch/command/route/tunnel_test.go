package route

import (
	"strings"
	"testing"
)

// TestTunnelHost: a host, which may be from elsewhere, is no option and no shell's command.
func TestTunnelHost(t *testing.T) {
	for _, host := range []string{"-oproxycommand=reboot", "x|reboot|", "x&reboot", "`reboot`"} {
		if _, err := tunnel([]string{"echo", "%h"})(t.Context(), "tcp", host+":110"); err == nil || !strings.HasPrefix(err.Error(), "tunnel: the host") {
			t.Errorf("%s: %v", host, err)
		}
	}
}
