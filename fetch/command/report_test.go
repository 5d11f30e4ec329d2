package command

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

// madeUp is the report of a mailbox that grew over the years; trouble of n/100
// failed and n/100 refused messages.
func madeUp(n, years int, trouble bool) *proof.Report {
	r := rand.New(rand.NewPCG(1, 2))
	end := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	rep := &proof.Report{Account: "old-provider", ID: "alice@pop.example.org", At: end,
		Counts: proof.Counts{Known: n, Delivered: n, Verified: n, Deleted: n - 12},
		Dates:  proof.Dates{First: end.AddDate(-years, 0, 0), Last: end}, Server: &proof.ServerSide{Listed: 12, Here: 12, Size: 345678}}
	for m := range years * 12 {
		count := n * 2 * (m + 1) / (years * 12 * (years*12 + 1)) * (50 + r.IntN(100)) / 100
		size := int64(count) * int64(20_000+r.IntN(60_000))
		rep.Bytes += size
		rep.Months = append(rep.Months, proof.Month{Month: end.AddDate(-years, m+1, -19).Format("2006-01"), Messages: count, Bytes: size})
	}
	rep.Sizes = []proof.SizeClass{{Below: 10 << 10, Messages: n / 2, Bytes: int64(n) << 11},
		{Below: 100 << 10, Messages: n / 2, Bytes: int64(n) << 14}, {Messages: 0}}
	for i := range 10 {
		rep.Largest = append(rep.Largest, proof.Inspected{Entry: state.Entry{Size: int64(30-i) << 20}, Date: end.AddDate(0, -i, 0),
			MessageID: fmt.Sprintf("<%d.%s@mail.example.org>", i, strings.Repeat("3fa9", 12))})
	}
	if !trouble {
		return rep
	}
	rep.Reasons = []proof.Remark{{Text: "on the server 3 messages are never fetched", Next: proof.Fetch},
		{Text: "12 messages are on record as failed and not delivered since"}}
	rep.Notes = []proof.Remark{{Text: "7 messages are in the quarantine only, which a target refused: look there before the state " +
		"directory is removed"}}
	for i := range n / 100 {
		key := state.NewKey(fmt.Sprintf("%032x<b>&\x1b[31m", i), 0)
		rep.Failures = append(rep.Failures,
			state.Failure{Key: key, Count: 3, Err: `smtp: data: 554 5.7.1 <script>alert("x")</script> refused`})
		rep.InQuarantine = append(rep.InQuarantine,
			proof.Inspected{Entry: state.Entry{Key: key}, MessageID: fmt.Sprintf("<%d@spam.example>", i),
				Copies: []proof.Copy{{Target: "smtp:relay", Status: state.Quarantined,
					Where: fmt.Sprintf("/home/alice/.local/state/mailhaul/quarantine/"+
						"alice@pop.example.org/new/1700000000.R0123456789abcdefQ%d.host,S=2345", i)}}})
	}
	rep.Quarantined = len(rep.InQuarantine)
	return rep
}

// TestReportPage: one page that needs nothing else, of bounded size, in which
// nothing of a message or a server becomes markup. With MAILHAUL_PAGES set to a
// directory the pages are left there, to be looked at.
func TestReportPage(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MAILHAUL_PAGES")
	if dir == "" {
		dir = t.TempDir()
	}
	outside := regexp.MustCompile(`(?i)(src|href)\s*=|url\(|@import|<script|<link`)
	for name, rep := range map[string]*proof.Report{
		"empty":   {Account: "new", ID: "new", At: time.Now(), Reasons: []proof.Remark{{Text: "the server was not asked what it holds"}}},
		"few":     madeUp(1_000, 3, false),
		"one":     {Account: "one", ID: "one", At: time.Now(), Dates: proof.Dates{Months: []proof.Month{{Month: "2026-01", Messages: 1}}}},
		"many":    madeUp(100_000, 24, false),
		"trouble": madeUp(100_000, 24, true),
	} {
		path := filepath.Join(dir, name+".html")
		if err := writeHTMLFile(path, rep, []string{"maildir:/home/alice/Mail/<b>"}); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 150<<10 {
			t.Errorf("%s: %d bytes", name, len(page))
		}
		if found := outside.Find(page); found != nil {
			t.Errorf("%s: %q", name, found)
		}
		if bytes.ContainsRune(page, '\x1b') {
			t.Errorf("%s: a control character", name)
		}
		if verdict := fmt.Sprintf("Safe to close this account: %s",
			map[bool]string{true: "yes", false: "no"}[rep.Safe()]); !bytes.Contains(page, []byte(verdict)) {
			t.Errorf("%s lacks %q", name, verdict)
		}
		for _, want := range []string{"maildir:/home/alice/Mail/&lt;b&gt;", "by mailhaul " + version(), "(max-width: 40rem)",
			"width=device-width"} {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if bytes.ContainsRune(page, '`') ||
			strings.Contains(name, "trouble") != bytes.Contains(page, []byte("<code>mailhaul fetch old-provider</code>")) {
			t.Errorf("%s: commands are not marked as such", name)
		}
		if rep.Months != nil && !bytes.Contains(page, []byte(`<text x=`)) {
			t.Errorf("%s: no year is left for a narrow screen", name)
		}
		if n := bytes.Count(page, []byte("<rect")); n != 2*len(rep.Months) {
			t.Errorf("%s: %d bars for %d months", name, n, len(rep.Months))
		}
		if name == "one" && !bytes.Contains(page, []byte("1 message, ")) {
			t.Errorf("%s: 1 message is many", name)
		}
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st, err)
		}
		var text bytes.Buffer
		writeReport(&text, rep)
		if text.Len() > 50<<10 || strings.ContainsRune(text.String(), '\x1b') {
			t.Errorf("%s as text: %d bytes", name, text.Len())
		}
	}
}
