//go:build linux

package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// recording is what a disk saw, and what happened outside meanwhile.
type recording struct {
	base    image
	log     []entry
	outside []world
}

// point is a moment at which the power can fail: the writes from..to of the log
// were not flushed, those before from were.
type point struct {
	from, to int
	world    int // index into recording.outside
}

// points are the moments that differ: before each flush, and around each change
// outside. What is lost at any other moment is lost at one of these, too.
func (r *recording) points() (all []point) {
	from, world := 0, 0
	for i, e := range r.log {
		for ; world < e.world; world++ {
			all = append(all, point{from, i, world}, point{from, i, world + 1})
		}
		if e.flush {
			all = append(all, point{from, i, world})
			from = i + 1
		}
	}
	for ; world < len(r.outside); world++ {
		all = append(all, point{from, len(r.log), world})
	}
	return slices.Compact(all)
}

// A choice decides which sectors of the writes that were not flushed the disk
// has: it returns the part of a write that is there, with its offset.
type choice struct {
	name string
	keep func(rng *rand.Rand, writes []entry) (kept []entry)
}

func choices(sector int) []choice {
	return []choice{
		{"none", func(*rand.Rand, []entry) []entry { return nil }},
		{"all", func(_ *rand.Rand, w []entry) []entry { return w }},
		{"first", func(rng *rand.Rand, w []entry) []entry { return w[:rng.IntN(len(w))] }},
		{"last", func(rng *rand.Rand, w []entry) []entry { return w[1+rng.IntN(len(w)):] }}, // reordered
		{"random", func(rng *rand.Rand, w []entry) []entry { return some(rng, w) }},
		{"torn", func(rng *rand.Rand, w []entry) []entry { return torn(rng, w, sector) }},
		{"all but one", func(rng *rand.Rand, w []entry) []entry {
			i := rng.IntN(len(w))
			return slices.Delete(slices.Clone(w), i, i+1)
		}},
		{"only one", func(rng *rand.Rand, w []entry) []entry {
			i := rng.IntN(len(w))
			return w[i : i+1]
		}},
	}
}

func some(rng *rand.Rand, writes []entry) (kept []entry) {
	for _, e := range writes {
		if rng.IntN(2) == 0 {
			kept = append(kept, e)
		}
	}
	return kept
}

// torn keeps every third write whole, loses every third, and of the others it
// keeps some sectors.
func torn(rng *rand.Rand, writes []entry, sector int) (kept []entry) {
	for _, e := range writes {
		switch rng.IntN(3) {
		case 0:
			kept = append(kept, e)
		case 1:
			for at := 0; at < len(e.data); at += sector {
				if rng.IntN(2) == 0 {
					kept = append(kept, entry{off: e.off + int64(at), data: e.data[at:min(at+sector, len(e.data))]})
				}
			}
		}
	}
	return kept
}

// cut is a state of the disk after a power failure.
type cut struct {
	name  string
	image image
	world int
}

// cuts makes the states of a recording, for one choice after the other, each at
// all points, in random order. The seed decides everything.
func (r *recording) cuts(rng *rand.Rand, sector, rounds int) func(yield func(cut) bool) {
	points := r.points()
	flushed := r.flushed(points)
	type pick struct{ point, choice int }
	var picks []pick
	all := choices(sector)
	for round := range rounds {
		for c := range all {
			if round > 0 && c < 2 {
				continue // none and all are the same each time
			}
			for p, at := range points {
				if n := at.to - at.from; c == 0 || n > 0 && c == 1 || n > 1 || n == 1 && all[c].name == "torn" {
					picks = append(picks, pick{p, c})
				}
			}
		}
	}
	rng.Shuffle(len(picks), func(i, j int) { picks[i], picks[j] = picks[j], picks[i] })
	return func(yield func(cut) bool) {
		for _, k := range picks {
			at := points[k.point]
			im := maps.Clone(flushed[at.from])
			for _, e := range all[k.choice].keep(rng, r.log[at.from:at.to]) {
				im.write(e.off, e.data)
			}
			name := fmt.Sprintf("point %d of %d (%d writes not flushed), %s", k.point+1, len(points), at.to-at.from, all[k.choice].name)
			if !yield(cut{name, im, at.world}) {
				return
			}
		}
	}
}

// flushed are the images at the beginning of each interval between flushes.
func (r *recording) flushed(points []point) map[int]image {
	out := make(map[int]image)
	im, done := maps.Clone(r.base), 0
	for _, p := range points {
		for ; done < p.from; done++ {
			im.write(r.log[done].off, r.log[done].data)
		}
		if out[p.from] == nil {
			out[p.from] = maps.Clone(im)
		}
	}
	return out
}
