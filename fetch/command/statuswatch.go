package command

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
)

const watchEvery = 2 * time.Second

// watchStatus shows the status until ctx is done. It leaves the databases
// alone, which runs need for themselves.
func watchStatus(e *call, ctx context.Context, accounts []*config.Account) error {
	if screen := e.out.FullScreen(); screen != nil && !e.out.JSON {
		return screen.Show(ctx, watchEvery, func(width, height int) ([]string, error) {
			return statusFrame(e, statusesOf(e, accounts, false), width, height)
		})
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		var frame bytes.Buffer
		if err := writeStatuses(e, &frame, statusesOf(e, accounts, false)); err != nil {
			return err
		}
		if _, err := e.out.Out.Write(frame.Bytes()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// statusFrame is the status of accounts as lines for a screen of that size: those first
// that need a person or are at work, and how many more there are.
func statusFrame(e *call, list []jsonline.Status, width, height int) ([]string, error) {
	slices.SortStableFunc(list, func(a, b jsonline.Status) int { return urgency(&a) - urgency(&b) })
	table, text := statusText(e, list)
	table.Wide = true
	var b bytes.Buffer
	if err := table.Write(&b, width); err != nil {
		return nil, err
	}
	rows, details := linesOf(b.String()), linesOf(text)
	if 1+len(rows)+len(details) > height {
		details = details[:min(len(details), height/3)]
	}
	if room := max(2, height-1-len(details)); len(rows) > room {
		more := fmt.Sprintf("... and %s", term.Plural(len(rows)-room+1, "more account"))
		rows = append(rows[:room-1:room-1], more)
	}
	return slices.Concat([]string{watchTitle(list)}, rows, details), nil
}

// urgency orders accounts for a screen that has not room for all.
func urgency(s *jsonline.Status) int {
	switch {
	case s.Overdue:
		return 0
	case s.Running:
		return 1
	case s.LastRun != nil && !s.LastRun.OK():
		return 2
	}
	return 3
}

// watchTitle counts the accounts.
func watchTitle(list []jsonline.Status) string {
	counts := make([]int, 4)
	for i := range list {
		counts[urgency(&list[i])]++
	}
	return fmt.Sprintf("%s  %s: %d overdue, %d running, %d failed (Ctrl-C ends)",
		time.Now().Format(time.TimeOnly), term.Plural(len(list), "account"), counts[0], counts[1], counts[2])
}

func linesOf(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return line == "" })
}
