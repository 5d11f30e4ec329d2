package maildir

import (
	"os"
	"path/filepath"
	"strings"
)

// Sweep implements deliver.Sweeper.
func (d *Deliverer) Sweep() {
	if path, err := filepath.Abs(d.path); err == nil && d.path != "" {
		d.sweep(filepath.Join(path, "tmp"))
	}
}

// sweep removes what killed runs left in tmp/. Nothing depends on the sweep, so
// what goes wrong is left for another time.
//
//   - Files of runs of our own maildrop whose process has ended: its intents
//     are settled by now.
//   - Files of this host that are older than 36 hours, by the age that is part
//     of the name: the file's own times may be the message's. An intent that
//     old does not count on its staged file any more (see Recover).
func (d *Deliverer) sweep(tmp string) {
	f, err := os.Open(tmp)
	if err != nil {
		return
	}
	defer f.Close()
	bases, err := f.Readdirnames(-1)
	if err != nil {
		return
	}
	ended := d.ended(tmp, bases)
	for _, base := range bases {
		n, ok := parseName(base)
		if !ok {
			continue
		}
		host, _, _ := strings.Cut(n.rest, ownerMark)
		if ended[n.random()] || host == "."+d.host && stale(n.seconds, d.now()) {
			_ = os.Remove(filepath.Join(tmp, base))
		}
	}
}

// ended finds the runs of our own maildrop whose process has ended, by the
// random part of their files' names.
func (d *Deliverer) ended(tmp string, bases []string) map[string]bool {
	ours := ownerField(d.past.Owner)
	if ours == "" {
		return nil
	}
	out := make(map[string]bool)
	for _, base := range bases {
		n, ok := parseName(base)
		if ok && n.number() == 0 && strings.HasSuffix(n.rest, ours) && abandoned(tmp, base) {
			out[n.random()] = true
		}
	}
	return out
}
