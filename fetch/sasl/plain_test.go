package sasl_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

func TestPlain(t *testing.T) {
	tests := []struct {
		name                    string
		authzid, user, password string
		want, wantErr           string
	}{
		{name: "RFC 4616 section 4", user: "tim", password: "tanstaaftanstaaf", want: "\x00tim\x00tanstaaftanstaaf"},
		{name: "RFC 4616 section 4 with authzid", authzid: "Ursel", user: "Kurt", password: "xipj3plmq",
			want: "Ursel\x00Kurt\x00xipj3plmq"},
		{name: "UTF-8", user: "jürgen", password: "pä ss", want: "\x00jürgen\x00pä ss"},
		{name: "no user", password: "x", wantErr: "user name is empty"},
		{name: "no password", user: "x", wantErr: "password is empty"},
		{name: "NUL in user", user: "a\x00b", password: "x", wantErr: "user name holds a control character (byte 0x00 at offset 1)"},
		{name: "newline in password", user: "a", password: "hunter2\n",
			wantErr: "password holds a control character (byte 0x0a at offset 7)"},
		{name: "DEL in authzid", authzid: "\x7f", user: "a", password: "x",
			wantErr: "authorisation identity holds a control character (byte 0x7f at offset 0)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, got, err := sasl.NewPlain(tt.authzid, tt.user, tt.password).Start()
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Fatalf("error %v, want %q", err, tt.wantErr)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Fatal("password in the error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if name != "PLAIN" {
				t.Errorf("name %q", name)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlainHasNoSecondStep(t *testing.T) {
	m := sasl.NewPlain("", "a", "b")
	if _, _, err := m.Start(); err != nil {
		t.Fatal(err)
	}
	if resp, err := m.Next([]byte("more?")); err == nil || resp != nil {
		t.Errorf("Next gave %q, %v", resp, err)
	}
}
