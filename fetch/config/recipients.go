package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/mailhaul/mailhaul/fetch/recipient"
)

func recipientKeys(r *recipient.Rule) []Row {
	return []Row{
		On("headers", "", "names of the fields, the most trusted first",
			OneOrMore(fieldName(), "a header field's name or a list of them"), &r.Headers),
		given("header", "", "name of one field, of which occurrence counts", fieldName(), func(name string) {
			r.Headers, r.Occurrence = []string{name}, max(r.Occurrence, 1)
		}),
		On("occurrence", "1", "which of several fields with the name in header to use, counted from the top", Integer(1, 1000), &r.Occurrence),
		On("strip", "", "text to remove from the start of the address", Text("a string"), &r.Strip),
		On("domains", "", "domains of the recipients; an address in another one is not used",
			OneOrMore(mailDomain(), "a domain or a list of domains"), &r.Domains),
		given("map", "", "other recipients for an address, a name, a @domain or * (the rest); or a file with a rule a line",
			either(mapFile(), mapRules()), func(m recipient.Rule) { r.Map, r.MapFile = m.Map, m.MapFile }),
		On("unknown", "keep", "what happens to a message without a recipient: `keep`, `quarantine`, or an address that gets it",
			unknown(), &r.Unknown),
	}
}

func recipients() Kind[recipient.Rule] {
	return mapping("a mapping of headers, strip, domains, map, unknown", recipient.Rule{}, recipientKeys, checkRecipients)
}

func checkRecipients(w *walker, path string, n *yaml.Node, r *recipient.Rule) {
	one, many := w.has(path, "header"), w.has(path, "headers")
	switch {
	case !one && !many:
		w.errorf(n, path, "wants header: the field that holds the recipient")
	case one && many:
		w.errorf(n, path, "has header and headers: use one of them")
	case many && w.has(path, "occurrence"):
		w.errorf(n, path, "occurrence counts fields of one name: it needs header, not headers")
	case many && len(r.Domains) == 0 && slices.ContainsFunc(r.Headers, guessed):
		w.errorf(n, path, "wants domains: To, Cc and Received have addresses of other people too, who would get the mail again")
	}
}

// guessed reports whether a field has addresses that the message is not for.
func guessed(name string) bool {
	return recipient.Written(name) || strings.EqualFold(name, "Received")
}

// fieldName decodes the name of a header field (RFC 5322 section 2.2).
func fieldName() Kind[string] {
	return Parsed("a header field's name", func(s string) (string, error) {
		s = strings.TrimSuffix(s, ":")
		bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }
		if s == "" || strings.ContainsFunc(s, bad) {
			return "", errors.New("is not the name of a header field")
		}
		return s, nil
	})
}

// mailDomain decodes the domain of mail addresses.
func mailDomain() Kind[string] {
	return Parsed("a domain", func(s string) (string, error) {
		d, err := ASCIIHost(strings.TrimPrefix(s, "@"))
		if err != nil {
			return "", errors.New("is not a domain")
		}
		return d, nil
	})
}

// unknown decodes keep, quarantine or an address, which may be a name and @.
func unknown() Kind[recipient.Unknown] {
	return Parsed("keep, quarantine or an address", func(s string) (recipient.Unknown, error) {
		switch {
		case s == "keep":
			return recipient.Unknown{}, nil
		case s == "quarantine":
			return recipient.Unknown{Quarantine: true}, nil
		case !strings.ContainsRune(s, '@') || !mailAddress(s):
			return recipient.Unknown{}, errors.New("wants keep, quarantine or an address" + DidYouMean(s, []string{"keep", "quarantine"}))
		}
		return recipient.Unknown{Fallback: strings.TrimSuffix(ASCIIAddress(s), "@")}, nil
	})
}

// mailAddress reports whether RCPT can carry s.
func mailAddress(s string) bool {
	return s != "" && len(s) <= 254 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' })
}

// mapRules decodes the rules of map that are in the configuration.
func mapRules() Kind[recipient.Rule] {
	to := OneOrMore(Text("an address"), "an address or a list of addresses")
	s := func() schema { return schema{"type": "object", "additionalProperties": to.schema()} }
	return Kind[recipient.Rule]{info{words: "a mapping", schema: s}, func(w *walker, path string, n *yaml.Node) (r recipient.Rule, ok bool) {
		before := len(w.errs)
		r.Map = map[string][]string{}
		found := w.pairs(path, n, false)
		for _, from := range found.names {
			p := found.of[from]
			list, ok := to.decode(w, path, w.target(p.value))
			if !ok {
				continue
			}
			if err := addRule(r.Map, from, list); err != nil {
				w.errorf(p.key, path, "%v", err)
			}
		}
		return r, len(w.errs) == before
	}}
}

// mapFile decodes the path of a file with the rules of map, and reads it.
func mapFile() Kind[recipient.Rule] {
	return parsed("a mapping or a path", schema{"type": "string"}, func(w *walker, s string) (r recipient.Rule, err error) {
		if r.MapFile, err = w.path(s); err != nil {
			return r, err
		}
		r.Map, err = readRules(r.MapFile)
		return r, err
	})
}

// readRules reads a file with a rule a line: what is replaced, a colon or blanks, and
// the addresses, with commas or blanks between them. A line that starts with # is a
// comment, and one that starts with a blank goes on with the line before.
func readRules(path string) (map[string][]string, error) {
	if err := Readable(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, Brief(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, Brief(err)
	}
	rules := make(map[string][]string)
	lines := bytes.Split(text, []byte("\n"))
	for i := 0; i < len(lines); i++ {
		nr, line := i+1, string(lines[i])
		for i+1 < len(lines) && len(lines[i+1]) > 0 && strings.ContainsRune(" \t", rune(lines[i+1][0])) {
			i++
			line += string(lines[i])
		}
		words := strings.FieldsFunc(line, func(r rune) bool { return r <= ' ' || r == ',' || r == ':' })
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		for i := range words {
			words[i] = strings.Trim(words[i], `"'`)
		}
		if err := addRule(rules, words[0], words[1:]); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, nr, err)
		}
	}
	return rules, nil
}

// addRule adds a rule of map, in the form of recipient.Rule.
func addRule(rules map[string][]string, from string, to []string) error {
	if !mailAddress(from) || strings.ContainsRune(strings.TrimPrefix(from, "*"), '*') {
		return errors.New("a rule replaces an address, a name, a @domain, or * for the rest")
	}
	key := recipient.Fold(from)
	if len(from) > 1 {
		key = strings.TrimPrefix(key, "*") // *@domain is @domain
	}
	if rules[key] != nil {
		return fmt.Errorf("%s is replaced twice", from)
	}
	if len(to) == 0 {
		return fmt.Errorf("%s has no address that replaces it", from)
	}
	for _, t := range to {
		if !mailAddress(t) || strings.ContainsRune(t, '*') {
			return fmt.Errorf("%s is replaced by an address, a name or a @domain", from)
		}
		rules[key] = append(rules[key], ASCIIAddress(t))
	}
	return nil
}
