package command

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/schedule"
	"github.com/mailhaul/mailhaul/fetch/sources"
)

// takenOver is the configuration that a loop works by.
type takenOver struct {
	file     *config.File
	conf     *config.Config
	accounts int
}

// accounts are those that the loop works on. Where accounts come from elsewhere there may
// be none yet.
func (l *loopRun) accounts(e *call) ([]*config.Account, error) {
	l.tell(e.from.errors())
	e.from = elsewhere{}
	names := l.cli.Args().Slice()
	if len(names) > 0 || !e.conf.Elsewhere.Any() {
		return e.accounts(names)
	}
	return slices.DeleteFunc(slices.Clone(e.conf.Accounts), func(a *config.Account) bool { return !a.Enabled }), nil
}

// tell logs what is wrong with accounts elsewhere, a record for each mistake, unless it
// was the same before.
func (l *loopRun) tell(errs []error) {
	var text string
	for _, err := range errs {
		text += err.Error() + "\n"
	}
	if text == l.troubles {
		return
	}
	l.troubles = text
	log, running := l.first.log, advice.Situation{Running: true}
	for _, err := range errs {
		rejected, ok := errors.AsType[*sources.RejectedError](err)
		if !ok {
			log.Warn("accounts not read", "err", err, "hint", advice.Text(err, running))
			continue
		}
		for _, m := range rejected.Errors {
			log.Warn("account left out", "file", m.File, "line", m.Line, "err", m.What(), "hint", advice.Text(err, running))
		}
	}
	if text == "" {
		log.Info("accounts elsewhere are all right again")
	}
}

// refresh reads accounts elsewhere again, with the configuration file as it was.
func (l *loopRun) refresh(ctx context.Context, reload chan<- schedule.Tasks) {
	if !l.taken.conf.Elsewhere.Any() {
		return
	}
	before := l.taken.accounts
	r, err := l.reread(l.taken.file)
	if err != nil {
		l.refuse(err)
		return
	}
	level := slog.LevelDebug
	if len(r.List) != before {
		level = slog.LevelInfo
	}
	l.first.log.Log(ctx, level, "accounts read again", "accounts", len(r.List))
	r.Refresh = true
	select {
	case reload <- r:
	case <-ctx.Done():
	}
}
