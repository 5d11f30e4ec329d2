package http

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/web"
)

// meaning is what an answer says of the message and of the service.
type meaning uint8

const (
	// busy: the service takes nothing now, or what answers is not the service.
	busy meaning = iota
	// delivered: it has the message. queued: it will have it once its task has ended.
	delivered
	queued
	// later: not this message, not now. either: nobody can know whether it is now or for
	// good. never: not this message.
	later
	either
	never
	// stop: a person has to change the target, or, denied, the login.
	stop
	denied
)

// classes are the meanings for the engine.
var classes = map[meaning]deliver.Class{
	busy: deliver.Unavailable, later: deliver.Later, either: deliver.Failed, never: deliver.Never,
	stop: deliver.CannotCreate, denied: deliver.Denied,
}

// answer is one row of a table of answers. The first row that fits counts.
type answer struct {
	// low and high are status codes; no high: low alone.
	low, high int
	// says is what the body begins with; empty: anything. page: it is a web page.
	says string
	page bool

	means meaning
	cause Cause
}

// common are the answers that HTTP gives their meaning (RFC 9110 section 15), for what
// the table of a preset leaves open.
var common = []answer{
	{low: 200, high: 299, means: busy, cause: Unexpected},
	{low: 300, high: 399, means: stop, cause: Redirect},
	{low: 401, means: denied, cause: LoginRefused},
	{low: 403, means: denied, cause: LoginRefused},
	{low: 404, high: 405, means: stop, cause: NoEndpoint},
	{low: 408, high: 409, means: later, cause: Postponed},
	{low: 410, means: stop, cause: NoEndpoint},
	{low: 413, means: never, cause: TooBig},
	{low: 421, means: later, cause: Postponed},
	{low: 423, high: 425, means: later, cause: Postponed},
	{low: 429, means: busy, cause: Throttled},
	{low: 400, high: 499, means: stop, cause: Unexpected},
	{low: 501, means: stop, cause: NoEndpoint},
	{low: 503, means: busy, cause: Busy},
	{low: 500, high: 599, means: later, cause: ServerError},
}

// webPage is what an answer of the class 2xx is if it is a web page: a service does not
// answer a program with one, but a proxy, a login page or a page about maintenance does.
var webPage = answer{low: 200, high: 299, page: true, means: busy, cause: WebPage}

// judge finds the row of an answer.
func (p *preset) judge(a *web.Answer) answer {
	return find(a, []answer{webPage}, p.answers, common)
}

// find finds the first row that fits.
func find(a *web.Answer, tables ...[]answer) answer {
	for _, rows := range tables {
		for _, row := range rows {
			if row.fits(a) {
				return row
			}
		}
	}
	return answer{means: busy, cause: Unexpected}
}

func (row *answer) fits(a *web.Answer) bool {
	return a.Status >= row.low && a.Status <= max(row.low, row.high) &&
		(!row.page || isPage(a.Body)) && (row.says == "" || begins(a.Body, row.says))
}

// begins reports whether a body begins with words, and not with a longer word.
func begins(body []byte, words string) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(body), []byte(words))
	next, _ := utf8.DecodeRune(rest)
	return ok && !unicode.IsLetter(next)
}

// isPage reports whether a body is a web page.
func isPage(body []byte) bool {
	text := strings.ToLower(strings.TrimLeft(string(body[:min(len(body), 512)]), "\ufeff \t\r\n"))
	if strings.HasPrefix(text, "<?xml") {
		_, text, _ = strings.Cut(text, ">")
		text = strings.TrimSpace(text)
	}
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body", "<title", "<!--"} {
		if strings.HasPrefix(text, tag) {
			return true
		}
	}
	return false
}

// maxShown is how much of an answer is shown to people, in characters.
const maxShown = 200

// shown is an answer for people: its status, and what it says if that is a text.
func shown(a *web.Answer) string {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)))
	if isPage(a.Body) {
		return status + ", with a web page"
	}
	text := []rune(strings.Join(strings.Fields(string(a.Body)), " "))
	if len(text) == 0 {
		return status
	}
	if len(text) > maxShown {
		text = append(text[:maxShown], []rune("...")...)
	}
	return status + ": " + clean(string(text))
}

// clean escapes what a terminal or a log must not see.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
