// Package programs is the table of the programs that mailhaul imports from.
package programs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailhaul/mailhaul/fetch/rcfile"
	"github.com/mailhaul/mailhaul/fetch/rcfile/fdm"
	"github.com/mailhaul/mailhaul/fetch/rcfile/fetchmail"
	"github.com/mailhaul/mailhaul/fetch/rcfile/getmail"
	"github.com/mailhaul/mailhaul/fetch/rcfile/mpop"
	"github.com/mailhaul/mailhaul/fetch/rcfile/thunderbird"
)

// All returns what can be read, a row a program.
func All() []rcfile.Format {
	return []rcfile.Format{fetchmail.Format(), getmail.Format(), mpop.Format(), fdm.Format(), thunderbird.Format()}
}

// Names returns the names of All.
func Names() []string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return names
}

// Find returns the row of a program.
func Find(name string) (rcfile.Format, error) {
	i := slices.Index(Names(), name)
	if i < 0 {
		return rcfile.Format{}, fmt.Errorf("unknown format %q: wants one of %s", name, strings.Join(Names(), ", "))
	}
	return All()[i], nil
}
