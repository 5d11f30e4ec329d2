package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestClaimsStaySmall: the files hold so much, and what was claimed last; what two write
// is the same to both.
func TestClaimsStaySmall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "imap")
	open := func() *Claims[int] {
		return &Claims[int]{Path: filepath.Join(dir, "box"), Point: "imap.claim", Parse: strconv.Atoi}
	}
	a, b := open(), open()
	for n := range 80 {
		c := []*Claims[int]{a, b}[n%2]
		if err := c.Add("7", fmt.Sprintf("%060000d", n), fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > generations+1 {
		t.Errorf("%v %v", files, err)
	}
	for _, c := range []*Claims[int]{a, b, open()} {
		if err := c.Refresh(); err != nil {
			t.Fatal(err)
		}
		if owner, ok := c.Owner("7", 79); owner != "79" || !ok {
			t.Errorf("the last one is %s's, %v", owner, ok)
		}
		if _, ok := c.Owner("7", 0); ok {
			t.Error("the first one is still known")
		}
		if !c.Free("8", 79, "x") || c.Free("7", 79, "x") || !c.Free("7", 79, "79") {
			t.Error("whose it is")
		}
	}
}
