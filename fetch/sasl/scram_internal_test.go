package sasl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is one SCRAM exchange of an RFC.
type vector struct {
	name, nonce, first, server1, final, server2 string
}

func vectors() []vector {
	return []vector{
		{
			name: "SCRAM-SHA-1", nonce: "fyko+d2lbbFgONRv9qkxdawL", // RFC 5802 section 5
			first:   "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			server1: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			final:   "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			server2: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			name: "SCRAM-SHA-256", nonce: "rOprNGfwEbeRWgbNEkqO", // RFC 7677 section 3
			first:   "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			server1: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			final:   "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			server2: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	}
}

// begin starts the exchange of a vector.
func (v vector) begin(t testing.TB) *scramClient {
	t.Helper()
	m := NewSCRAM(v.name, "user", "pencil", Channel{}).(*scramClient)
	m.nonce = v.nonce
	name, first, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{v.name, v.first}, []string{name, string(first)}); diff != "" {
		t.Fatal(diff)
	}
	return m
}

func TestSCRAMVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			m := v.begin(t)
			final, err := m.Next([]byte(v.server1))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.final, string(final)); diff != "" {
				t.Fatal(diff)
			}
			if m.Complete() == nil {
				t.Fatal("complete before the server's signature")
			}
			last, err := m.Next([]byte(v.server2))
			if err != nil || last == nil || len(last) != 0 {
				t.Fatalf("last answer %q, %v", last, err)
			}
			if err := m.Complete(); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Next([]byte(v.server2)); err == nil {
				t.Fatal("a further challenge was answered")
			}
		})
	}
}

func TestSCRAMHostileFirst(t *testing.T) {
	v := vectors()[1]
	const nonce = "r=rOprNGfwEbeRWgbNEkqO"
	tests := []struct{ name, msg, want string }{
		{"empty", "", "malformed first"},
		{"one field", "r=", "malformed first"},
		{"no salt", nonce + "x,i=4096", "malformed first"},
		{"other order", nonce + "x,i=4096,s=QSXC", "malformed first"},
		{"extension", "m=x," + nonce + "x,s=QSXC,i=4096", "malformed first"},
		{"nonce not ours", "r=other,s=QSXC,i=4096", "does not extend"},
		{"nonce is ours alone", nonce + ",s=QSXC,i=4096", "does not extend"},
		{"empty salt", nonce + "x,s=,i=4096", "empty salt"},
		{"salt not base64", nonce + "x,s=!!!,i=4096", "malformed first"},
		{"no count", nonce + "x,s=QSXC,i=", "malformed iteration"},
		{"negative count", nonce + "x,s=QSXC,i=-4096", "malformed iteration"},
		{"plus count", nonce + "x,s=QSXC,i=+4096", "malformed iteration"},
		{"low count", nonce + "x,s=QSXC,i=4095", "less than the 4096"},
		{"count 1", nonce + "x,s=QSXC,i=1", "less than the 4096"},
		{"high count", nonce + "x,s=QSXC,i=2000001", "more than 2000000"},
		{"count of hours", nonce + "x,s=QSXC,i=2147483647", "more than 2000000"},
		{"count beyond 64 bits", nonce + "x,s=QSXC,i=99999999999999999999999", "more than 2000000"},
		{"refusal", "e=unknown-user", "wrong user name or password"},
		{"refusal with escapes", "e=\x1b[31m", `"\x1b[31m"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := v.begin(t)
			resp, err := m.Next([]byte(tt.msg))
			if err == nil || resp != nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("answer %q, error %v, want %q", resp, err, tt.want)
			}
			if strings.ContainsAny(err.Error(), "\x1b\r\n") || strings.Contains(err.Error(), "pencil") {
				t.Fatalf("error text %q", err)
			}
			// An exchange that failed must not come back to life: the library
			// would compare an empty signature with none and be content.
			if _, err := m.Next([]byte("v=")); err == nil || m.Complete() == nil {
				t.Fatal("went on after an error")
			}
		})
	}
}

func TestSCRAMHostileFinal(t *testing.T) {
	v := vectors()[1]
	tests := []struct{ name, msg, want string }{
		{"empty", "", "wrong server signature"},
		{"empty signature", "v=", "wrong server signature"},
		{"not base64", "v=***", "wrong server signature"},
		{"signature of another exchange", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "wrong server signature"},
		{"replayed first message", v.server1, "wrong server signature"},
		{"refusal", "e=invalid-proof", "wrong user name or password"},
		{"binding", "e=channel-bindings-dont-match,x=y", "TLS ends at someone else"},
		{"long refusal", "e=" + strings.Repeat("x", 10000), "..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := v.begin(t)
			if _, err := m.Next([]byte(v.server1)); err != nil {
				t.Fatal(err)
			}
			_, err := m.Next([]byte(tt.msg))
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500 {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if m.Complete() == nil || m.Explain() == nil {
				t.Fatal("complete, or unexplained")
			}
		})
	}
}

func TestSCRAMStart(t *testing.T) {
	tests := []struct{ name, mech, user, password, wantErr string }{
		{"unknown mechanism", "SCRAM-MD5", "u", "p", `no SCRAM mechanism "SCRAM-MD5"`},
		{"binding without TLS", "SCRAM-SHA-256-PLUS", "u", "p", ErrNoBinding.Error()},
		{"newline in password", "SCRAM-SHA-256", "u", "p\n", "password holds a control character (byte 0x0a at offset 1)"},
		{"SASLprep refuses emoji, we do not", "SCRAM-SHA-256", "u", "\U0001f600", ""},
		{"name with separators", "SCRAM-SHA-1", "a=b,c", "p", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, first, err := NewSCRAM(tt.mech, tt.user, tt.password, Channel{}).Start()
			switch {
			case tt.wantErr == "" && err != nil, tt.wantErr != "" && (err == nil || err.Error() != tt.wantErr):
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			case tt.user == "a=b,c" && !strings.HasPrefix(string(first), "n,,n=a=3Db=2Cc,r="):
				t.Fatalf("first message %q", first)
			}
		})
	}
}
