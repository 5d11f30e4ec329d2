package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

// TestMessagesOfUsage: a wrong configuration or command line says that nothing
// was done, and how it is done right.
func TestMessagesOfUsage(t *testing.T) {
	t.Setenv("MAILHAUL_PASSWORD", thePassword)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	runMishaps(t, []mishap{
		{name: "wrong key", config: "    kep: all\n", exit: 78, names: "accounts.work.kep", says: `config.yaml:4:5: .*did you mean "keep"`, hint: "Fix this, then run `mailhaul check`; every key: man mailhaul.yaml", mail: notDone},
		{name: "not YAML", ground: func(s *scene) { s.write("config.yaml", "accounts: {work: [\n") }, exit: 78, names: "config.yaml:", says: "is not YAML", hint: "Fix this", mail: notDone},
		{name: "a directory", ground: func(s *scene) { _ = os.Mkdir(filepath.Join(s.vars["DIR"], "config.yaml"), 0o700) }, exit: 78, names: "config.yaml", says: "is a directory", hint: "Fix this", mail: notDone},
		{name: "no configuration", bare: true, exit: 78, names: "mailhaul/config.yaml", says: "no configuration at", hint: "Run `mailhaul init` to make one", mail: "no configuration"},
		{name: "no configuration: named", bare: true, args: "-c ${DIR}/none fetch", exit: 78, names: "${DIR}/none", says: "no configuration at", hint: "`mailhaul init`", mail: "no configuration"},
		{name: "no account is enabled", config: "    enabled: false\n", exit: 78, names: "config.yaml", says: "no account is enabled", hint: "Take `enabled: false` out, or name the account", mail: notDone},
		{name: "unknown account", args: "fetch wrok", exit: 64, names: `"wrok"`, says: `did you mean "work"`, hint: "`mailhaul status` lists the accounts", mail: notDone},
		{name: "unknown account: purge", args: "purge nobody", exit: 64, names: `"nobody"`, says: "there is: work", hint: "`mailhaul status` lists the accounts", mail: notDone},
		{name: "purge of nobody", args: "purge", exit: 64, names: "account", says: "name one account", hint: "`mailhaul status`", mail: notDone},
		{name: "unknown option", args: "fetch --delte", exit: 64, names: "--delte", says: `did you mean "--delete"|did you mean "delete"`, hint: "`mailhaul fetch --help` shows how", mail: notDone},
		{name: "unknown command", args: "fetsch", exit: 64, names: `"fetsch"`, says: "no command", hint: "`mailhaul help` lists the commands", mail: notDone},
		{name: "mark-seen of what", args: "state mark-seen work", exit: 64, names: "--all", says: "say which", hint: "`mailhaul state mark-seen --help`", mail: notDone},
		{name: "no plan file", args: "fetch --plan ${DIR}/none", exit: 64, names: "${DIR}/none", says: "--plan: ", hint: "`mailhaul plan --save FILE` writes such a file", mail: notDone},
		{name: "no manifest", args: "verify --manifest ${DIR}/none", exit: 64, names: "${DIR}/none", says: "--manifest: ", hint: "`mailhaul state export --manifest", mail: notDone},
		{name: "not a manifest", args: "verify --manifest ${DIR}/config.yaml", ground: first("plan"), exit: 65, names: "config.yaml", says: "line 1", hint: "compare it with a copy, or make a new one", mail: "It is not what"},
		{name: "no list to import", args: "state import work ${DIR}/none", ground: first("fetch"), exit: 64, names: "${DIR}/none", says: "no such file", hint: "Name a file that `mailhaul state export` wrote", mail: notDone},
		{name: "no such entry", args: "state forget work nope", ground: first("fetch"), exit: 65, names: "work: ", says: "nothing was forgotten", hint: "`mailhaul state ls work` lists them", mail: "nothing was forgotten"},
		{name: "state of nothing", args: "state ls work", exit: 73, names: "work: ", says: "no run has been made", hint: "Run `mailhaul fetch work` first", mail: "nothing is known yet"},
		{name: "client certificate", config: "    client_cert: ${DIR}/password\n    client_key: ${DIR}/password\n", exit: 78, names: "client_cert", says: "work: client_cert", hint: "client_cert and client_key are PEM files that belong together", mail: notDone},
	})
}

