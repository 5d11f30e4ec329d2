package oauth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/oauth/provider"
)

// TestScopes: a login asks for what it is used for, and one that was granted less needs
// a person, while records of before stay good for what they were made for.
func TestScopes(t *testing.T) {
	const pop, imap, off = "https://outlook.office.com/POP.AccessAsUser.All",
		"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"
	const mail, insert, labels, read = "https://mail.google.com/", "https://www.googleapis.com/auth/gmail.insert",
		"https://www.googleapis.com/auth/gmail.labels", "https://www.googleapis.com/auth/gmail.readonly"
	for _, tc := range []struct {
		name, preset   string
		uses           []provider.Use
		named          []string // scopes of the configuration
		granted, asked []string // what the record has
		scopes, lacks  []string
	}{
		{"POP3", "microsoft", nil, nil, []string{pop}, []string{pop, off}, []string{pop, off}, nil},
		{"more than before", "microsoft", []provider.Use{provider.POP, provider.IMAP}, nil, []string{pop}, []string{pop, off},
			[]string{pop, off, imap}, []string{imap}},
		{"a record of before", "microsoft", nil, nil, []string{"POP.AccessAsUser.All"}, nil, []string{pop, off}, nil},
		{"a record of before, for IMAP", "microsoft", []provider.Use{provider.IMAP}, nil, []string{pop}, nil, []string{imap, off},
			[]string{imap}},
		{"one covers the others", "google", []provider.Use{provider.POP, provider.GmailAPI}, nil, []string{mail}, nil, []string{mail}, nil},
		{"granted covers", "google", []provider.Use{provider.GmailAPI}, nil, []string{mail}, []string{mail},
			[]string{insert, labels, read}, nil},
		{"a box was not ticked", "google", []provider.Use{provider.GmailAPI}, nil, []string{insert, read}, []string{insert, labels, read},
			[]string{insert, labels, read}, []string{labels}},
		{"named, of before", "google", nil, []string{"email", mail}, []string{mail}, nil, []string{"email", mail}, nil},
		{"named, reported under another name", "google", nil, []string{"email", mail}, []string{mail, "https://x/userinfo.email"},
			[]string{"email", mail}, []string{"email", mail}, nil},
		{"named, and changed", "google", nil, []string{mail, insert}, []string{mail}, []string{mail}, []string{mail, insert}, nil},
	} {
		c := mustNew(t, Config{Provider: tc.preset, ClientID: "id", Uses: tc.uses, Scopes: tc.named})
		if !slices.Equal(c.conf.Scopes, tc.scopes) {
			t.Errorf("%s: asks for %v, want %v", tc.name, c.conf.Scopes, tc.scopes)
		}
		src := NewSource(c, NewStore(t.TempDir()), "login:me").Called("me")
		r := src.newRecord()
		r.apply(&grant{access: "a", refresh: "r", issued: time.Now(), expiry: time.Now().Add(time.Hour), scopes: tc.granted})
		r.Asked = tc.asked
		if err := src.store.save(t.Context(), "login:me", r); err != nil {
			t.Fatal(err)
		}
		_, err := src.Token(t.Context())
		lack, _ := errors.AsType[*ScopeError](err)
		e, _ := errors.AsType[*Error](err)
		st, serr := src.Status()
		if serr != nil || (err != nil) != (tc.lacks != nil) || err != nil && (lack == nil || !slices.Equal(lack.Lacking, tc.lacks) ||
			e == nil || !e.NeedsLogin() || e.Account != "me" || !strings.Contains(st.Reason, tc.lacks[0])) ||
			st.NeedsLogin != (err != nil) {
			t.Errorf("%s: %v, %+v", tc.name, err, st)
		}
	}
	if _, err := New(Config{Provider: "microsoft", ClientID: "id", Uses: []provider.Use{provider.JMAP}}); err == nil ||
		!strings.Contains(err.Error(), "no scope for jmap is known of microsoft: name it in scopes") {
		t.Errorf("%v", err)
	}
}
