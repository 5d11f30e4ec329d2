package advice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/ledger"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/proof"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// runRows are for what a run came to. Some add to what is known of the cause.
func runRows() []row {
	return []row{
		of(func(e *fetch.PartialError, at Situation) string {
			text := cmp.Or(first(e.First, at), "If it fails again, look at the message in the provider's web mail, and at the target.")
			if e.Failed > 1 {
				text += " -v names each of them."
			}
			return text
		}),
		of(func(e *fetch.QuarantineError, at Situation) string {
			return strings.TrimSpace(first(e.First, at) + " Read them there; once the cause is fixed, `mailhaul state forget " + at.account() +
				" UID...` has them delivered again." + at.needsFile())
		}),
		of(func(e *session.LoginDelayError, _ Situation) string {
			return "Run later, or use --wait " + ledger.Brief(e.Delay) + " to wait for it."
		}),
		of(func(e *fetch.PauseError, _ Situation) string {
			return otherSide + "Nothing has to be done: run later, or use --wait " + ledger.Brief(e.Wait.Round(time.Second)) + " to wait for it."
		}),
		is[*session.LimitError]("Nothing has to be done: what is left is fetched by the next run that the server allows. `limits` in mailhaul.yaml(5) keep runs below its limit."),
		is[*plan.ChangedError]("Look at `mailhaul plan` again and save it anew."),
		of(func(e *session.UnconfirmedError, at Situation) string {
			if c, ok := errors.AsType[*pop3.ConnError](e); ok && !e.Refused() && c.Timeout() {
				return connection(c, at)
			}
			return "If it stays so, look at the dialogue with -vv."
		}),
		of(func(e *commit.RecoveryError, at Situation) string {
			return cmp.Or(first(e.Err, at), "The message is on the server or in the target: fix the cause and run it again.")
		}),
		of(func(e *proof.PurgeError, at Situation) string {
			return cmp.Or(first(e.Unwrap(), at), "`mailhaul purge --dry-run` lists again and says what is left.")
		}),
		of(stateAdvice),
		func(err error, at Situation) string {
			if !errors.Is(err, state.ErrNotState) {
				return ""
			}
			return damaged + at.needsFile()
		},
		of(func(e *commit.RecipientError, _ Situation) string {
			if e.Rule.Occurrence > 0 {
				return "The recipient is never guessed from To or Cc: check `to: {header: ...}` against the message's header."
			}
			return "Check `headers` and `domains` under `to` against the message's header, or say with `unknown` where such messages go."
		}),
		of(func(e *session.NoIdentityError, _ Situation) string {
			if e.Later {
				return ""
			}
			return "Fetch works with this server if what is delivered is deleted there: `keep: none`, or --delete for one run."
		}),
		is[*session.UIDLRefusedError]("Nothing has to be done: nothing was fetched, so that nothing comes twice, and the next run asks again."),
		of(func(_ *session.UnknownMailError, at Situation) string {
			return fmt.Sprintf("If they are new, run `mailhaul state forget %[1]s --all`; if you have them, `mailhaul state mark-seen "+
				"%[1]s --all`; then fetch.", at.account()) + at.needsFile()
		}),
		is[*commit.UnknownKindError]("A newer mailhaul wrote it: use that one."),
		of(func(e *fetch.Error, at Situation) string {
			if e.Why == fetch.WhyInUse && at.Bare {
				return "Wait for it, or use --wait 10m."
			}
			return whyTexts[e.Why]
		}),
	}
}

// whyTexts are for the engine's own errors.
var whyTexts = map[fetch.Why]string{
	fetch.WhyInUse:       "Wait for it, or use --wait 10m; `mailhaul status` shows it.",
	fetch.WhyNoDates:     "Use --all or --all-but-newest N.",
	fetch.WhyStillListed: "The server may take its time: `mailhaul purge --dry-run` shows later what is left.",
	fetch.WhyNotDeleted:  "Look at the mailbox in the provider's web mail: some providers archive instead of deleting, by a setting.",
}

const damaged = "Put it back from a backup; or save what can be read with `mailhaul state export --salvage`, move the damaged file away, " +
	"and add what was saved with `mailhaul state import`. With `dedupe: content` the next fetch finds in a Maildir what is missing."

// stateAdvice is for a state file that cannot be used.
func stateAdvice(e *state.FileError, at Situation) string {
	version, _ := errors.AsType[*state.VersionError](e.Err)
	switch {
	case version != nil && version.Have > version.Want:
		return "Use the mailhaul that wrote it, or a later one."
	case version != nil:
		return "The next fetch upgrades it."
	}
	for _, c := range stateTexts {
		if errors.Is(e.Err, c.cause) {
			if c.text == damaged {
				return damaged + at.needsFile()
			}
			return c.text
		}
	}
	return "Look at the disk of that directory (dmesg), then run it again."
}

var stateTexts = []struct {
	cause error
	text  string
}{
	{state.ErrNotState, damaged},
	{os.ErrPermission, "Run it as the user who owns that directory, or name another directory with --state."},
	{syscall.EROFS, "The file system is mounted read-only: mount it writable, or name another directory with --state."},
	{syscall.ENOSPC, "The disk of the state is full: make room and run it again."},
	{syscall.EDQUOT, "The quota for the state is used up: make room and run it again."},
	{syscall.ENOLCK, "That file system gives no lock (NFS without its lock service?): name a directory on a local disk with --state."},
	{syscall.EMFILE, "Too many files are open: raise the limit (ulimit -n), or lower parallel."},
	{syscall.ENFILE, "Too many files are open: raise the limit (ulimit -n), or lower parallel."},
	{syscall.ENOTDIR, "A part of that path is a file: move it away, or name another directory with --state."},
	{context.DeadlineExceeded, ""},
}
