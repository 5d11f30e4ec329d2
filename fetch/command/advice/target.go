package advice

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/mailhaul/mailhaul/deliver"
	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/files"
	"github.com/mailhaul/mailhaul/deliver/login"
	"github.com/mailhaul/mailhaul/deliver/maildir"
	"github.com/mailhaul/mailhaul/deliver/mbox"
	"github.com/mailhaul/mailhaul/deliver/pipe"
	"github.com/mailhaul/mailhaul/deliver/smtp"
)

// targetRows are for targets: what each kind of target says about itself, then what the
// system says about a file.
func targetRows() []row {
	return []row{
		is[*deliver.GoneError]("Mount its volume. If it was removed for good, `mailhaul fetch --create-target` makes it anew, for that run. " +
			"If the account does not use it any more, make an empty directory (or mbox file) there once."),
		of(func(e *durable.NotOursError, _ Situation) string {
			if e.Owner != "" {
				return "Look who made it, and remove it or name another place."
			}
			return "If it is yours: chmod go-w " + e.Path + "."
		}),
		is[*deliver.TempError]("Set TMPDIR to a directory with room for a batch."),
		is[*files.MIMEError]("Look at the message in the quarantine, or in the mailbox: its attachments are damaged, or it is hostile."),
		of(relay),
		is[*pipe.StartError]("Check the command of the target: a path, or a program in PATH, that may be executed. It is not run by a shell."),
		of(commandStatus),
		of(func(e *mbox.LockedError, _ Situation) string {
			text := "Another mail program is busy with this mbox, or left FILE.lock behind"
			if file := e.DotLock(); file != "" {
				text += "; if none is running, remove " + file
			}
			return text + "."
		}),
		of(func(e *mbox.LinkError, _ Situation) string {
			if e.Untrusted {
				return "Name the file that it points to."
			}
			return "Make the file that the link points to, or remove the link."
		}),
		ofTarget("Remove the other names, or copy the file.", mbox.ErrLinks),
		ofTarget("Does every program that writes to this mbox lock it?", mbox.ErrNotLocked),
		ofTarget("For a Maildir use `maildir:` instead of `mbox:`.", syscall.EISDIR),
		ofTarget("A part of that path is a file, not a directory: name another path, or move the file away. An mbox file is named with `mbox:`, not with `maildir:`.", syscall.ENOTDIR),
		func(err error, at Situation) string {
			if os.Geteuid() != 0 {
				return ""
			}
			return ofTarget("The file system refuses even root: SELinux or AppArmor (see journalctl for a denial), or a read-only or network mount.", syscall.EACCES)(err, at)
		},
		ofTarget("This user may not write there: check the owner and mode of the path and of the directories above it (is the group mail missing?). "+
			"If these are right, SELinux or AppArmor may forbid it: see journalctl for a denial.", os.ErrPermission),
		ofTarget("The disk is full, or the quota is used up: make room. Messages stay on the server until there is some.", syscall.ENOSPC, syscall.EDQUOT),
		ofTarget("The file system gives no lock: on NFS the lock service may be down on the server or here (rpc.statd, nfslock). "+
			"Start it, or keep the mbox and the state (--state) on a local disk.", syscall.ENOLCK),
		ofTarget("This process has as many files and connections open as it may: raise the limit (ulimit -n, LimitNOFILE=), or lower parallel.", syscall.EMFILE, syscall.ENFILE),
		ofTarget("The file system is mounted read-only: mount it writable, or name another path.", syscall.EROFS),
		of(maildirAdvice),
		of(func(e *deliver.Error, _ Situation) string {
			if e.Class != deliver.Unavailable {
				return ""
			}
			return "Messages stay on the server until the target takes them."
		}),
	}
}

// ofTarget is a row for a target's error with one of the causes.
func ofTarget(text string, causes ...error) row {
	return of(func(e *deliver.Error, _ Situation) string {
		if !slices.ContainsFunc(causes, func(c error) bool { return errors.Is(e, c) }) {
			return ""
		}
		return text
	})
}

// maildirAdvice is for what only a Maildir can suffer from.
func maildirAdvice(e *maildir.Error, _ Situation) string {
	switch {
	case errors.Is(e, fs.ErrNotExist) && e.Recovering:
		return "Mount its volume; if the Maildir was removed for good, make an empty one there with tmp, new and cur."
	case errors.Is(e, fs.ErrNotExist):
		return "Was the Maildir removed or unmounted meanwhile?"
	case errors.Is(e, syscall.EXDEV):
		return "tmp and new of a Maildir must be on one file system."
	case errors.Is(e, syscall.ENAMETOOLONG), errors.Is(e, syscall.ELOOP):
		return "The path is too long, or a link in it leads back to itself: name another one."
	case errors.As(e, new(syscall.Errno)):
		return "The disk or its file system reports an error (see dmesg)."
	}
	return ""
}

