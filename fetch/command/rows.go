package command

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/mailhaul/mailhaul/state"
)

// The objects that commands print with --json and use nowhere else. Their
// fields are in the order that they always had; the manual has each.

// accountCheckJSON is an account whose configuration is fine.
type accountCheckJSON struct {
	Account string     `json:"account"`
	Deliver []string   `json:"deliver"`
	OK      bool       `json:"ok"`
	Server  string     `json:"server"`
	TLS     string     `json:"tls"`
	Token   *tokenJSON `json:"token,omitempty"`
	User    string     `json:"user"`
}

// takenJSON says how much of a seen-list was taken over.
type takenJSON struct {
	Account   string `json:"account"`
	TakenOver int    `json:"taken_over"`
}

// matchJSON compares a seen-list with the server.
type matchJSON struct {
	Account string   `json:"account"`
	Causes  []string `json:"causes"`
	Known   int      `json:"known"`
	Listed  int      `json:"listed"`
	OK      bool     `json:"ok"`
	Unknown int      `json:"unknown"`
}

// logoutJSON is the end of a login.
type logoutJSON struct {
	Account      string `json:"account"`
	ProviderTold bool   `json:"provider_told"`
	WasLoggedIn  bool   `json:"was_logged_in"`
}

// accessJSON is a token for other programs.
type accessJSON struct {
	AccessToken string    `json:"access_token"`
	Account     string    `json:"account"`
	ValidUntil  time.Time `json:"valid_until"`
}

// openJSON is what a person has to open to log in, deviceJSON the same with a
// code to enter there.
type openJSON struct {
	Opened bool   `json:"opened"`
	URL    string `json:"url"`
}

type deviceJSON struct {
	Code     string    `json:"code"`
	Complete string    `json:"complete"`
	Expires  time.Time `json:"expires"`
	URL      string    `json:"url"`
}

// chainJSON is a manifest whose chain holds.
type chainJSON struct {
	Messages int    `json:"messages"`
	SHA256   string `json:"sha256"`
}

// forgottenJSON, markedJSON and importedJSON say what was done to a seen-list.
type forgottenJSON struct {
	Account   string `json:"account"`
	Forgotten int    `json:"forgotten"`
}

type markedJSON struct {
	Account string `json:"account"`
	Listed  int    `json:"listed"`
	Marked  int    `json:"marked"`
}

type importedJSON struct {
	Account  string `json:"account"`
	Imported int    `json:"imported"`
}

// verifiedJSON is the sum of what was read back, comparedJSON that of what was
// compared with the server.
type verifiedJSON struct {
	Account    string `json:"account"`
	Altered    int    `json:"altered"`
	Messages   int    `json:"messages"`
	Missing    int    `json:"missing"`
	NoReadBack int    `json:"no_read_back"`
	NotChecked int    `json:"not_checked"`
	Unreadable int    `json:"unreadable"`
	Verified   int    `json:"verified"`
}

type comparedJSON struct {
	Account string `json:"account"`
	Differs int    `json:"differs"`
	Listed  int    `json:"listed"`
	Refused int    `json:"refused"`
	Marked  int    `json:"marked,omitempty"`
	Same    int    `json:"same"`
	Unknown int    `json:"unknown"`
}

// versionJSON is the program's.
type versionJSON struct {
	Arch    string `json:"arch"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Version string `json:"version"`
}

// writeJSON writes v as one line of JSON that a terminal can show.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return err
	}
	_, err := w.Write(state.EscapeJSON(b.Bytes()))
	return err
}
