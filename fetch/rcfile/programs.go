package rcfile

import (
	"fmt"
	"slices"
	"strings"
)

// All returns what can be read, a row a program.
func All() []Format {
	return []Format{FormatFetchmail(), FormatGetmail(), FormatMpop(), FormatFdm(), FormatThunderbird()}
}

// Names returns the names of All.
func Names() []string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return names
}

// ReadNamed is rcfile.Read for a name.
func ReadNamed(name, path string, o Options) (*Result, error) {
	i := slices.Index(Names(), name)
	if i < 0 {
		return nil, fmt.Errorf("unknown format %q: wants one of %s", name, strings.Join(Names(), ", "))
	}
	return Read(All()[i], path, o)
}
