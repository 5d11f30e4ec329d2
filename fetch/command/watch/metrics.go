package watch

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/fetch/sources"
	"github.com/mailhaul/mailhaul/state"
)

// Metrics are written by hand in Prometheus' text format: they are figures of
// the status files, which outlive the process, and not counters of a process.
// The libraries for it keep counters, and the light one writes neither help
// texts nor histograms that Prometheus reads.

// Metric is one family of samples.
type Metric struct {
	Name, kind, help string
	samples          func(s *state.StatusFile, emit func(labels string, v float64))
}

// Metrics are all families of an account.
func Metrics() []Metric {
	count := func(of func(*state.StatusFile) int64) func(*state.StatusFile, func(string, float64)) {
		return func(s *state.StatusFile, emit func(string, float64)) { emit("", float64(of(s))) }
	}
	stamp := func(of func(*state.StatusFile) time.Time) func(*state.StatusFile, func(string, float64)) {
		return func(s *state.StatusFile, emit func(string, float64)) {
			if t := of(s); !t.IsZero() {
				emit("", float64(t.UnixMilli())/1000)
			}
		}
	}
	return []Metric{
		{"mailhaul_fetched_messages_total", "counter", "Messages delivered.",
			count(func(s *state.StatusFile) int64 { return s.Totals.Fetched })},
		{"mailhaul_fetched_bytes_total", "counter", "Bytes of the messages delivered.",
			count(func(s *state.StatusFile) int64 { return s.Totals.Bytes })},
		{"mailhaul_deleted_messages_total", "counter", "Messages deleted from the server.",
			count(func(s *state.StatusFile) int64 { return s.Totals.Deleted })},
		{"mailhaul_failed_messages_total", "counter", "Failures to retrieve or deliver a message.",
			count(func(s *state.StatusFile) int64 { return s.Totals.Failed })},
		{"mailhaul_set_aside_messages_total", "counter", "Messages that a target refused and that were quarantined.",
			count(func(s *state.StatusFile) int64 { return s.Totals.Quarantined })},
		{"mailhaul_runs_total", "counter", "Runs by what they came to.", runsByResult},
		{"mailhaul_run_duration_seconds", "summary", "Time that runs took.", durations},
		{"mailhaul_last_run_timestamp_seconds", "gauge", "When the last run began.", stamp(func(s *state.StatusFile) time.Time {
			if s.LastRun == nil {
				return time.Time{}
			}
			return s.LastRun.Started
		})},
		{"mailhaul_last_run_exit_code", "gauge", "Exit code of the last run, 0 for success.",
			func(s *state.StatusFile, emit func(string, float64)) {
				if s.LastRun != nil {
					emit("", float64(s.LastRun.Exit))
				}
			}},
		{"mailhaul_last_success_timestamp_seconds", "gauge", "When the last run without any failure began.",
			stamp(func(s *state.StatusFile) time.Time { return s.LastSuccess })},
		{"mailhaul_no_success_since_timestamp_seconds", "gauge", "Since when there is no success; absent while all is well.",
			stamp(func(s *state.StatusFile) time.Time { return s.Failing() })},
		{"mailhaul_next_run_timestamp_seconds", "gauge", "When loop starts the next run.",
			stamp(func(s *state.StatusFile) time.Time { return s.NextRun })},
		{"mailhaul_running", "gauge", "Whether a run is in progress.", count(func(s *state.StatusFile) int64 {
			if s.Running() {
				return 1
			}
			return 0
		})},
		{"mailhaul_known_uids", "gauge", "Messages that the state knows.", count(func(s *state.StatusFile) int64 { return int64(s.Known) })},
		{"mailhaul_server_messages", "gauge", "Messages on the server at the last listing.",
			count(func(s *state.StatusFile) int64 { return int64(s.Listed) })},
		{"mailhaul_token_expiry_timestamp_seconds", "gauge", "When the OAuth access token ends; mailhaul renews it.",
			stamp(func(s *state.StatusFile) time.Time { return s.TokenExpiry })},
		{"mailhaul_login_expiry_timestamp_seconds", "gauge", "When a person must log in to OAuth again.",
			stamp(func(s *state.StatusFile) time.Time { return s.LoginExpiry })},
	}
}

// resultWords name the exit codes; each is a class of failure.
var resultWords = [...]struct {
	exit int
	word string
}{
	{0, "ok"}, {65, "messages_failed"}, {69, "unreachable"}, {70, "bug"}, {73, "cannot_create"}, {74, "io_error"},
	{75, "try_later"}, {76, "protocol"}, {77, "login_refused"}, {78, "config"}, {130, "interrupted"}, {143, "terminated"},
}

