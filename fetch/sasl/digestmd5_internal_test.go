package sasl

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The exchange of RFC 2831 section 4, which is IMAP's.
const (
	digestChallengeRFC = `realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`
	digestResponseRFC  = `charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,` +
		`cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",response=d388dad90d4bbd760a152321f2143af7,qop=auth`
	digestRspauthRFC = "rspauth=ea40f60335c427b5527b84dbabcdfffd"
)

func digestRFC() *digestMD5 {
	d := NewDIGESTMD5("chris", "secret", Channel{Host: "elwood.innosoft.com"}).(*digestMD5)
	d.service, d.cnonce = "imap", "OA6MHXh6VqTrRk"
	return d
}

func TestDIGESTMD5Vector(t *testing.T) {
	d := digestRFC()
	if name, initial, err := d.Start(); name != "DIGEST-MD5" || initial != nil || err != nil {
		t.Fatal(name, initial, err)
	}
	got, err := d.Next([]byte(digestChallengeRFC))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(digestResponseRFC, string(got)); diff != "" {
		t.Fatal(diff)
	}
	if d.Complete() == nil {
		t.Fatal("complete before rspauth")
	}
	if last, err := d.Next([]byte(digestRspauthRFC)); err != nil || last == nil || len(last) != 0 {
		t.Fatalf("last answer %q, %v", last, err)
	}
	if err := d.Complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Next([]byte(digestRspauthRFC)); err == nil {
		t.Fatal("a further challenge was answered")
	}
}

func TestDIGESTMD5Hostile(t *testing.T) {
	const ok = `nonce="n",algorithm=md5-sess`
	first := []struct{ name, challenge string }{
		{"empty", ""},
		{"commas", ",,,"},
		{"no nonce", "algorithm=md5-sess"},
		{"empty nonce", `nonce="",algorithm=md5-sess`},
		{"two nonces", `nonce="a",` + ok},
		{"no algorithm", `nonce="n"`},
		{"plain md5", `nonce="n",algorithm=md5`},
		{"only layers", ok + `,qop="auth-int,auth-conf"`},
		{"two qops", ok + `,qop="auth",qop="auth"`},
		{"other charset", ok + `,charset=utf-16`},
		{"unclosed quote", `nonce="n`},
		{"escape at the end", `nonce="n\`},
		{"text after the quote", `nonce="n"x,algorithm=md5-sess`},
		{"no value", "nonce=,algorithm=md5-sess"},
		{"no equals sign", "nonce"},
		{"separator in a token", `nonce=a b,algorithm=md5-sess`},
		{"line break in a quote", "nonce=\"a\nb\",algorithm=md5-sess"},
		{"NUL", "nonce=\"a\x00b\",algorithm=md5-sess"},
		{"replayed rspauth", digestRspauthRFC},
		{"too many", strings.Repeat("x=y,", 100) + ok},
	}
	for _, tt := range first {
		t.Run(tt.name, func(t *testing.T) {
			d := digestRFC()
			if got, err := d.Next([]byte(tt.challenge)); err == nil {
				t.Fatalf("answered with %q", got)
			}
			if d.Complete() == nil {
				t.Fatal("complete")
			}
			// After a failure nothing may pass as the server's proof.
			if _, err := d.Next([]byte("rspauth=")); err == nil || d.Complete() == nil {
				t.Fatal("went on after an error")
			}
		})
	}
	for _, proof := range []string{"", "rspauth=", `rspauth=""`, "rspauth=00", digestChallengeRFC,
		digestRspauthRFC + "," + digestRspauthRFC, "rspauth=d388dad90d4bbd760a152321f2143af7"} {
		d := digestRFC()
		if _, err := d.Next([]byte(digestChallengeRFC)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Next([]byte(proof)); err == nil || d.Complete() == nil {
			t.Errorf("proof %q accepted", proof)
		}
	}
	// The proof of one exchange is worth nothing in the next.
	d := digestRFC()
	d.cnonce = "another"
	if _, err := d.Next([]byte(digestChallengeRFC)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Next([]byte(digestRspauthRFC)); err == nil {
		t.Error("replayed rspauth accepted")
	}
}

func TestDIGESTMD5Forms(t *testing.T) {
	tests := []struct{ name, user, challenge, want string }{
		{"no realm", "u", `nonce="n",algorithm=md5-sess`, `username="u",nonce="n",nc=`},
		{"empty realm", "u", `realm="",nonce="n",algorithm=md5-sess`, `username="u",realm="",nonce="n",nc=`},
		{"first of two realms", "u", `realm="a",realm="b",nonce="n",algorithm=md5-sess`, `username="u",realm="a",nonce=`},
		{"quotes", `a"b\c`, `nonce="n",algorithm=md5-sess`, `username="a\"b\\c",nonce=`},
		{"escapes in the challenge", "u", `realm="a\"b",nonce="n",algorithm=md5-sess`, `username="u",realm="a\"b",nonce=`},
		{"white space and case", "u", " , NONCE=\"n\" ,\tAlgorithm=MD5-sess, qop=\"auth-int, AUTH\"", `username="u",nonce="n"`},
		{"latin 1", "é", `nonce="n",algorithm=md5-sess`, "username=\"\xe9\",nonce="},
		{"UTF-8", "é", `nonce="n",algorithm=md5-sess,charset=UTF-8`, `charset=utf-8,username="é",nonce=`},
		{"beyond latin 1", "ł", `nonce="n",algorithm=md5-sess,charset=utf-8`, `charset=utf-8,username="ł",nonce=`},
		{"beyond latin 1 without charset", "ł", `nonce="n",algorithm=md5-sess`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := NewDIGESTMD5(tt.user, "p", Channel{Host: "h"})
			if _, _, err := m.Start(); err != nil {
				t.Fatal(err)
			}
			got, err := m.Next([]byte(tt.challenge))
			if (err == nil) != (tt.want != "") || !strings.HasPrefix(string(got), tt.want) {
				t.Fatalf("answer %q, %v", got, err)
			}
		})
	}
}
