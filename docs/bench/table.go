//go:build linux

package main

import (
	"fmt"
	"strings"
)

// table is the result of one target.
type table struct {
	number int
	title  string
	head   []string
	rows   [][]string
	checks []check
	notes  []string
}

// check compares a promise with a measurement.
type check struct {
	what      string
	got, want float64
	most      bool // want is a maximum
	unit      string
}

func (c check) met() bool {
	if c.most {
		return c.got <= c.want
	}
	return c.got >= c.want
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) atLeast(what string, got, want float64) {
	t.checks = append(t.checks, check{what: what, got: got, want: want, unit: " x"})
}

func (t *table) atMost(what string, got, want float64, unit string) {
	t.checks = append(t.checks, check{what: what, got: got, want: want, most: true, unit: unit})
}

func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// String is the table in Markdown.
func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %d. %s\n\n", t.number, t.title)
	writeRows(&b, t.head, t.rows)
	if len(t.checks) > 0 {
		var rows [][]string
		for _, c := range t.checks {
			bound, verdict := "at least", "met"
			if c.most {
				bound = "at most"
			}
			if !c.met() {
				verdict = "**missed**"
			}
			rows = append(rows, []string{c.what, figure(c.got) + c.unit, bound + " " + figure(c.want) + c.unit, verdict})
		}
		b.WriteByte('\n')
		writeRows(&b, []string{"compared", "measured", "target", ""}, rows)
	}
	for _, n := range t.notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}

func writeRows(b *strings.Builder, head []string, rows [][]string) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, r := range rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(r, " | "))
	}
}

// figure prints three significant digits.
func figure(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// runs adds one row a result: time, rate, CPU and memory.
func (t *table) runs(results []*result) {
	t.head = []string{"", "messages", "seconds", "messages/s", "user s", "system s", "peak RSS MiB"}
	for _, r := range results {
		user, sys, rss := "", "", ""
		if r.rss() > 0 {
			user, sys, rss = figure(r.user()), figure(r.sys()), fmt.Sprintf("%.0f", r.rss())
		}
		t.row(r.name, fmt.Sprint(r.messages), figure(r.wall()), figure(r.rate()), user, sys, rss)
	}
}

// find returns the result of a name, nil if that did not run.
func find(results []*result, name string) *result {
	for _, r := range results {
		if r.name == name {
			return r
		}
	}
	return nil
}

// faster checks that ours is so many times as fast as theirs, a message, if
// theirs ran.
func (t *table) faster(ours, theirs *result, want float64) {
	if ours != nil && theirs != nil {
		t.atLeast(ours.name+" against "+theirs.name+", messages/s", ours.rate()/theirs.rate(), want)
	}
}
