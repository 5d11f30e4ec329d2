package term

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// Screen is a terminal that bars may be on: what is written to it goes above
// them.
type Screen struct {
	W     io.Writer
	mu    sync.Mutex
	above io.Writer // nil without bars
}

// Write implements io.Writer. Text comes in whole lines.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.above != nil {
		if n, err := s.above.Write(p); err == nil {
			return n, nil
		}
	}
	return s.W.Write(p)
}

func (s *Screen) put(above io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.above = above
}

// bars shows one bar an account on a terminal, with bytes, rate and ETA. An
// account gets its bar when there is something to retrieve.
type bars struct {
	screen *Screen
	mu     sync.Mutex
	pool   *mpb.Progress
	bars   map[string]*accountBar
	going  []*mpb.Bar // taken off, and still drawn until the pool cancels them
	most   int        // bars at a time: what scrolls off the screen cannot be removed
}

type accountBar struct {
	*mpb.Bar
	began time.Time
	stage atomic.Uint32 // a ledger.Stage
}

func NewBars(s *Screen) *bars {
	b := &bars{
		screen: s,
		pool:   mpb.New(mpb.WithOutput(s.W), mpb.WithWidth(28), mpb.WithRefreshRate(150*time.Millisecond)),
		bars:   make(map[string]*accountBar),
		most:   barsFor(s.W),
	}
	s.put(b.pool)
	return b
}

// barsFor is how many bars a terminal has room for, beside a few lines of text.
func barsFor(w io.Writer) int {
	const usual = 24
	rows := usual
	if f, ok := w.(*os.File); ok {
		if _, h, err := term.GetSize(int(f.Fd())); err == nil && h > 0 {
			rows = h
		}
	}
	return max(1, rows/2)
}

// Report implements fetch.Reporter.
func (b *bars) Report(e fetch.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bar := b.bars[e.Account]
	if e.Stage == ledger.Finished {
		if bar != nil {
			bar.Abort(true) // off the screen: the summary line says the rest
			delete(b.bars, e.Account)
			b.going = append(b.going, bar.Bar)
		}
		return
	}
	if e.Total == 0 || e.TotalBytes == 0 {
		return
	}
	if bar == nil {
		if b.drawn() >= b.most {
			return // it gets a bar when another account is done
		}
		bar = b.add(e)
	}
	bar.stage.Store(uint32(e.Stage))
	bar.SetTotal(max(e.TotalBytes, e.Bytes)+1, false) // sizes are estimates; never full before the end
	bar.SetCurrent(e.Bytes)
}

// drawn is how many bars the pool draws: on a slow terminal those that are
// taken off stay for a while.
func (b *bars) drawn() int {
	b.going = slices.DeleteFunc(b.going, func(bar *mpb.Bar) bool { return !bar.IsRunning() })
	return len(b.bars) + len(b.going)
}

func (b *bars) add(e fetch.Event) *accountBar {
	bar := &accountBar{began: time.Now()}
	stage := func(decor.Statistics) string { return ledger.Stage(bar.stage.Load()).String() }
	rate := func(s decor.Statistics) string {
		return humanize.IBytes(uint64(float64(s.Current)/max(time.Since(bar.began).Seconds(), 0.001))) + "/s"
	}
	bar.Bar = b.pool.AddBar(0, // a total from the start would be fixed, and end the bar when it is reached
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(
			decor.Name(Printable(e.Account), decor.WCSyncSpaceR),
			decor.Any(stage, decor.WCSyncSpaceR),
		),
		mpb.AppendDecorators(
			decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace),
			decor.Any(rate, decor.WCSyncSpace),
			decor.AverageETA(decor.ET_STYLE_MMSS, decor.WCSyncSpace),
		),
	)
	b.bars[e.Account] = bar
	return bar
}

// Home takes back what the echo of ^C did to the cursor: the pool draws from
// where it stands.
func (b *bars) Home() { fmt.Fprint(b.screen.W, "\r") }

// Close takes the bars off the screen.
func (b *bars) Close() {
	b.mu.Lock()
	for _, bar := range b.bars {
		bar.Abort(true)
	}
	b.mu.Unlock()
	b.pool.Wait()
	b.screen.put(nil)
}

// Lines prints a line every so often on long work, for logs and pipes.
type lines struct {
	mu    sync.Mutex
	w     io.Writer
	every time.Duration
	last  map[string]time.Time
}

func NewLines(w io.Writer) *lines {
	return &lines{w: w, every: 10 * time.Second, last: make(map[string]time.Time)}
}

// Report implements fetch.Reporter.
func (l *lines) Report(e fetch.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	last, known := l.last[e.Account]
	if !known || e.Stage == ledger.Finished {
		l.last[e.Account] = now
		return
	}
	if now.Sub(last) < l.every {
		return
	}
	l.last[e.Account] = now
	if e.Total == 0 {
		fmt.Fprintf(l.w, "%s: %s\n", Printable(e.Account), e.Stage)
		return
	}
	fmt.Fprintf(l.w, "%s: %s, %d of %d messages, %s of %s\n", Printable(e.Account), e.Stage,
		e.Messages, e.Total, humanize.IBytes(uint64(e.Bytes)), humanize.IBytes(uint64(e.TotalBytes)))
}
