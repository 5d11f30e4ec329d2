package oauth

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// answer is resp with a body that was read, as x/oauth2 can read it: some
// servers say text/plain of JSON, and write numbers as strings. Members is
// what plainAnswer made of it.
func answer(resp *http.Response, body []byte, members map[string]any) *http.Response {
	if plain, err := json.Marshal(members); members != nil && err == nil {
		resp.Header.Set("Content-Type", "application/json")
		body = plain
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// plainAnswer is an endpoint's answer in the form of RFC 6749 sections 5.1 and
// 5.2 and RFC 8628 section 3.2, whatever form its members have: what can be
// read counts, and the rest does not spoil it. Nil: no OAuth2 answer.
func plainAnswer(status int, body []byte) map[string]any {
	members := membersOf(bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff"))))
	if members == nil {
		return nil
	}
	out := map[string]any{}
	for name, raw := range members {
		if v, ok := member(name, raw); ok {
			out[name] = v
		}
	}
	flattenError(out, members["error"])
	if status/100 != 2 || out["error"] != nil {
		describe(out)
	}
	if status/100 == 2 && out["access_token"] != nil {
		delete(out, "error") // "none", or what they call it
	}
	return out
}

// membersOf reads a JSON object as far as it is one, or a query string (as
// old servers send it).
func membersOf(body []byte) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	if !bytes.HasPrefix(body, []byte("{")) {
		q, err := url.ParseQuery(string(body))
		if err != nil || !q.Has("access_token") && !q.Has("error") && !q.Has("device_code") {
			return nil
		}
		for name := range q {
			out[name], _ = json.Marshal(q.Get(name))
		}
		return out
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	_, _ = dec.Token() // the brace
	for dec.More() {
		name, err := dec.Token()
		var raw json.RawMessage
		if err != nil || dec.Decode(&raw) != nil {
			break
		}
		if s, ok := name.(string); ok {
			out[s] = raw
		}
	}
	return out
}

// counts are the members that count seconds; they want whole numbers.
const counts = " expires_in interval refresh_token_expires_in refresh_expires_in "

// member reads one member; not ok: it says nothing.
func member(name string, raw json.RawMessage) (any, bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil || v == nil {
		return nil, false
	}
	if strings.Contains(counts, " "+name+" ") {
		n := int64(math.Ceil(seconds(v).Seconds()))
		return n, n > 0
	}
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v), strings.TrimSpace(v) != ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case []any:
		if name == "scope" || name == "error" {
			return joined(v)
		}
	}
	return nil, false
}

// joined is a list of words as one string.
func joined(list []any) (string, bool) {
	var words []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			words = append(words, s)
		}
	}
	return strings.Join(words, " "), len(words) > 0
}

// flattenError takes the words out of an error that is an object, as Google's
// other interfaces write it.
func flattenError(out map[string]any, raw json.RawMessage) {
	var e map[string]json.RawMessage
	if json.Unmarshal(raw, &e) != nil || len(e) == 0 {
		return
	}
	out["error"] = "error"
	for _, name := range []string{"code", "error", "type", "status"} { // the last is the best
		if v, ok := member(name, e[name]); ok {
			out["error"] = v
		}
	}
	for _, name := range []string{"detail", "description", "error_description", "message"} {
		if v, ok := member(name, e[name]); ok {
			out["error_description"] = v
		}
	}
}

// describe finds the words of a refusal where they have another name.
func describe(out map[string]any) {
	for _, name := range []string{"error_message", "message", "detail", "errorSummary"} {
		if out["error_description"] == nil && out[name] != nil {
			out["error_description"] = out[name]
		}
	}
}