// commandStatus is for the statuses of sysexits.h and of shells.
func commandStatus(e *deliver.Error, _ Situation) string {
	ended, ok := errors.AsType[*pipe.StatusError](e)
	switch {
	case !ok:
		return ""
	case ended.Status == 77 && e.Class == deliver.Later:
		return "The mailbox is full. Messages stay on the server until there is room."
	case e.Class != deliver.CannotCreate:
		return ""
	}
	return statusTexts[ended.Status]
}

var statusTexts = map[int]string{
	64:  "The command does not understand its arguments.",
	67:  "The command knows no such user: check its arguments.",
	68:  "The command knows no such user: check its arguments.",
	72:  "The command cannot open its mailbox or a file that it needs.",
	73:  "The command cannot open its mailbox or a file that it needs.",
	78:  "The command's own configuration is wrong.",
	126: "A program that the command runs is missing or not executable.",
	127: "A program that the command runs is missing or not executable.",
}

func relay(e *smtp.Error, at Situation) string {
	if text := cmp.Or(firstOf(tokenRows(), e.Err, at), refusedToken(e)); text != "" {
		return "This is the relay that the mail goes to, not the server that it comes from. " + text
	}
	if e.Cause == smtp.Unreachable && errors.Is(e, syscall.ECONNREFUSED) {
		return "The mail server that is the target takes no connections: is the relay running, and are its name and port right? Messages stay where they are until it does."
	}
	return relayTexts[e.Cause]
}

// refusedToken is for an access token that the server of a target refused, also a new
// one: the login is there, and does not let the user in.
func refusedToken(err error) string {
	e, ok := errors.AsType[*login.TokenError](err)
	way, _ := errors.AsType[*smtp.Error](err)
	switch {
	case !ok:
		return ""
	case way != nil && way.Cause == smtp.OtherLogin:
		return "Its server takes no token here, also no new one: at Exchange Online an administrator may have to allow SMTP AUTH for the mailbox (docs/oauth.md)."
	case e.Name == "":
		return "Its server refused the access token: does what `token` runs print one for this user and this use?"
	}
	return "Its server refused the access token of the login " + e.Name + ": is `user` of the target who gave consent? Else log in anew: run `mailhaul login " +
		e.Name + "`."
}

var relayTexts = map[smtp.Cause]string{
	smtp.Unreachable:   "Is the relay running, and are its name and port right?",
	smtp.TLSNotOffered: "Use tls: implicit, or tls: none where the network is trusted (in --to: ?tls=implicit, ?tls=none).",
	smtp.Untrusted:     "The relay's certificate is not trusted: set ca_file or server_name of the target in a configuration file.",
	smtp.NoRecipient:   "Set `to` of the target (in --to: ?rcpt=ADDR).",
	smtp.LoginWanted:   "The relay wants a login: set user and password of the target in a configuration file.",
	smtp.NotSMTP:       "Is that an SMTP or LMTP server, and its port?",
	smtp.Lost:          "Messages stay on the server until the relay takes them.",
	smtp.Busy:          "Messages stay on the server until the relay takes them.",
	smtp.InDoubt:       "A later run sends it again: then it may arrive twice.",
	smtp.Tampered:      "Somebody may be tampering with the connection.",
	smtp.TLSFailed:     "Do TLS and the port of the relay belong together?",
	smtp.Insecure:      "Set tls: starttls or implicit for the target.",
	smtp.NoLogin: "Does the relay want TLS first, another way to log in (oauth), or no login at all? Then set tls, another secret, or leave user and " +
		"password out.",
	smtp.LoginRefused: "The relay refused user or password: are those of the target right? A relay may announce SCRAM and keep no passwords for it: then set auth: plain.",
	smtp.OtherLogin: "The relay does not take this way to log in: use an app password, or `oauth` of the target. At Exchange Online an administrator may have " +
		"to allow SMTP AUTH for the mailbox; passwords are no longer taken there (docs/oauth.md).",
	smtp.SenderRefused:      "The relay refuses the sender: set `from` of the target to an address that it takes.",
	smtp.RecipientFull:      "The recipient's mailbox is full. Messages stay on the server until there is room.",
	smtp.RecipientRefused:   "The relay does not take mail for this recipient: check `to` (in --to: rcpt=).",
	smtp.HelloRefused:       "The relay does not take our name: set `helo` of the target to a name that the DNS knows for this machine.",
	smtp.ClientRefused:      "The relay does not take mail from this machine: ask its administrator, or use another one.",
	smtp.BadRecipient:       "Check `to` of the target.",
	smtp.SenderNeedsUTF8:    "Set `from` of the target to an ASCII address, or use a relay with SMTPUTF8 (RFC 6531).",
	smtp.RecipientNeedsUTF8: "Use a relay with SMTPUTF8 (RFC 6531).",
}
