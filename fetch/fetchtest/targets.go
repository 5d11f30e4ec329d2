package fetchtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/http"
	"github.com/mailhaul/mailhaul/deliver/imap"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
	"github.com/mailhaul/mailhaul/deliver/smtp/smtptest"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/state"
)

// RecoverFuncs settle the intents of all kinds of targets.
func RecoverFuncs() map[string]deliver.RecoverFunc {
	return map[string]deliver.RecoverFunc{
		maildir.Kind: maildir.Recover, mbox.Kind: mbox.Recover, smtp.Kind: deliver.GiveUp, pipe.Kind: deliver.GiveUp,
		imap.Kind: deliver.GiveUp, http.Kind: deliver.GiveUp,
	}
}

// MaildirTarget delivers to a Maildir in the rig's directory.
func (g *Rig) MaildirTarget(name string) commit.Target {
	return commit.Target{ID: "maildir:" + g.Path(name), Deliverer: maildir.New(maildir.Options{Path: g.Path(name)})}
}

// MboxTarget delivers to an mbox in the rig's directory.
func (g *Rig) MboxTarget(name string) commit.Target {
	return commit.Target{ID: "mbox:" + g.Path(name),
		Deliverer: mbox.New(mbox.Options{Path: g.Path(name), LockTimeout: 50 * time.Millisecond})}
}

// RelayTarget delivers to host:port or to a unix socket.
func RelayTarget(addr string, lmtp bool, to ...string) commit.Target {
	kind, network := "smtp:", "tcp"
	if lmtp {
		kind = "lmtp:"
	}
	if filepath.IsAbs(addr) {
		network = "unix"
	}
	return commit.Target{ID: kind + addr, Deliverer: smtp.New(smtp.Options{
		LMTP: lmtp, Network: network, Address: addr, Security: smtp.NoTLS, To: to, Helo: "localhost", Timeout: 10 * time.Second})}
}

// TargetAt delivers to a relay of the test.
func TargetAt(r *smtptest.Relay, to ...string) commit.Target {
	return RelayTarget(r.Addr, r.LMTP, to...)
}

// PipeTarget runs a command line of sh, for 5 minutes if timeout is 0.
func PipeTarget(script string, timeout time.Duration) commit.Target {
	return commit.Target{ID: "pipe:sh", Deliverer: pipe.New(pipe.Options{Command: []string{"/bin/sh", "-c", script},
		Timeout: timeout, Grace: timeout / 3})}
}

// ClosedPort is an address at which nothing listens until the test ends.
func ClosedPort(t testing.TB) string {
	t.Helper()
	addr, release, err := pop3test.ClosedAddr()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return addr
}

// Numbered is a message whose subject is its number.
func Numbered(i int) []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@test>\r\nSubject: %d\r\n\r\nFrom here\r\n.dot\r\n", i, i)
}

// InMaildir returns how often each subject is in a Maildir.
func (g *Rig) InMaildir(name string) map[string]int {
	g.T.Helper()
	got := make(map[string]int)
	for _, sub := range []string{"new", "cur"} {
		files, _ := filepath.Glob(filepath.Join(g.Path(name), sub, "*"))
		for _, f := range files {
			got[smtptest.Subject(g.Read(f))]++
		}
	}
	return got
}

// InMbox returns how often each subject is in an mbox.
func (g *Rig) InMbox(name string) map[string]int {
	g.T.Helper()
	got := make(map[string]int)
	for _, m := range strings.Split("\n"+g.Read(g.Path(name)), "\nFrom ")[1:] {
		got[smtptest.Subject(m)]++
	}
	return got
}

// Each is one copy of each subject, with a recipient before it for a relay.
func Each(prefix string, subjects ...string) map[string]int {
	m := make(map[string]int)
	for _, s := range subjects {
		m[prefix+s] = 1
	}
	return m
}

// WantCopies fails the test if the copies in the target called what are not these.
func (g *Rig) WantCopies(what string, got, want map[string]int) {
	g.T.Helper()
	if !maps.Equal(got, want) {
		g.T.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// Outcomes are the targets with an outcome, in the words of `state show`.
func Outcomes(e state.Entry) string {
	var list []string
	for _, o := range e.Outcomes {
		kind, _, _ := strings.Cut(o.Target, ":")
		list = append(list, kind+" "+o.Status.String())
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// ReadBack reads back what a Maildir holds, as package command does.
func ReadBack(path string) (proof.Copies, error) {
	x, err := maildir.NewIndex(path)
	return copies{x}, err
}

type copies struct{ *maildir.Index }

func (c copies) Copy(_ context.Context, w io.Writer, receipt string, _ [sha256.Size]byte) (string, error) {
	f, err := c.Index.Open(receipt)
	if err != nil {
		return receipt, err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return f.Name(), err
}

func (copies) Close() error { return nil }
