package command

import (
	_ "embed"
	"errors"
	"html/template"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/state"
)

//go:embed report.html
var reportHTML string

// page is what the template of the HTML report sees.
type page struct {
	*fetch.Report
	NotMoved              []string
	Bars                  []bar
	Width                 int
	Failed                []state.Failure // as many as are named
	MoreFailed, MoreAside int
	Refused               []refused
}

// refused is a message that was set aside, and where it is.
type refused struct {
	fetch.Inspected
	Where string
}

func pageOf(r *fetch.Report) page {
	p := page{Report: r, NotMoved: notMoved, Bars: barsOf(r.Months), Width: chartWidth}
	p.Failed = r.Failures[:min(len(r.Failures), maxNamed)]
	p.MoreFailed = len(r.Failures) - len(p.Failed)
	for i := range r.Aside[:min(len(r.Aside), maxNamed)] {
		p.Refused = append(p.Refused, refused{r.Aside[i], asideWhere(&r.Aside[i])})
	}
	p.MoreAside = len(r.Aside) - len(p.Refused)
	return p
}

// bar is one month of the chart, in the units of its viewBox.
type bar struct {
	fetch.Month
	X, Y, W, H float64
	Label      string // the year, on its first bar
}

// The chart's size in the units of its viewBox.
const (
	chartWidth  = 1000
	chartHeight = 200
)

func barsOf(months []fetch.Month) []bar {
	most := 1
	for _, m := range months {
		most = max(most, m.Messages)
	}
	step := float64(chartWidth) / float64(max(len(months), 1))
	var out []bar
	for i, m := range months {
		h := float64(m.Messages) / float64(most) * chartHeight
		b := bar{Month: m, X: float64(i) * step, Y: chartHeight - h, W: max(min(step*0.85, 40), 0.5), H: h}
		if i == 0 || months[i-1].Month[:4] != m.Month[:4] {
			b.Label = m.Month[:4]
		}
		out = append(out, b)
	}
	return thinLabels(out)
}

// thinLabels drops years that would run into each other.
func thinLabels(bars []bar) []bar {
	last := -100.0
	for i := range bars {
		if bars[i].Label == "" {
			continue
		}
		if bars[i].X-last < 45 {
			bars[i].Label = ""
			continue
		}
		last = bars[i].X
	}
	return bars
}

func writeHTML(w io.Writer, r *fetch.Report) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"bytes": func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
		"count": func(n int) string { return humanize.Comma(int64(n)) },
		"date":  func(t time.Time) string { return t.Format(time.DateOnly) },
		"uid":   uidText,
	}).Parse(reportHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, pageOf(r))
}

func writeHTMLFile(path string, r *fetch.Report) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return &fetch.Error{Exit: fetch.ExitCannotWrite, Err: err}
	}
	return errors.Join(writeHTML(f, r), f.Close())
}
