package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

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

// rate decodes bytes a second; "/s" may follow.
func rate() Kind[int64] {
	return sizeWith("a size a second", "/s")
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
