package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/schedule"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// ParseDuration reads a duration as Go writes it (90s, 1h30m), with d and w
// for days and weeks. It must have a unit, unless it is 0, and no sign.
func ParseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("wants a duration such as 90s, 5m, 12h or 14d")
	if s == "0" {
		return 0, nil
	}
	var total time.Duration
	for rest := s; rest != ""; {
		digits := leading(rest, "0123456789.")
		unit := leading(rest[len(digits):], "nuµmshdw")
		if digits == "" {
			return 0, bad
		}
		if unit == "" {
			if rest == digits {
				return 0, fmt.Errorf("%w: it has no unit (did you mean %q?)", bad, s+"s")
			}
			return 0, bad
		}
		part, err := durationPart(digits, unit)
		if err != nil {
			return 0, bad
		}
		if total > math.MaxInt64-part {
			return 0, errors.New("is too long a duration")
		}
		total += part
		rest = rest[len(digits)+len(unit):]
	}
	if s == "" {
		return 0, bad
	}
	return total, nil
}

// durationPart reads one number and its unit.
func durationPart(digits, unit string) (time.Duration, error) {
	size, ok := map[string]time.Duration{"d": day, "w": week}[unit]
	if !ok {
		return time.ParseDuration(digits + unit)
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || v*float64(size) >= math.MaxInt64 {
		return 0, errors.New("is too long a time")
	}
	return time.Duration(v * float64(size)), nil
}

// leading returns the longest prefix of s made of the characters in set.
func leading(s, set string) string {
	if i := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) }); i >= 0 {
		return s[:i]
	}
	return s
}

// Duration decodes a duration of at least low.
func Duration(low time.Duration) Kind[time.Duration] {
	s := schema{"type": []string{"string", "number"}, "pattern": `^(0|([0-9.]+(ns|us|µs|ms|s|m|h|d|w))+)$`}
	return parsed("a duration", s, func(_ *walker, text string) (time.Duration, error) {
		d, err := ParseDuration(text)
		if err == nil && d < low {
			return 0, fmt.Errorf("must be at least %v", low)
		}
		return d, err
	})
}

// window decodes HH:MM-HH:MM.
func window() Kind[schedule.Window] {
	s := schema{"type": "string", "pattern": `^[0-9]{1,2}:[0-9]{2} *- *[0-9]{1,2}:[0-9]{2}$`}
	return parsed("a time of day such as 23:00-06:00", s, func(_ *walker, text string) (schedule.Window, error) {
		from, to, ok := strings.Cut(text, "-")
		f, err1 := clock(from)
		t, err2 := clock(to)
		if !ok || err1 != nil || err2 != nil {
			return schedule.Window{}, errors.New("wants a time of day such as 23:00-06:00")
		}
		if f == t {
			return schedule.Window{}, errors.New("starts and ends at the same time")
		}
		return schedule.Window{From: f, To: t}, nil
	})
}

func clock(s string) (time.Duration, error) {
	t, err := time.Parse("15:04", strings.TrimSpace(s))
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}