const from = "fetch --from pop3s://alice@${ADDR} --ca-file ${CA} --to maildir:${DIR}/Mail "

// TestMessagesOfFrom: without a configuration no hint names a key alone, for
// there is nowhere to put it.
func TestMessagesOfFrom(t *testing.T) {
	t.Setenv("MAILHAUL_PASSWORD", thePassword)
	ca := pop3test.NewCA()
	expired, other := ca.Expired("localhost", "127.0.0.1"), ca.WrongHost()
	plain := pop3test.Options{Security: pop3test.Plain}
	runMishaps(t, []mishap{
		{name: "no authority", bare: true, args: "fetch --from pop3s://alice@${ADDR} --to maildir:${DIR}/Mail", exit: 77, names: "alice@", says: "certificate is not trusted", hint: "--ca-file", mail: mended},
		{name: "no such CA file", bare: true, args: "fetch --from pop3s://alice@${ADDR} --ca-file ${DIR}/none --to maildir:${DIR}/Mail", exit: 64, names: "--ca-file: ${DIR}/none", says: "no such file", hint: "`mailhaul fetch --help`", mail: notDone},
		{name: "no CA in it", bare: true, args: "fetch --from pop3s://alice@${ADDR} --ca-file ${DIR}/password --to maildir:${DIR}/Mail", exit: 78, names: "${DIR}/password", says: "no PEM certificate", hint: ".", mail: notDone},
		{name: "password in the URL", bare: true, args: "fetch --from pop3s://alice:" + thePassword + "@${ADDR} --to maildir:${DIR}/Mail", exit: 64, names: "--from: ", says: "a password does not belong on the command line", hint: ".", mail: notDone},
		{name: "IMAP", bare: true, args: "fetch --from imaps://alice@${ADDR} --to maildir:${DIR}/Mail", exit: 64, names: "--from: ", says: "wants pop3s://", hint: ".", mail: notDone},
		{name: "nowhere to", bare: true, args: "fetch --from pop3s://alice@${ADDR}", exit: 64, names: "--to", says: "--from needs --to", hint: ".", mail: notDone},
		{name: "relay without TLS", bare: true, args: "fetch --from pop3s://alice@${ADDR} --to smtp://mx.example.org:25?rcpt=a@example.org&tls=none", exit: 64, names: "--to smtp://mx.example.org", says: "no TLS to another machine.*&insecure=true", hint: ".", mail: notDone},
		{name: "plain server", bare: true, server: plain, args: from, exit: 69, names: "alice@", says: "does not speak TLS", hint: "--from pop3://", mail: goesOn},
		{name: "plain server: STLS", bare: true, server: plain, args: "fetch --from pop3://alice@${ADDR} --to maildir:${DIR}/Mail", exit: 69, names: "alice@", says: "does not offer STLS", hint: "--from pop3s://", mail: goesOn},
		{name: "certificate expired", bare: true, server: pop3test.Options{CA: ca, Certificate: &expired}, args: from, exit: 77, names: "alice@", says: "is not valid now", hint: "pin: .* in a configuration file", mail: mended},
		{name: "certificate of another", bare: true, server: pop3test.Options{CA: ca, Certificate: &other}, args: from, exit: 77, names: "alice@", says: "is for other names", hint: "Use one of those names as the server", mail: mended},
		{name: "nothing listens", bare: true, ground: with(noListener), args: "fetch --from pop3s://alice@127.0.0.1:${CLOSED} --to maildir:${DIR}/Mail", exit: 69, names: "127.0.0.1:${CLOSED}", says: "connection refused", hint: "--from pop3s://", mail: goesOn},
		{name: "wrong password", bare: true, args: from + "--password-command=/bin/hostname", exit: 77, names: "alice@", says: "server refused", hint: "User name or password is wrong", mail: mended},
		{name: "no names: nothing deleted", bare: true, server: pop3test.Options{NoUIDL: true, NoTOP: true}, args: from, exit: 78, names: "alice@", says: `\(UIDL\)`, hint: "--delete for one run", mail: mended},
		{name: "target is a file", bare: true, args: "fetch --from pop3s://alice@${ADDR} --ca-file ${CA} --to maildir:${DIR}/password/Mail", exit: 73, names: "${DIR}/password/Mail", says: "not a directory", hint: "A part of that path is a file", mail: mended},
		{name: "plan", bare: true, args: "plan --from pop3s://alice@${ADDR} --to maildir:${DIR}/Mail", exit: 77, names: "alice@", says: "certificate is not trusted", hint: "--ca-file", mail: unchanged},
	})
}

