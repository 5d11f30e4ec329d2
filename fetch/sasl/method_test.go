package sasl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

func TestMethodWords(t *testing.T) {
	want := []string{"auto", "password", "apop", "plain", "login", "cram-md5", "digest-md5", "scram-sha-1", "scram-sha-1-plus",
		"scram-sha-256", "scram-sha-256-plus", "xoauth2", "oauthbearer", "external", "gssapi", "kpop"}
	var got []string
	for _, m := range sasl.Methods() {
		got = append(got, m.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestClass(t *testing.T) {
	order := []struct {
		name string
		want sasl.Class
	}{
		{"USER", sasl.ClassClear}, {"PLAIN", sasl.ClassClear}, {"LOGIN", sasl.ClassClear},
		{"APOP", sasl.ClassChallenge}, {"CRAM-MD5", sasl.ClassChallenge}, {"DIGEST-MD5", sasl.ClassChallenge},
		{"SCRAM-SHA-1", sasl.ClassChallenge}, {"SCRAM-SHA-256", sasl.ClassChallenge},
		{"SCRAM-SHA-1-PLUS", sasl.ClassBound}, {"SCRAM-SHA-256-PLUS", sasl.ClassBound},
		{"XOAUTH2", sasl.ClassToken}, {"OAUTHBEARER", sasl.ClassToken}, {"EXTERNAL", sasl.ClassToken}, {"GSSAPI", sasl.ClassToken},
		{"KPOP", sasl.ClassToken},
		{"", sasl.ClassUnknown},
	}
	classes := make(map[string]sasl.Class)
	for _, m := range sasl.Methods() {
		classes[m.Name()] = m.Class()
	}
	if len(classes) != len(order) {
		t.Errorf("%d methods, want %d", len(classes), len(order))
	}
	for _, tt := range order {
		if got := classes[tt.name]; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if !(sasl.ClassUnknown < sasl.ClassClear && sasl.ClassClear < sasl.ClassChallenge &&
		sasl.ClassChallenge < sasl.ClassBound && sasl.ClassBound < sasl.ClassToken) {
		t.Error("classes are out of order")
	}
}

func TestOrder(t *testing.T) {
	type S = sasl.Secrets
	type M = []sasl.Method
	tests := []struct {
		name string
		have S
		tls  bool
		want M
	}{
		{"nothing", S{}, true, nil},
		{"password", S{Password: true}, true, M{sasl.SCRAMSHA256PLUS, sasl.SCRAMSHA256, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA1,
			sasl.Plain, sasl.Login, sasl.Password}},
		{"password without TLS", S{Password: true}, false, M{sasl.SCRAMSHA256, sasl.SCRAMSHA1}},
		{"token", S{Token: true}, true, M{sasl.OAUTHBEARER, sasl.XOAUTH2}},
		{"token without TLS", S{Token: true}, false, M{}},
		{"certificate", S{Certificate: true}, true, M{sasl.External}},
		{"certificate without TLS", S{Certificate: true}, false, M{}},
		{"certificate and password", S{Certificate: true, Password: true}, true,
			M{sasl.SCRAMSHA256PLUS, sasl.SCRAMSHA256, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA1, sasl.Plain, sasl.Login, sasl.Password}},
		{"all", S{Certificate: true, Password: true, Token: true}, true,
			M{sasl.OAUTHBEARER, sasl.XOAUTH2, sasl.SCRAMSHA256PLUS, sasl.SCRAMSHA256, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA1,
				sasl.Plain, sasl.Login, sasl.Password}},
		{"all without TLS", S{Certificate: true, Password: true, Token: true}, false, M{sasl.SCRAMSHA256, sasl.SCRAMSHA1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, sasl.Order(tt.have, tt.tls)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
