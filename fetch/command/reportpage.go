package command

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

//go:embed report.html
var reportHTML string

// page is what the template of the HTML report sees.
type page struct {
	*proof.Report
	Because, ToKnow             []string
	NotMoved                    []string
	Charts                      []chart
	Failed                      []state.Failure // as many as are named
	MoreFailed, MoreQuarantined int
	Refused                     []refused
}

// refused is a message in the quarantine, and where it is.
type refused struct {
	proof.Inspected
	Where string
}

func pageOf(r *proof.Report) page {
	p := page{Report: r, Because: advice.Remarks(r.Reasons), ToKnow: advice.Remarks(r.Notes), NotMoved: notMoved, Charts: charts(r.Months)}
	p.Failed = r.Failures[:min(len(r.Failures), maxNamed)]
	p.MoreFailed = len(r.Failures) - len(p.Failed)
	for i := range r.InQuarantine[:min(len(r.InQuarantine), maxNamed)] {
		p.Refused = append(p.Refused, refused{r.InQuarantine[i], asideWhere(&r.InQuarantine[i])})
	}
	p.MoreQuarantined = len(r.InQuarantine) - len(p.Refused)
	return p
}

// bar is one month of a chart, in the units of its viewBox.
type bar struct {
	proof.Month
	X, Y, W, H float64
	Label      string // the year, on its first month
}

// chart shows a figure by month.
type chart struct {
	Title, Most string
	Bars        []bar
	Width       int
}

// The size of a chart in the units of its viewBox, and the room of a label.
const (
	chartWidth  = 1000
	chartHeight = 150
	labelWidth  = 45
)

func charts(months []proof.Month) []chart {
	if len(months) == 0 {
		return nil
	}
	var most proof.Month
	for _, m := range months {
		most.Messages, most.Bytes = max(most.Messages, m.Messages), max(most.Bytes, m.Bytes)
	}
	return []chart{
		{"Messages by month", humanize.Comma(int64(most.Messages)), barsOf(months, func(m proof.Month) float64 { return float64(m.Messages) }), chartWidth},
		{"Size by month", humanize.IBytes(uint64(most.Bytes)), barsOf(months, func(m proof.Month) float64 { return float64(m.Bytes) }), chartWidth},
	}
}

// barsOf places each month where it is in time: months without a message are
// gaps.
func barsOf(months []proof.Month, figure func(proof.Month) float64) []bar {
	most := 1.0
	for _, m := range months {
		most = max(most, figure(m))
	}
	first := ordinal(months[0].Month)
	step := chartWidth / float64(ordinal(months[len(months)-1].Month)-first+1)
	var out []bar
	for i, m := range months {
		h := figure(m) / most * chartHeight
		b := bar{Month: m, X: float64(ordinal(m.Month)-first) * step, Y: chartHeight - h, W: max(min(step*0.85, 40), 0.5), H: h}
		if i == 0 || months[i-1].Month[:4] != m.Month[:4] {
			b.Label = m.Month[:4]
		}
		out = append(out, b)
	}
	return thinLabels(out)
}

// ordinal counts the months of a "2006-01" since the year 0.
func ordinal(month string) int {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return 0
	}
	return 12*t.Year() + int(t.Month())
}

// thinLabels drops years that would run into each other or out of the chart.
func thinLabels(bars []bar) []bar {
	next := float64(chartWidth)
	for i := len(bars) - 1; i >= 0; i-- {
		switch {
		case bars[i].Label == "":
		case bars[i].X+labelWidth > next:
			bars[i].Label = ""
		default:
			next = bars[i].X
		}
	}
	return bars
}

func writeHTML(w io.Writer, r *proof.Report) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"bytes": func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
		"count": func(n int) string { return humanize.Comma(int64(n)) },
		"date":  func(t time.Time) string { return t.Format(time.DateOnly) },
		"uid":   uidText,
	}).Parse(reportHTML)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, pageOf(r)); err != nil {
		return err
	}
	_, err = w.Write(state.EscapeJSON(text.Bytes())) // a server's text may hold directional marks
	return err
}

func writeHTMLFile(path string, r *proof.Report) error {
	var page bytes.Buffer
	if err := writeHTML(&page, r); err != nil {
		return err
	}
	if err := replaceFile(path, page.Bytes()); err != nil {
		return exit.CannotWrite(err)
	}
	return nil
}

// replaceFile writes a file that appears whole, with the mode of one that it
// replaces. It replaces a link to a file and does not follow it. What is no file, as
// /dev/stdout, is written to.
func replaceFile(path string, data []byte) error {
	named, lerr := os.Lstat(path)
	if info, err := os.Stat(path); lerr == nil && err == nil && (!info.Mode().IsRegular() || filepath.Dir(path) == "/dev") {
		if err := durable.CheckOwner(path, named); err != nil {
			return err
		}
		return writeInto(path, data)
	}
	if err := durable.WriteFile(path, data); err != nil {
		return err
	}
	if lerr == nil && named.Mode().IsRegular() {
		return os.Chmod(path, named.Mode().Perm())
	}
	return nil
}

// writeInto writes to a device or a pipe.
func writeInto(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
