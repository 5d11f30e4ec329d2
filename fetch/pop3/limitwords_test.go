package pop3

import "testing"

func TestLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, source string
		want         Limit
	}{
		{"Download exceed. msg=21", "163.com, 126.com (MailKit #1320, zmail #22, #115)", Exhausted},
		{"[SYS/TEMP] Account exceeded command or bandwidth limits.", "Gmail", Exhausted},
		{"[SYS/PERM] Account exceeded bandwidth limits", "", Exhausted},
		{"Download was rate limited", "WildDuck", Exhausted},
		{"[LOGIN-DELAY] minimum time between mail checks violation", "RFC 2449 section 8.1.1", NotAtAll},
		{"[IN-USE] Do you have another POP session running?", "RFC 2449 section 8.1.2", NotAtAll},
		{"[SYS/TEMP] no more connections", "RFC 3206", ForNow},
		{"Server temporarily unavailable", "a mail program's list of errors", ForNow},
		{"Exceeded the login limit for a 15 minute period. Reduce the frequency of requests to the POP3 server.",
			"Outlook.com (frappe #242)", Exhausted},
		// of the same kind
		{"daily download quota reached", "", Exhausted},
		{"Bandwidth used up, come back tomorrow", "", Exhausted},
		{"Too many messages retrieved today", "", Exhausted},
		{"too many requests", "", Exhausted},
		{"Rate limit hit, slow down", "", Exhausted},
		{"You may fetch 100 messages per hour", "", Exhausted},
		{"message limit for this account reached", "", Exhausted},
		{"maximum number of messages reached", "", Exhausted},
		{"maximum downloads reached", "", Exhausted},
		{"Tageslimit überschritten", "", Exhausted},
		{"下载超过限制", "", Exhausted},
		{"\xcf\xc2\xd4\xd8\xb3\xac\xb9\xfd\xc9\xcf\xcf\xde", "", Exhausted},
		{"Try again later", "", ForNow},
		{"try again in 10 minutes", "", ForNow},
		{"server busy", "", ForNow},
		// one message
		{"", "", NoLimit},
		{"no such message", "RFC 1939", NoLimit},
		{"Message 5 has been deleted", "", NoLimit},
		{"message was deleted in this session", "", NoLimit},
		{"There's no message 7.", "Dovecot", NoLimit},
		{"[SYS/TEMP] Internal error occurred. Refer to server log for more information.",
			"Dovecot, of a message that it cannot read", ForNow},
		{"[SYS/PERM] Mail not found", "", NoLimit},
		{"[UTF8] message requires UTF8", "RFC 6856", NoLimit},
		{"message too large", "", NoLimit},
		{"message exceeds the size limit", "", NoLimit},
		{"message size exceeds limit", "", NoLimit},
		{"maximum message size exceeded", "", NoLimit},
		{"line length limit exceeded", "", NoLimit},
		{"message is corrupt", "", NoLimit},
		{"unable to decrypt the mail", "", NoLimit},
		{"MIME nesting depth exceeded", "", NoLimit},
		{"can't open message", "", NoLimit},
		{"internal error", "", NoLimit},
	}
	for _, tt := range tests {
		if got := newError("RETR 21", []byte(tt.text)).Limit(); got != tt.want {
			t.Errorf("%q is %d, want %d", tt.text, got, tt.want)
		}
	}
}
