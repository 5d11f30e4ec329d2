package config_test

import (
	"testing"
	"time"

	. "github.com/mailhaul/mailhaul/fetch/config" // the table of targets imports it
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "1000": 1000, "10MB": 10e6, "10MiB": 10 << 20, "1.5 GiB": 3 << 29, "2kb": 2000,
		"1TB":                 1e12,
		"9223372036854775807": 1<<63 - 1} {
		if got, err := ParseSize(in); got != want || err != nil {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "MB", "10M", "-1", "1..2MB", "1e9", "10XB", "9223372036854775808", "9000000TiB", "10MBx"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%s: %d", in, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{"0": 0, "90s": 90 * time.Second, "1d12h": 36 * time.Hour, "2w": 14 * day,
		"1.5d":  36 * time.Hour,
		"1h30m": 90 * time.Minute, "5ms": 5 * time.Millisecond} {
		if got, err := ParseDuration(in); got != want || err != nil {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "5", "-5s", "d", "5x", "1d 2h", "99999999d", "100000d100000d", "1m30"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func TestSecretKind(t *testing.T) {
	if SecretNone.String() != "none" || SecretPlain.String() != "plain" || SecretKind(9).String() != "unknown(9)" {
		t.Errorf("%v, %v, %v", SecretNone, SecretPlain, SecretKind(9))
	}
}

func TestParseServer(t *testing.T) {
	for in, want := range map[string]Server{"h": {Host: "h"}, "H.Example:110": {Host: "h.example", Port: 110}, "::1": {Host: "::1"},
		"[::1]": {Host: "::1"}, "[::1]:995": {Host: "::1", Port: 995}, "127.0.0.1:1": {Host: "127.0.0.1", Port: 1}} {
		if got, err := ParseServer(in); got != want || err != nil {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ":995", "h:", "h:0", "h:65536", "a:b:c", "pop3://h", "h/x", "a b", "u@h"} {
		if got, err := ParseServer(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	words := []string{"server", "deliver", "on", "off"}
	for in, want := range map[string]string{"sever": "server", "sevrer": "server", "of": "off", "zzz": "", "110": ""} {
		if want != "" {
			want = ` (did you mean "` + want + `"?)`
		}
		if got := DidYouMean(in, words); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
}
