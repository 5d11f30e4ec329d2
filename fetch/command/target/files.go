package target

import (
	"context"
	"errors"
	"path"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/files"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

func filesRow() Row {
	return Row{
		Name: "files", Doc: "directory that gets the attachments of messages, a mapping", NoDedupe: true,
		New:     func() Target { return new(filesTarget) },
		Recover: map[string]deliver.RecoverFunc{files.Kind: files.Recover},
	}
}

// filesTarget is a directory for attachments. Its path is absolute.
type filesTarget struct{ files.Options }

func (*filesTarget) Kind() string { return "files" }
func (f *filesTarget) ID() string { return "files:" + f.Dir }

func (f *filesTarget) Keys() []config.Row {
	return []config.Row{
		config.On("dir", "", "directory of the files, which is created if it is missing", config.Path(), &f.Dir),
		config.On("match", "all", "patterns of the names to take, such as `*.pdf`, in upper or lower case",
			config.OneOrMore(pattern(), "a pattern or a list of patterns"), &f.Match),
		config.On("inline", "false", "whether to take named parts that belong to the text too", config.Boolean(), &f.Inline),
	}
}

// pattern decodes a pattern of path.Match.
func pattern() config.Kind[string] {
	return config.Parsed("a pattern", func(s string) (string, error) {
		if _, err := path.Match(s, ""); err != nil || s == "" {
			return "", errors.New(`is not a pattern such as "*.pdf"`)
		}
		return s, nil
	})
}

func (*filesTarget) Check(at config.Place) { at.Needs("dir") }

func (f *filesTarget) Deliverer(Site) (deliver.Deliverer, error) { return files.New(f.Options), nil }

func (f *filesTarget) Needs() Needs { return Needs{Write: []string{f.Dir}} }

func (f *filesTarget) Value() any {
	m := config.Pair("dir", config.PathText(f.Dir))
	if len(f.Match) > 0 {
		m = m.And("match", f.Match)
	}
	if f.Inline {
		m = m.And("inline", true)
	}
	return m
}

func (*filesTarget) Copies(context.Context, Site) (proof.Copies, error) { return nil, nil }