// TestMessagesOfStops: a signal is answered with one true sentence.
func TestMessagesOfStops(t *testing.T) {
	stall := func(on string, nth int) pop3test.Options {
		return faulty(pop3test.Fault{On: on, Nth: nth, Do: pop3test.Stall()})
	}
	runMishaps(t, []mishap{
		{name: "fetch", msgs: 3, server: stall("RETR 2", 1), stop: "RETR 2", exit: 130, names: "mailhaul: ", says: "(?m)^mailhaul: stopped; ", mail: "what was fetched is delivered and recorded, nothing else was deleted from the server"},
		{name: "plan", args: "plan --save ${DIR}/plan", server: stall("UIDL", 1), stop: "UIDL", exit: 130, names: "mailhaul: ", says: "^mailhaul: stopped; ", mail: "nothing was changed, here or on the server\n$"},
		{name: "verify", args: "verify --server", server: stall("RETR 1", 2), ground: first("fetch"), stop: "RETR 1", exit: 130, names: "mailhaul: ", says: "^mailhaul: stopped; ", mail: "nothing was deleted, here or on the server\n$"},
		{name: "purge before", args: "purge work", msgs: 3, server: stall("UIDL", 2), ground: first("fetch"), stop: "UIDL", exit: 130, names: "mailhaul: ", says: "^mailhaul: stopped; ", mail: "purge deleted nothing from the server\n$"},
		{name: "purge at QUIT", args: "purge work", msgs: 3, server: stall("QUIT", 3), ground: first("fetch"), stop: "DELE 3", exit: 130, names: "mailhaul: ", says: "mailhaul: stopped; ", mail: "purge may have deleted 3 verified messages from the server, nothing else; run it again for the rest\n$"},
		{name: "purge at the proof", args: "purge work", msgs: 3, gone: 3, server: stall("UIDL", 4), ground: first("fetch"), stop: "UIDL", nth: 3, exit: 130, names: "mailhaul: ", says: "mailhaul: stopped; ", mail: "stopped; purge deleted 3 verified messages from the server, nothing else\n$"},
		{name: "mark-seen before", args: "state mark-seen work --all", msgs: 2, server: stall("UIDL", 1), stop: "UIDL", exit: 130, names: "mailhaul: ", says: "^mailhaul: stopped; ", mail: "nothing was marked, and no mail was fetched or deleted\n$"},
		{name: "mark-seen after", args: "state mark-seen work --all", msgs: 2, server: stall("QUIT", 1), stop: "QUIT", exit: 130, names: "mailhaul: ", says: "^mailhaul: stopped; ", mail: "2 messages marked as seen all the same; no mail was fetched or deleted\n$"},
		{name: "check", args: "check --connect", server: stall("UIDL", 1), stop: "UIDL", exit: 130, names: "mailhaul: ", says: "^mailhaul: stopped; ", mail: "no mail was fetched or deleted\n$"},
		{name: "report", args: "report work", server: stall("UIDL", 2), ground: first("fetch"), stop: "UIDL", exit: 130, names: "mailhaul: ", says: "^mailhaul: stopped; ", mail: "no mail was fetched or deleted\n$"},
	})
}
