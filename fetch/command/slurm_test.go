package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// slurmConfig is a cluster of this machine alone, with no keys and no accounting.
const slurmConfig = `ClusterName=test
SlurmctldHost=@HOST@(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
SlurmctldPort=@PORT1@
SlurmdPort=@PORT2@
StateSaveLocation=@DIR@
SlurmdSpoolDir=@DIR@/spool
SlurmctldPidFile=@DIR@/ctld.pid
SlurmdPidFile=@DIR@/d.pid
SlurmctldLogFile=@DIR@/ctld.log
SlurmdLogFile=@DIR@/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1
NodeName=@HOST@ NodeAddr=127.0.0.1 CPUs=8 RealMemory=8000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`

// startSlurm starts a private cluster and returns what its commands need.
func startSlurm(t *testing.T) (env []string) {
	t.Helper()
	for _, program := range []string{"slurmctld", "slurmd", "sbatch", "squeue", "sinfo"} {
		pop3test.Require(t, program)
	}
	if os.Getuid() != 0 {
		t.Skip("slurmd needs root")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "spool"), 0o755); err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	conf := strings.NewReplacer("@HOST@", host, "@DIR@", dir, "@PORT1@", freePort(t), "@PORT2@", freePort(t)).Replace(slurmConfig)
	path := filepath.Join(dir, "slurm.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	env = append(os.Environ(), "SLURM_CONF="+path)
	for _, daemon := range [][]string{{"slurmctld", "-D"}, {"slurmd", "-D", "-N", host}} {
		cmd := exec.Command(daemon[0], daemon[1:]...)
		cmd.Env = env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	}
	await(t, "an idle node", func() bool { return strings.Contains(slurm(env, "sinfo", "-h", "-o", "%T"), "idle") })
	return env
}

func freePort(t *testing.T) string {
	_, port, _ := strings.Cut(closedPort(t), ":")
	return port
}

func slurm(env []string, name string, arg ...string) string {
	cmd := exec.Command(name, arg...)
	cmd.Env = env
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 300 {
		if done() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited for %s", what)
}

// TestSlurm submits the script of docs/slurm.md: an array of tasks fetches each message of
// all accounts once. MAILHAUL_SLURM=400,8 plays that many accounts and tasks.
func TestSlurm(t *testing.T) {
	t.Parallel()
	accounts, tasks := 32, 4
	if s := os.Getenv("MAILHAUL_SLURM"); s != "" {
		if _, err := fmt.Sscanf(s, "%d,%d", &accounts, &tasks); err != nil {
			t.Fatal(err)
		}
	}
	env := startSlurm(t)
	dir := t.TempDir()
	var conf strings.Builder
	fmt.Fprintf(&conf, "state: %s/state\nparallel: 8\naccounts:\n", dir)
	for i := range accounts {
		drop := &pop3test.Maildrop{}
		drop.AddAll(pop3test.Corpus(uint64(i), 3))
		s := pop3test.NewServer(drop, pop3test.Options{Security: pop3test.Plain, Password: "secret"})
		t.Cleanup(s.Close)
		fmt.Fprintf(&conf, "  a%d: {server: %q, tls: none, user: alice, password: secret, deliver: [{maildir: %s/Mail%d}]}\n", i, s.Addr(), dir, i)
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "mailhaul.sbatch")
	if err := os.WriteFile(script, []byte(documentedBatch(t, dir, tasks)), 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if out := slurm(env, "sbatch", "--chdir", dir, script); !strings.Contains(out, "Submitted") {
		t.Fatal(out)
	}
	await(t, "the array", func() bool { return slurm(env, "squeue", "-h") == "" })
	t.Logf("%d accounts, %d tasks: %v", accounts, tasks, time.Since(began).Round(time.Second))
	logs, _ := filepath.Glob(filepath.Join(dir, "log-*.txt"))
	if len(logs) != tasks {
		t.Errorf("%d tasks wrote a log, want %d", len(logs), tasks)
	}
	for _, log := range logs {
		if text, _ := os.ReadFile(log); len(text) > 0 {
			t.Errorf("%s: %s", log, text)
		}
	}
	for i := range accounts {
		mail, _ := filepath.Glob(fmt.Sprintf("%s/Mail%d/new/*", dir, i))
		if len(mail) != 3 {
			t.Errorf("account %d has %d messages, want 3", i, len(mail))
		}
	}
}

// documentedBatch is the script of docs/slurm.md for this test.
func documentedBatch(t *testing.T, dir string, tasks int) string {
	page := readText(t, filepath.Join(treeRoot, "docs/slurm.md"))
	m := regexp.MustCompile("(?s)```sh\n(#!/bin/sh\n.*?)```").FindStringSubmatch(page)
	if m == nil {
		t.Fatal("docs/slurm.md has no script")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "mailhaul")); err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"--array=1-8", "/8\"", "exec mailhaul", "/shared/mailhaul"} {
		if !strings.Contains(m[1], must) {
			t.Fatalf("the script lacks %s", must)
		}
	}
	return strings.NewReplacer("--array=1-8", fmt.Sprintf("--array=1-%d", tasks), "/8\"", fmt.Sprintf("/%d\"", tasks),
		"exec mailhaul", "exec "+dir+"/mailhaul", "/shared/mailhaul", dir).Replace(m[1])
}
