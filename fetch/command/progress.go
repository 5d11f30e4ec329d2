package command

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mailhaul/mailhaul/fetch"
)

// reporters passes each event to several.
type reporters []fetch.Reporter

// Report implements fetch.Reporter.
func (rs reporters) Report(e fetch.Event) {
	for _, r := range rs {
		r.Report(e)
	}
}

// bars shows one bar an account on a terminal, with bytes, rate and ETA. An
// account gets its bar when there is something to retrieve.
type bars struct {
	mu    sync.Mutex
	pool  *mpb.Progress
	bars  map[string]*mpb.Bar
	began map[string]time.Time
}

func newBars(w io.Writer) *bars {
	return &bars{
		pool:  mpb.New(mpb.WithOutput(w), mpb.WithWidth(28), mpb.WithRefreshRate(150*time.Millisecond)),
		bars:  make(map[string]*mpb.Bar),
		began: make(map[string]time.Time),
	}
}

// Report implements fetch.Reporter.
func (b *bars) Report(e fetch.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bar := b.bars[e.Account]
	if e.Stage == fetch.Finished {
		if bar != nil {
			bar.SetTotal(-1, true) // complete with what there is
		}
		return
	}
	if e.Total == 0 || e.TotalBytes == 0 {
		return
	}
	if bar == nil {
		bar = b.add(e)
	}
	bar.SetTotal(max(e.TotalBytes, e.Bytes), false) // sizes are estimates
	bar.SetCurrent(e.Bytes)
}

func (b *bars) add(e fetch.Event) *mpb.Bar {
	began := time.Now()
	rate := func(s decor.Statistics) string {
		return humanize.IBytes(uint64(float64(s.Current)/max(time.Since(began).Seconds(), 0.001))) + "/s"
	}
	bar := b.pool.AddBar(e.TotalBytes,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(printable(e.Account), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(
			decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace),
			decor.Any(rate, decor.WCSyncSpace),
			decor.AverageETA(decor.ET_STYLE_MMSS, decor.WCSyncSpace),
		),
	)
	b.bars[e.Account] = bar
	return bar
}

// Close takes the bars off the screen.
func (b *bars) Close() { b.pool.Shutdown() }

// lines prints a line every so often on long work, for logs and pipes.
type lines struct {
	mu    sync.Mutex
	w     io.Writer
	every time.Duration
	last  map[string]time.Time
}

func newLines(w io.Writer) *lines {
	return &lines{w: w, every: 10 * time.Second, last: make(map[string]time.Time)}
}

// Report implements fetch.Reporter.
func (l *lines) Report(e fetch.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	last, known := l.last[e.Account]
	if !known || e.Stage == fetch.Finished {
		l.last[e.Account] = now
		return
	}
	if now.Sub(last) < l.every {
		return
	}
	l.last[e.Account] = now
	fmt.Fprintf(l.w, "%s: %s, %d of %d messages, %s of %s\n", printable(e.Account), e.Stage,
		e.Messages, e.Total, humanize.IBytes(uint64(e.Bytes)), humanize.IBytes(uint64(e.TotalBytes)))
}
