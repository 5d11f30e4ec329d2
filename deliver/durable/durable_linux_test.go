package durable

import "testing"

func TestSyncfsReports(t *testing.T) {
	for release, want := range map[string]bool{
		"6.1.0-18-amd64": true, "5.8.0": true, "5.10": true, "10.0.1": true,
		"5.7.19": false, "4.19.0": false, "5": false, "": false, "x.y": false,
	} {
		if got := syncfsReports(release); got != want {
			t.Errorf("%q: got %v, want %v", release, got, want)
		}
	}
}
