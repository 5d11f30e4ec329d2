package target

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func pipeRow() Row {
	return Row{
		Name: "pipe", Doc: "command that reads one message on its standard input, a mapping", Form: "pipe:PROGRAM",
		New: func() Target { return newPipe() },
		Parse: func(url string) (_ Target, err error) {
			p := newPipe()
			p.Command, err = splitWords(strings.TrimPrefix(url, "pipe:"))
			return p, err
		},
		Recover: map[string]deliver.RecoverFunc{pipe.Kind: deliver.GiveUp},
	}
}

// pipeTarget is a command that takes each message on its stdin.
type pipeTarget struct{ pipe.Options }

func newPipe() *pipeTarget { return &pipeTarget{pipe.Options{Timeout: 5 * time.Minute}} }

func (*pipeTarget) Kind() string { return "pipe" }

func (p *pipeTarget) ID() string {
	words := make([]string, len(p.Command))
	for i, a := range p.Command {
		if words[i] = a; a == "" || strings.ContainsAny(a, " \t\n\r\"") {
			words[i] = strconv.Quote(a)
		}
	}
	return "pipe:" + strings.Join(words, " ")
}

func (p *pipeTarget) Keys() []config.Row {
	return []config.Row{
		config.On("command", "", "program and arguments, without a shell", config.Command(), &p.Command),
		config.On("timeout", "5m", "longest time for one message", config.Duration(time.Second), &p.Timeout),
		config.On("line_ends", "lf", "line ends of the message: `lf` or `crlf`", config.OneOf(pipe.LF, pipe.CRLF), &p.LineEnds),
		config.On("env", "", "list of NAME=VALUE to add to the environment", config.List(config.Assignment(), "a list of NAME=VALUE"), &p.Env),
	}
}

func (*pipeTarget) Check(at config.Place) { at.Needs("command") }

// Addressed implements config.Addressee: a command can do without recipients.
func (*pipeTarget) Addressed() bool { return true }

func (p *pipeTarget) Deliverer(s Site) (deliver.Deliverer, error) {
	o := p.Options
	o.To, o.Logger = []string{s.Account.User}, s.Log
	return pipe.New(o), nil
}

func (p *pipeTarget) Needs() Needs {
	return Needs{Commands: []process.Allowed{{Args: p.Command, Env: p.Env}}}
}
func (p *pipeTarget) Value() any                                       { return config.Pair("command", p.Command) }
func (*pipeTarget) Copies(context.Context, Site) (proof.Copies, error) { return nil, nil }

// splitWords splits a command at white space; single and double quotes keep
// words together. Nothing else is special: there is no shell.
func splitWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	var quote rune
	inWord := false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, b.String())
			}
			b.Reset()
			inWord = false
		default:
			b.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, b.String())
	}
	switch {
	case quote != 0:
		return nil, errors.New("a quote is not closed")
	case len(words) == 0 || words[0] == "":
		return nil, errors.New("names no program")
	}
	return words, nil
}
