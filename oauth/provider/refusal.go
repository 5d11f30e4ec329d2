package provider

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed errors.json
var refusals []byte

// Refusal is what a provider means by an error: a row of errors.json. A row with a
// number is Microsoft's, whatever the preset; else provider and code must fit,
// and words (a part of the description, in lower case) and flow if they are
// set. The first row that fits counts.
type Refusal struct {
	Provider string `json:"provider"`
	Code     string `json:"code"`
	Number   string `json:"number"`
	Words    string `json:"words"`
	Flow     string `json:"flow"`
	// Kind is a word of oauth.Kind; empty: what the code says.
	Kind string `json:"kind"`
	// Advice is what a person can do, in sentences; empty: nothing, it passes. {scopes}
	// stands for the scopes that were asked for.
	Advice string `json:"advice"`
}

var loadRefusals = sync.OnceValue(func() []Refusal { return mustDecode[Refusal](refusals) })

// RefusalOf finds what a provider means by an error; nil if it is not known.
// Number is Microsoft's (AADSTS...), empty for none.
func RefusalOf(preset, number, code, text string, flow Flow) *Refusal {
	list := loadRefusals()
	i := slices.IndexFunc(list, func(r Refusal) bool {
		if number != "" || r.Number != "" {
			return r.Number == number
		}
		return r.Provider == preset && r.Code == code && strings.Contains(strings.ToLower(text), r.Words) &&
			(r.Flow == "" || r.Flow == flow.String())
	})
	if i < 0 {
		return nil
	}
	return &list[i]
}
