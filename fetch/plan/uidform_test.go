package plan

import (
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3"
)

func TestNeverReused(t *testing.T) {
	for name, tc := range map[string]struct {
		uids []string
		want bool
	}{
		"Dovecot":                     {[]string{"000000015f3a2b1c", "000000025f3a2b1c", "00fa00035f3a2b1c"}, true},
		"Dovecot, one message":        {[]string{"000000015f3a2b1c"}, true},
		"UW imapd":                    {[]string{"5f3a2b1c00000001", "5f3a2b1c00000002"}, true},
		"Courier":                     {[]string{"UID7-1597647644", "UID9-1597647644"}, true},
		"Cyrus":                       {[]string{"1597647644.1", "1597647644.20"}, true},
		"Gmail":                       {[]string{"GmailId13f0a2b1c5d6e7f8", "GmailId13f0a2b1c5d6e7f9"}, true},
		"popa3d, one message":         {[]string{"8f0a2b1c5f3a2b1c"}, false},
		"popa3d":                      {[]string{"8f0a2b1c5f3a2b1c", "1111222233334444"}, false},
		"an MD5":                      {[]string{"d41d8cd98f00b204e9800998ecf8427e"}, false},
		"numbers":                     {[]string{"1", "2", "3"}, false},
		"numbers with a small second": {[]string{"1.1", "1.2"}, false},
		"mixed":                       {[]string{"000000015f3a2b1c", "UID7-1597647644"}, false},
		"other validities":            {[]string{"000000015f3a2b1c", "000000025f3a2b1d"}, false},
		"names of files":              {[]string{"1597647644.M1P2.host,S=3"}, false},
		"headers":                     {[]string{uidPrefix + "00000000000000000000000000000000"}, false},
		"none":                        {nil, false},
	} {
		var list []pop3.Message
		for _, u := range tc.uids {
			list = append(list, pop3.Message{UID: u})
		}
		if got := NeverReused(list); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
