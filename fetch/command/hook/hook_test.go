package hook

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHooksGetNoSecrets: what stands in our environment is not theirs.
func TestHooksGetNoSecrets(t *testing.T) {
	t.Setenv("MAILHAUL_PASSWORD", "s3cret")
	t.Setenv("PW_OF_WORK", "s3cret")
	file := filepath.Join(t.TempDir(), "env")
	if err := Run(context.Background(), []string{"sh", "-c", `env >"$0"`, file}, time.Minute, "MAILHAUL_ACCOUNT=work"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if strings.Contains(got, "s3cret") || !strings.Contains(got, "MAILHAUL_ACCOUNT=work\n") || !strings.Contains(got, "PATH=") {
		t.Errorf("%s", got)
	}
}

func TestHookThatHangs(t *testing.T) {
	t.Parallel()
	began := time.Now()
	err := Run(t.Context(), []string{"sh", "-c", "sleep 60"}, 200*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "took longer than 200ms") {
		t.Errorf("error %v", err)
	}
	// A child that stays behind with our pipe does not hold us.
	if err := Run(t.Context(), []string{"sh", "-c", "sleep 7 & exit 0"}, time.Minute); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 6*time.Second {
		t.Errorf("took %s", d)
	}
}
