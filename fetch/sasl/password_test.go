package sasl_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mailhaul/mailhaul/fetch/sasl"
)

// exchange drives a mechanism through challenges and gives its answers, the
// initial response first ("-" if there is none).
func exchange(t *testing.T, m sasl.Mechanism, challenges ...string) (answers []string, err error) {
	t.Helper()
	_, initial, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	answers = append(answers, "-")
	if initial != nil {
		answers[0] = string(initial)
	}
	for _, c := range challenges {
		answer, err := m.Next([]byte(c))
		if err != nil {
			return answers, err
		}
		if answer == nil {
			t.Fatal("answer is nil, not empty")
		}
		answers = append(answers, string(answer))
	}
	return answers, nil
}

func TestLogin(t *testing.T) {
	for _, prompts := range [][]string{{"Username:", "Password:"}, {"User Name\x00", "Password\x00"}, {"", ""}} {
		m := sasl.NewLogin("tim", "tanstaaf")
		got, err := exchange(t, m, prompts...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"-", "tim", "tanstaaf"}, got); diff != "" {
			t.Error(diff)
		}
		if err := m.(sasl.Completer).Complete(); err != nil {
			t.Error(err)
		}
		if answer, err := m.Next([]byte("Password:")); err == nil || answer != nil {
			t.Errorf("third prompt answered with %q", answer)
		}
	}
	m := sasl.NewLogin("tim", "tanstaaf")
	if _, err := exchange(t, m, "Username:"); err != nil || m.(sasl.Completer).Complete() == nil {
		t.Errorf("success without the password was accepted, error %v", err)
	}
}

func TestCRAMMD5(t *testing.T) {
	// RFC 2195 section 2.
	m := sasl.NewCRAMMD5("tim", "tanstaaftanstaaf")
	got, err := exchange(t, m, "<1896.697170952@postoffice.reston.mci.net>")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"-", "tim b913a602c7eda7a495b4e6e7334d3890"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := m.Next([]byte("<again@example>")); err == nil {
		t.Error("a second challenge was answered")
	}
	if _, err := exchange(t, sasl.NewCRAMMD5("tim", "x"), ""); err == nil {
		t.Error("an empty challenge was answered")
	}
}

func TestExternal(t *testing.T) {
	for _, authzid := range []string{"", "fred"} {
		m := sasl.NewExternal(authzid, true)
		name, initial, err := m.Start()
		if err != nil || name != "EXTERNAL" || initial == nil || string(initial) != authzid {
			t.Errorf("%q: %s %q %v", authzid, name, initial, err)
		}
		if _, err := m.Next(nil); err == nil {
			t.Error("a challenge was answered")
		}
	}
	if _, _, err := sasl.NewExternal("fred", false).Start(); err == nil || !strings.Contains(err.Error(), "client certificate") {
		t.Errorf("without a certificate: %v", err)
	}
	if _, _, err := sasl.NewExternal("a\x00b", true).Start(); err == nil {
		t.Error("NUL accepted")
	}
}
