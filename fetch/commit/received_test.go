package commit

import (
	"net/mail"
	"strings"
	"testing"
	"time"
)

func TestReceived(t *testing.T) {
	t.Parallel()
	at := time.Date(2020, 2, 29, 1, 2, 3, 0, time.UTC)
	tests := []struct {
		from, by string
		to       []string
		want     string
	}{
		{"pop.example.org", "me", []string{"a@b"}, "from pop.example.org by me (mailhaul) with POP3 for <a@b>;"},
		{"192.0.2.1", "", nil, "from [192.0.2.1] by localhost (mailhaul) with POP3;"},
		{"fe80::1%eth0", "me_x", []string{"a@b", "c@d"}, "from [IPv6:fe80::1] by localhost (mailhaul) with POP3;"},
		{"::ffff:192.0.2.1", "me", []string{"alice"}, "from [192.0.2.1] by me (mailhaul) with POP3;"},
		{"h\nX: y", "me", []string{"a@b>\nX: y"}, "from localhost by me (mailhaul) with POP3;"},
	}
	for _, tc := range tests {
		got := received(tc.from, tc.by, tc.to, at)
		m, err := mail.ReadMessage(strings.NewReader(got + "\n"))
		if err != nil || len(m.Header) != 1 {
			t.Fatalf("%q: %v, %v", got, err, m)
		}
		want := tc.want + " Sat, 29 Feb 2020 01:02:03 +0000"
		if v := m.Header.Get("Received"); v != want {
			t.Errorf("got %q, want %q", v, want)
		}
		for line := range strings.Lines(got) {
			if len(line) > 78 {
				t.Errorf("line of %d octets: %q", len(line), line)
			}
		}
	}
}
