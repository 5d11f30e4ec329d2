package command

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// TestReportReplacesLinks: a link that another user put there is not followed.
func TestReportReplacesLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	precious, page := filepath.Join(dir, "precious"), filepath.Join(dir, "report.html")
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, page); err != nil {
		t.Fatal(err)
	}
	r := &proof.Report{Account: "work\u202e\u009b", At: time.Unix(1e9, 0)}
	if err := writeHTMLFile(page, r, nil); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(precious); string(text) != "x" {
		t.Errorf("the link was followed: %q", text)
	}
	text, err := os.ReadFile(page)
	if err != nil || strings.ContainsAny(string(text), "\u202e\u009b") || !strings.Contains(string(text), `work\u202e\u009b`) {
		t.Errorf("%v\n%.300q", err, text)
	}
}

// TestReportKeepsWhatItMeets: a device stays one, and a file keeps its mode.
func TestReportKeepsWhatItMeets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link, page := filepath.Join(dir, "null"), filepath.Join(dir, "report.html")
	err := errors.Join(os.Symlink(os.DevNull, link), os.WriteFile(page, []byte("old"), 0o600), os.Chmod(page, 0o644))
	for _, path := range []string{link, page} {
		err = errors.Join(err, writeHTMLFile(path, &proof.Report{Account: "work", At: time.Unix(1e9, 0)}, nil))
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the device was replaced: %v %v", info, err)
	}
	if info, err := os.Stat(page); err != nil || info.Mode().Perm() != 0o644 || info.Size() < 100 {
		t.Errorf("%v %v", info, err)
	}
}

func TestJSONIsPrintable(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	if err := jsonline.Write(rec, jsonline.Summary{Account: "a\u202e\u009b\x7f"}); err != nil {
		t.Fatal(err)
	}
	if got := rec.Body.String(); !strings.Contains(got, `"a\u202e\u009b\u007f"`) {
		t.Error(got)
	}
}
