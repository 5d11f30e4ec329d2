package oauth

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// pasteMarks are what terminals put around what is pasted, and other control
// sequences.
var pasteMarks = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z~]")

// parsePasted reads what a person pasted: the whole address, its query, or the
// code alone, with what was copied along. A code alone has no state to check;
// PKCE ties it to this request. Nor has every refusal a state.
func parsePasted(text, state string) (url.Values, error) {
	if len(text) > maxToken {
		return nil, errors.New("that is too long")
	}
	text = undecorated(text)
	if text == "" {
		return nil, errors.New("nothing was pasted")
	}
	q := pastedQuery(text)
	switch {
	case !q.Has("code") && !q.Has("error"):
		return nil, errors.New("there is no code in that address: paste the one the browser ended at after the consent")
	case q.Has("error") && !q.Has("state"), !strings.ContainsAny(text, "?#") && !q.Has("state"):
		return q, nil
	case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1:
		return nil, errors.New("that address belongs to another login: use the address that is shown now")
	}
	return q, nil
}

// undecorated takes away line breaks, quotes, brackets and escaping that
// terminals, chat programs and mail programs add.
func undecorated(text string) string {
	text = pasteMarks.ReplaceAllString(text, "")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == 0xa0 || r == 0x200b || r == 0xfeff }), "")
	text = strings.Trim(text, "\"'`<>()[]{}“”„‘’‚«»‹›,;")
	text, _, _ = strings.Cut(text, "](") // a link of Markdown has it twice
	if strings.Contains(text, "://") {
		text = strings.TrimRight(text, ".") // of the sentence around it
	}
	return strings.ReplaceAll(strings.TrimPrefix(text, "code:"), "&amp;", "&")
}

// pastedQuery is the query of an address (or its fragment, where some providers
// answer), or of what stands for one: "code=...", or a code.
func pastedQuery(text string) url.Values {
	parts := []string{text}
	if strings.ContainsAny(text, "?#") {
		parts = strings.FieldsFunc(text, func(r rune) bool { return r == '?' || r == '#' })
	}
	for _, part := range parts {
		if q, err := url.ParseQuery(part); err == nil && (q.Has("code") || q.Has("error")) {
			return q
		}
	}
	if strings.Contains(text, "://") || strings.Contains(text, "?") {
		return nil
	}
	code, rest, _ := strings.Cut(text, "&")
	q, err := url.ParseQuery(rest)
	if err != nil {
		q = url.Values{}
	}
	if plain, err := url.PathUnescape(code); err == nil {
		code = plain
	}
	q.Set("code", code)
	return q
}
