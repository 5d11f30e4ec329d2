package advice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/fetch/pop3"
	"github.com/mailhaul/mailhaul/fetch/session"
	"github.com/mailhaul/mailhaul/state"
)

// runRows are for what a run came to. Some add to what is known of the cause.
func runRows() []row {
	return []row{
		of(func(e *fetch.PartialError, at Situation) string {
			text := first(e.First, at)
			if text == "" {
				text = "If it fails again, look at the message in the provider's web mail, and at the target."
			}
			if e.Failed > 1 {
				text += " -v names each of them."
			}
			return text
		}),
		of(func(e *fetch.AsideError, at Situation) string {
			return strings.TrimSpace(first(e.First, at) + " Read them there; once the cause is fixed, `mailhaul state forget` with their UIDs has them delivered again.")
		}),
		of(func(e *session.LoginDelayError, _ Situation) string {
			return "Run later, or use --wait " + brief(e.Delay) + " to wait for it."
		}),
		of(func(*session.LimitError, Situation) string {
			return "Nothing has to be done: what is left is fetched by the next run that the server allows. `limits` in mailhaul.yaml(5) keep runs below its limit."
		}),
		of(func(*plan.ChangedError, Situation) string {
			return "Look at `mailhaul plan` again and save it anew."
		}),
		of(func(e *session.UnconfirmedError, at Situation) string {
			if c, ok := errors.AsType[*pop3.ConnError](e); ok && !e.Refused() && c.Timeout() {
				return connection(c, at)
			}
			return "If it stays so, look at the dialogue with -vv."
		}),
		of(func(e *commit.RecoveryError, at Situation) string {
			if text := first(e.Err, at); text != "" {
				return text
			}
			return "The message is on the server or in the target: fix the cause and run it again."
		}),
		of(func(e *fetch.PurgeError, at Situation) string {
			if text := first(e.Unwrap(), at); text != "" {
				return text
			}
			return "`mailhaul purge --dry-run` lists again and says what is left."
		}),
		of(stateAdvice),
		when(func(err error) bool { return errors.Is(err, state.ErrNotState) }, damaged),
		of(func(*commit.RecipientError, Situation) string {
			return "The recipient is never guessed from To or Cc: check `to: {header: ...}` against the message's header."
		}),
		of(func(e *session.NoIdentityError, _ Situation) string {
			if e.Later {
				return ""
			}
			return "Fetch works with this server if what is delivered is deleted there: `keep: none`, or --delete for one run."
		}),
		of(func(*session.UIDLRefusedError, Situation) string {
			return "Nothing has to be done: nothing was fetched, so that nothing comes twice, and the next run asks again."
		}),
		of(func(_ *session.UnknownMailError, at Situation) string {
			return fmt.Sprintf("If they are new, run `mailhaul state forget %[1]s --all`; if you have them, `mailhaul state mark-seen %[1]s --all`; then fetch.", at.account())
		}),
		of(func(*commit.UnknownKindError, Situation) string { return "A newer mailhaul wrote it: use that one." }),
		of(func(e *fetch.Error, _ Situation) string { return whyTexts[e.Why] }),
	}
}

// whyTexts are for the engine's own errors.
var whyTexts = map[fetch.Why]string{
	fetch.WhyInUse:       "Wait for it, or use --wait 10m; `mailhaul status` shows it.",
	fetch.WhyNoDates:     "Use --all or --all-but-newest N.",
	fetch.WhyStillListed: "The server may take its time: `mailhaul purge --dry-run` shows later what is left.",
	fetch.WhyNotDeleted:  "Look at the mailbox in the provider's web mail: some providers archive instead of deleting, by a setting.",
}

// brief is a duration without its zeros: 15m, not 15m0s.
func brief(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if rest := strings.TrimSuffix(s, zero); strings.HasSuffix(rest, "m") || strings.HasSuffix(rest, "h") {
			s = rest
		}
	}
	return s
}

const damaged = "Put it back from a backup; or save what can be read with `mailhaul state export --salvage`, move the damaged file away, " +
	"and add what was saved with `mailhaul state import`. With `dedupe: content` the next fetch finds in a Maildir what is missing."

// stateAdvice is for a state file that cannot be used.
func stateAdvice(e *state.FileError, _ Situation) string {
	version, _ := errors.AsType[*state.VersionError](e.Err)
	is := func(target error) bool { return errors.Is(e.Err, target) }
	switch {
	case version != nil && version.Have > version.Want:
		return "Use the mailhaul that wrote it, or a later one."
	case version != nil:
		return "The next fetch upgrades it."
	case is(state.ErrNotState):
		return damaged
	case is(os.ErrPermission):
		return "Run it as the user who owns that directory, or name another directory with --state."
	case is(syscall.EROFS):
		return "The file system is mounted read-only: mount it writable, or name another directory with --state."
	case is(syscall.ENOSPC), is(syscall.EDQUOT):
		return "The disk of the state is full: make room and run it again."
	case is(syscall.ENOLCK):
		return "That file system gives no lock (NFS without its lock service?): name a directory on a local disk with --state."
	case is(syscall.EMFILE), is(syscall.ENFILE):
		return "Too many files are open: raise the limit (ulimit -n), or lower parallel."
	case is(syscall.ENOTDIR):
		return "A part of that path is a file: move it away, or name another directory with --state."
	case is(context.DeadlineExceeded):
		return ""
	}
	return "Look at the disk of that directory (dmesg), then run it again."
}
