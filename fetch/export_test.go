package fetch

import (
	"fmt"
	"time"

	"github.com/mailhaul/mailhaul/fetch/ledger"
)

// Bounds of the packages below, as their users see them.
const (
	MinBlind     = 4
	UIDLPatience = 3
	Patience     = 3
	MaxBroken    = 10
	MaxFruitless = 3
	LongList     = 20_000
	RecheckAfter = 30 * 24 * time.Hour
)

// AnswerNote is what a run says about deletions that were not confirmed.
func AnswerNote(gone, asked int) string {
	return fmt.Sprintf("%d of the %s whose deletion was not confirmed %s gone", gone, ledger.Counted(asked, "message"), ledger.IsAre(gone))
}

func SetLongList(f *Fetcher, n int)           { f.longList = n }
func SetBatchAge(f *Fetcher, d time.Duration) { f.batchAge = d }
func SetPauses(f *Fetcher, d []time.Duration) { f.pauses = d }
