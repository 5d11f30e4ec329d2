package command

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	Version                     string
	Targets                     []string // what the account delivers to
	Because, ToKnow             []string
	NotMoved                    []string
	Charts                      []chart
	Failed                      []state.Failure // as many as are named
	NotIntact                   []proof.Flawed  // the same
	MoreFailed, MoreQuarantined int
	MoreFlawed, Accepted        int
	Standing                    []counted
	Intact                      string
	Refused                     []refused
}

// counted is how many delivered messages are as Text says.
type counted struct {
	Text     string
	Messages int
}

// refused is a message in the quarantine, and where it is.
type refused struct {
	proof.Inspected
	Where string
}

func pageOf(r *proof.Report, targets []string) page {
	p := page{Report: r, Version: version(), Targets: targets, Because: advice.Remarks(r.Account, r.Reasons), ToKnow: advice.Remarks(r.Account, r.Notes), NotMoved: notMoved, Charts: charts(r.Months)}
	p.Failed = r.Failures[:min(len(r.Failures), maxNamed)]
	p.Accepted, p.Intact = r.Standings[proof.IsAccepted], intactText(r)
	for _, s := range standings {
		if n := r.Standings[s.of]; n > 0 {
			p.Standing = append(p.Standing, counted{s.text, n})
		}
	}
	p.NotIntact = r.Flawed[:min(len(r.Flawed), maxNamed)]
	p.MoreFlawed = len(r.Flawed) - len(p.NotIntact)
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
	WideOnly   bool   // a narrow screen, where labels are larger, has no room for it
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
	largeLabel  = 115 // on a narrow screen
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
	next, nextLarge := float64(chartWidth), float64(chartWidth)
	for i := len(bars) - 1; i >= 0; i-- {
		b := &bars[i]
		if b.Label == "" || b.X+labelWidth > next {
			b.Label = ""
			continue
		}
		next = b.X
		if b.WideOnly = b.X+largeLabel > nextLarge; !b.WideOnly {
			nextLarge = b.X
		}
	}
	return bars
}

// marked is a text with its commands, which are between backticks, as HTML.
func marked(text string) template.HTML {
	parts := strings.Split(text, "`")
	if len(parts)%2 == 0 { // one of them is no mark
		return template.HTML(template.HTMLEscapeString(text))
	}
	var b strings.Builder
	for i, part := range parts {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		b.WriteString(part)
	}
	return template.HTML(b.String())
}

func writeHTML(w io.Writer, r *proof.Report, targets []string) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"bytes": func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
		"count": func(n int) string { return humanize.Comma(int64(n)) },
		"date":  func(t time.Time) string { return t.Format(time.DateOnly) },
		"uid":   uidText,
		"text":  marked,
		"local": func(t time.Time) string { return t.Local().Format("2006-01-02 15:04 -07:00") },
	}).Parse(reportHTML)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, pageOf(r, targets)); err != nil {
		return err
	}
	_, err = w.Write(state.EscapeJSON(text.Bytes())) // a server's text may hold directional marks
	return err
}

func writeHTMLFile(path string, r *proof.Report, targets []string) error {
	var page bytes.Buffer
	if err := writeHTML(&page, r, targets); err != nil {
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
