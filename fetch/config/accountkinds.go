package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/schedule"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// pin decodes sha256/BASE64.
func pin() Kind[[32]byte] {
	s := schema{"type": "string", "pattern": "^sha256/[A-Za-z0-9+/]{43}=$"}
	return parsed("a pin", s, func(_ *walker, text string) ([32]byte, error) {
		var out [32]byte
		b64, ok := strings.CutPrefix(text, "sha256/")
		sum, err := base64.StdEncoding.DecodeString(b64)
		if !ok || err != nil || copy(out[:], sum) != 32 || len(sum) != 32 {
			return out, errors.New("wants sha256/ and the base64 of 32 bytes, as `mailhaul check --connect` shows it")
		}
		return out, nil
	})
}

func parseAddr(text string) (a netip.Addr, err error) {
	if a, err = netip.ParseAddr(text); err != nil {
		err = errors.New("wants an IP address")
	}
	return a, err
}

// keep decodes all, none, or the rules.
func keep() Kind[plan.Keep] {
	short := choiceOf("all, none, or a mapping of days, newest, below", "all none", plan.Keep{}, plan.Keep{None: true})
	rules := mapping("a mapping of days, newest, below", plan.Keep{}, keepKeys,
		func(w *walker, path string, n *yaml.Node, _ *plan.Keep) {
			if len(n.Content) == 0 {
				w.errorf(n, path, "has no rule: wants days, newest or below")
			}
		})
	return either(short, rules)
}

// limitPreset decodes the name of a provider's limit.
func limitPreset() Kind[plan.Limits] {
	var names []string
	var limits []plan.Limits
	for _, p := range provider.All() {
		if p.Limit != nil {
			bytes, _ := ParseSize(p.Limit.BytesPerDay) // a test reads them all
			names, limits = append(names, p.Limit.Name), append(limits, plan.Limits{BytesPerDay: bytes})
		}
	}
	list := strings.Join(names, " ")
	return choiceOf(strings.Join(names, ", ")+", or a mapping of messages, bytes, bytes_per_day, rate", list, limits...)
}

func dedupe() Kind[Dedupe] {
	short := choiceOf("off, message-id, content, or a mapping of by, action", "off message-id content", Dedupe{}, Dedupe{By: DedupeMessageID}, Dedupe{By: DedupeContent})
	return either(short, mapping("a mapping of by, action", Dedupe{}, dedupeKeys,
		func(w *walker, path string, n *yaml.Node, d *Dedupe) {
			if !w.has(path, "by") {
				w.errorf(n, path, "wants by: message-id or content")
			}
			if d.By == DedupeContent && d.Action == DuplicateTag {
				w.errorf(n, path, "action: tag wants by: message-id (the content is known only when the message is there)")
			}
		}))
}

func checkAlert(w *walker, path string, n *yaml.Node, _ *Alert) {
	if !w.has(path, "command") && !w.has(path, "webhook") && !w.has(path, "ping") {
		w.errorf(n, path, "has no effect: set command, webhook or ping")
	}
}

// webURL decodes an http or https URL. Such a URL often carries a token, so
// messages do not repeat it.
func webURL() Kind[string] {
	return parsed("a URL", schema{"type": "string", "format": "uri"}, func(_ *walker, s string) (string, error) {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return "", errors.New("wants an http:// or https:// URL")
		}
		return s, nil
	})
}

// stateID decodes the name of a state. It is escaped for file names elsewhere;
// its length leaves room for that.
func stateID() Kind[string] {
	return parsed("a string", schema{"type": []string{"string", "number"}}, func(_ *walker, s string) (string, error) {
		if len(s) > 200 {
			return "", errors.New("is longer than 200 bytes: set a shorter id")
		}
		return s, checkText(s)
	})
}

// cron decodes a cron expression.
func cron() Kind[func(time.Time) time.Time] {
	return Parsed("a cron expression", func(s string) (func(time.Time) time.Time, error) {
		fields := strings.Fields(s)
		if !strings.HasPrefix(s, "@") && (len(fields) < 5 || len(fields) > 7) {
			return nil, fmt.Errorf("wants a cron expression of five fields, such as \"*/5 * * * *\"")
		}
		next, err := schedule.ParseCron(s)
		if err != nil {
			return nil, fmt.Errorf("is not a cron expression: %w", err)
		}
		return next, checkText(s)
	})
}

// defaultJitter spreads the starts of accounts with the same interval.
func defaultJitter(every time.Duration) time.Duration { return every / 10 }
