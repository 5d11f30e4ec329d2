package fetch

import "time"

// What external tests need of the inside.
const (
	WindowSuspect = windowSuspect
	MinBlind      = minBlind
	RecheckAfter  = recheckAfter
	UIDLPatience  = uidlPatience
	MaxBroken     = maxBroken
	MaxFruitless  = maxFruitless
	Patience      = patience
	LongList      = longList
)

var AnswerNote = answerNote

func SetLongList(f *Fetcher, n int)           { f.longList = n }
func SetBatchAge(f *Fetcher, d time.Duration) { f.batchAge = d }
func SetPauses(f *Fetcher, d []time.Duration) { f.pauses = d }
