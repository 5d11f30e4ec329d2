package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMessagesOfRuns: what goes wrong on the way of the mail, from the secret to
// QUIT.
func TestMessagesOfRuns(t *testing.T) { runMishaps(t, "runs.txtar") }

// takenOver knows six messages from another program's list.
func (s *scene) takenOver() {
	var lines strings.Builder
	for i := range 6 {
		fmt.Fprintf(&lines, "{\"uid\":\"uid-%d\"}\n", i+1)
	}
	s.vars["LIST"] = s.write("list", []byte(lines.String()))
	s.first("state import work ${LIST}")
	s.first("fetch")
}

// noPassword writes a configuration without one.
func (s *scene) noPassword() {
	s.write("config.yaml", []byte(s.expand("accounts: {work: {server: \"localhost:${PORT}\", user: alice, ca_file: \"${CA}\", "+
		"deliver: [{maildir: \"${DIR}/Mail\"}]}}\n")))
}

// loseOne deletes a delivered message.
func (s *scene) loseOne() {
	files, _ := filepath.Glob(filepath.Join(s.path("Mail"), "new", "*"))
	if len(files) == 0 {
		s.t.Fatal("nothing was delivered")
	}
	if err := os.Remove(files[0]); err != nil {
		s.t.Fatal(err)
	}
}