// runsByResult emits the common results always, so that a rate of them is 0
// and not missing.
func runsByResult(s *state.StatusFile, emit func(string, float64)) {
	named := make(map[int]bool)
	for _, r := range resultWords {
		named[r.exit] = true
		if n := s.Totals.Runs[r.exit]; n > 0 || r.exit < 70 || r.exit == 77 {
			emit(`result="`+r.word+`"`, float64(n))
		}
	}
	for _, exit := range slices.Sorted(maps.Keys(s.Totals.Runs)) {
		if !named[exit] {
			emit(`result="exit_`+strconv.Itoa(exit)+`"`, float64(s.Totals.Runs[exit]))
		}
	}
}

func durations(s *state.StatusFile, emit func(string, float64)) {
	var runs int64
	for _, n := range s.Totals.Runs {
		runs += n
	}
	emit("_sum", s.Totals.Seconds)
	emit("_count", float64(runs))
}

// Reloads are what loop knows of its configuration: how the last attempt to
// read it ended. Without a loop (zero) there are no samples of it.
type Reloads struct {
	mu      sync.Mutex
	failed  bool
	since   time.Time // the last success
	sources func() []sources.Status
}

// Follow sets what knows of the sources of accounts.
func (r *Reloads) Follow(of func() []sources.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = of
}

// SourceMetrics are the families of a source of accounts; each has the label source.
func SourceMetrics() []string {
	return []string{"mailhaul_source_up", "mailhaul_source_accounts", "mailhaul_source_rejected", "mailhaul_source_last_success_timestamp_seconds"}
}

// writeSources writes the families of SourceMetrics, if there are sources.
func (r *Reloads) writeSources(w io.Writer) {
	r.mu.Lock()
	of := r.sources
	r.mu.Unlock()
	if of == nil {
		return
	}
	list, names := of(), SourceMetrics()
	help := []string{"Whether the last attempt to read the accounts of a source gave a list.", "Accounts of the list in use.",
		"Mistakes in the last list.", "When a list was last taken; 0 for never."}
	for i, name := range names {
		for j := range list {
			s := &list[j]
			if j == 0 {
				fmt.Fprintf(w, "# HELP %[1]s %[2]s\n# TYPE %[1]s gauge\n", name, help[i])
			}
			v := []int64{1, int64(s.Accounts), int64(s.Rejected), max(s.Good.Unix(), 0)}[i]
			if i == 0 && (s.Failing || s.Good.IsZero()) {
				v = 0
			}
			fmt.Fprintf(w, "%s{source=%s} %d\n", name, label(s.Source), v)
		}
	}
}

// Done records an attempt and its time.
func (r *Reloads) Done(at time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err != nil
	if err == nil {
		r.since = at
	}
}

// The names are Prometheus' own for its configuration, after the prefix.
const (
	ReloadSuccessful  = "mailhaul_config_last_reload_successful"
	ReloadSuccessTime = "mailhaul_config_last_reload_success_timestamp_seconds"
)

func (r *Reloads) write(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		return
	}
	good := 1
	if r.failed {
		good = 0
	}
	fmt.Fprintf(w, "# HELP %[1]s Whether loop took over the configuration at the last attempt.\n# TYPE %[1]s gauge\n%[1]s %[2]d\n", ReloadSuccessful, good)
	fmt.Fprintf(w, "# HELP %[1]s When loop last took over the configuration.\n# TYPE %[1]s gauge\n%[1]s %[2]s\n", ReloadSuccessTime,
		strconv.FormatFloat(float64(r.since.UnixMilli())/1000, 'f', -1, 64))
}

// figures are what metrics are made of.
type figures struct {
	accounts []state.StatusFile
	reloads  *Reloads
	version  string
}

// writeMetrics writes all families of all accounts in the text format 0.0.4.
func writeMetrics(out io.Writer, f figures) error {
	list, version := f.accounts, f.version
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "# HELP mailhaul_build_info The version that wrote this.\n# TYPE mailhaul_build_info gauge\nmailhaul_build_info{version=%s} 1\n", label(version))
	f.reloads.write(w)
	f.reloads.writeSources(w)
	for _, m := range Metrics() {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", m.Name, m.help, m.Name, m.kind)
		for i := range list {
			account := "account=" + label(list[i].Account)
			m.samples(&list[i], func(labels string, v float64) {
				name := m.Name
				if strings.HasPrefix(labels, "_") {
					name, labels = name+labels, ""
				}
				if labels != "" {
					labels = "," + labels
				}
				fmt.Fprintf(w, "%s{%s%s} %s\n", name, account, labels, strconv.FormatFloat(v, 'f', -1, 64))
			})
		}
	}
	return w.Flush()
}

// label quotes a label's value.
func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// writeMetricsFile replaces the file at path in one step, readable for all as
// node_exporter wants it. It holds no secrets.
func writeMetricsFile(path string, f figures) error {
	var b bytes.Buffer
	if err := writeMetrics(&b, f); err != nil {
		return err
	}
	return durable.Swap(path, 0o644, b.Bytes())
}
