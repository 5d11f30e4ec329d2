package command

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// TestSchemaFileIsCurrent compares docs/config.schema.json with what the
// program prints; MAILHAUL_UPDATE=1 rewrites it.
func TestSchemaFileIsCurrent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := Main(t.Context(), []string{"mailhaul", "check", "--schema"}, term.Streams{Out: &out, Err: &out}); code != 0 {
		t.Fatalf("exit %d: %s", code, &out)
	}
	path := filepath.Join(treeRoot, "docs", "config.schema.json")
	if os.Getenv("MAILHAUL_UPDATE") != "" {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, out.Bytes()) {
		t.Errorf("docs/config.schema.json is not what `mailhaul check --schema` prints: run MAILHAUL_UPDATE=1 go test -run "+
			"TestSchemaFile ./fetch/command (%v)", err)
	}
}
