package state

import (
	"encoding/binary"
	"fmt"
)

// targets maps target names to the small numbers that entries hold. Numbers
// are given in order of first use and never taken back.
type targets struct {
	names   []string // number n is names[n-1]
	numbers map[string]uint64
}

func newTargets() *targets { return &targets{numbers: map[string]uint64{}} }

// add takes the next record of the bucket.
func (t *targets) add(k, v []byte) error {
	if len(k) != 4 || int(binary.BigEndian.Uint32(k)) != len(t.names)+1 {
		return fmt.Errorf("%w (target numbers)", ErrNotState)
	}
	t.names = append(t.names, string(v))
	t.numbers[string(v)] = uint64(len(t.names))
	return nil
}

func (a *applier) loadTargets() (*targets, error) {
	t := newTargets()
	keys, err := a.names.keys()
	for _, k := range keys {
		v, err := a.names.get(k)
		if err == nil {
			err = t.add(k, v)
		}
		if err != nil {
			return nil, err
		}
	}
	return t, err
}

func (t *targets) name(number uint64) (string, bool) {
	if number == 0 || number > uint64(len(t.names)) {
		return "", false
	}
	return t.names[number-1], true
}

// number returns the number of target, which it stores if it is new.
func (t *targets) number(names *table, target string) (uint64, error) {
	if n, ok := t.numbers[target]; ok {
		return n, nil
	}
	n := uint64(len(t.names) + 1)
	if err := names.put(binary.BigEndian.AppendUint32(nil, uint32(n)), []byte(target)); err != nil {
		return 0, err
	}
	t.names = append(t.names, target)
	t.numbers[target] = n
	return n, nil
}
