package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestClaimsClockBack: what was claimed last stays, also if the clock is set back.
func TestClaimsClockBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "box")
	full := fmt.Sprintf("%s.%020d", path, time.Now().Add(time.Hour).UnixNano()) // begun before the clock was set
	if err := os.WriteFile(full, make([]byte, maxClaims), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Claims[int]{Path: path, Point: "imap.claim", Parse: strconv.Atoi}
	for n := range 6 {
		if err := c.Add("7", strconv.Itoa(n), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	other := &Claims[int]{Path: path, Parse: strconv.Atoi}
	if err := other.Refresh(); err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		if owner, ok := other.Owner("7", n); !ok || owner != fmt.Sprint(n) {
			t.Errorf("copy %d is %q's, known: %v", n, owner, ok)
		}
	}
}
