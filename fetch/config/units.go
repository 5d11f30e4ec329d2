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

// ParseSize reads a number of bytes: 1000, 10MB (thousands) or 10MiB (1024s),
// with kB to TB and KiB to TiB in any case. 10M alone is refused as ambiguous.
func ParseSize(s string) (int64, error) {
	bad := errors.New("wants a size such as 10MB, 10MiB or a number of bytes")
	digits := leading(s, "0123456789.")
	factor, err := sizeUnit(strings.TrimSpace(s[len(digits):]))
	if err != nil {
		return 0, err
	}
	if factor == 0 || digits == "" {
		return 0, bad
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		if n > math.MaxInt64/factor {
			return 0, errors.New("is too large a size")
		}
		return n * factor, nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, bad
	}
	if f*float64(factor) >= math.MaxInt64 {
		return 0, errors.New("is too large a size")
	}
	return int64(f * float64(factor)), nil
}

// sizeUnit returns the bytes of a unit, 0 for one it does not know.
func sizeUnit(u string) (int64, error) {
	p := strings.ToUpper(u)
	if p != "" && strings.Contains("KMGT", p) {
		return 0, fmt.Errorf("%s can mean two things: write %sB (thousands) or %siB (1024s)", u, p, p)
	}
	return map[string]int64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}[p], nil
}

// size decodes a number of bytes, at least one.
func size() Kind[int64] {
	return sizeWith("a size", "")
}

func sizeWith(words, suffix string) Kind[int64] {
	s := schema{"type": []string{"string", "integer"}, "pattern": `^[0-9.]+ *([kKmMgGtT][iI]?)?[bB]?(/s)?$`}
	return parsed(words, s, func(_ *walker, text string) (int64, error) {
		n, err := ParseSize(strings.TrimSuffix(text, suffix))
		if err == nil && n == 0 {
			return 0, errors.New("must be more than 0")
		}
		return n, err
	})
}
