package proof_test

import (
	"testing"

	"github.com/mailhaul/mailhaul/fetch/proof"
)

// TestMailOfPurge: what the server confirmed and lists all the same is not
// called deleted.
func TestMailOfPurge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rep  proof.PurgeReport
		want string
	}{
		{proof.PurgeReport{Verified: 5, Deleted: 5, Proven: true}, "purge deleted 5 verified messages from the server, nothing else"},
		{proof.PurgeReport{Verified: 5, Deleted: 5, Left: 2, Proven: true},
			"purge deleted 3 verified messages from the server, nothing else; 2 that it confirmed are still listed"},
		{proof.PurgeReport{Verified: 5, Deleted: 5, Left: 1, Proven: true},
			"purge deleted 4 verified messages from the server, nothing else; 1 that it confirmed is still listed"},
		{proof.PurgeReport{Verified: 5, Deleted: 5, Left: 5, Proven: true},
			"purge deleted nothing from the server; 5 that it confirmed are still listed"},
		{proof.PurgeReport{Verified: 5, Deleted: 2, Unconfirmed: 3}, "purge deleted 2 verified messages from the server and " +
			"perhaps 3 more of them, nothing else; run it again for the rest"},
	} {
		if got := tt.rep.Mail(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.rep, got, tt.want)
		}
	}
}
