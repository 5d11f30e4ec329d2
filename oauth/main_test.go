package oauth

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		os.Exit(runAsChild())
	}
	goleak.VerifyTestMain(m)
}
