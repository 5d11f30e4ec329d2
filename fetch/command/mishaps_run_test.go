package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailhaul/mailhaul/fetch/pop3/pop3test"
)

const (
	refusing = "    deliver: [{pipe: {command: [sh, -c, \"echo no room >&2; exit 65\"]}}]\n"
	waiting  = "    deliver: [{pipe: {command: [sh, -c, \"exit 75\"]}}]\n"
	deletes  = "    keep: none\n"
)

func faulty(f ...pop3test.Fault) pop3test.Options { return pop3test.Options{Faults: f} }

// TestMessagesOfRuns: what goes wrong on the way of the mail, from the secret to
// QUIT.
func TestMessagesOfRuns(t *testing.T) {
	runMishaps(t, []mishap{
		{name: "a refused message", config: refusing + "    on_reject: keep\n", exit: 65, names: "work: ", says: `1 message failed and stays on the server: .*no room`, hint: ".", mail: goesOn},
		{name: "refused: one delivered before and deleted", msgs: 2, config: strings.Replace(refusing, "echo", "grep -q x1 && exit 0; echo", 1) + deletes + "    on_reject: keep\n", exit: 65, gone: 1,
			names: "work: ", says: `1 message failed and stays on the server`, hint: ".", mail: `(?m)^  mail: this run deleted 1 delivered message from the server, nothing else; the next run goes on from here$`},
		{name: "set aside", msgs: 2, config: refusing + "    on_reject: quarantine\n" + deletes, exit: 65, names: "work: ", says: `2 messages are refused for good and now in the quarantine, .*; still on the server, not tried again`, hint: "Read them there; .*`mailhaul state forget`", mail: goesOn},
		{name: "a command that is not there", config: "    deliver: [{pipe: {command: [/no/such/program]}}]\n", exit: 73, names: "work: ", says: "/no/such/program", hint: "Check the command of the target", mail: mended},
		{name: "a command that says later", config: waiting, exit: 65, names: "work: ", says: "stays on the server", hint: ".", mail: goesOn},
		{name: "one of two targets is down", config: "    deliver: [{maildir: \"${DIR}/Mail\"}, {smtp: {server: \"127.0.0.1:${CLOSED}\", to: [a@localhost], tls: none}}]\n" + deletes, ground: with(noListener), exit: 75,
			names: "work: smtp 127.0.0.1:${CLOSED}: ", says: `connection refused`, hint: "The mail server that is the target takes no connections", mail: goesOn},
		{name: "a relay that is no relay", config: "    deliver: [{smtp: {server: \"localhost:${PORT}\", to: [a@localhost], tls: none, timeout: 1s}}]\n", exit: 75, names: "work: smtp localhost:${PORT}: ", says: ".", hint: "Messages stay on the server|is that an SMTP", mail: goesOn},
		{name: "proxy down", config: "    proxy: socks5://127.0.0.1:${CLOSED}\n", ground: with(noListener), exit: 69, names: "work: connect localhost:${PORT} through proxy 127.0.0.1:${CLOSED}: ", says: "connection refused", hint: "Is the proxy up, and is it the right one", mail: goesOn},
		{name: "proxy does not want to", config: "    proxy: http://${PROXY}\n    server: localhost:1\n", ground: refusingProxy, exit: 69, names: "through proxy ${PROXY}: ", says: `it refuses to connect to the server \(CONNECT\): .502 Bad`, hint: "Is the proxy up", mail: goesOn},
		{name: "tunnel ends", config: "    tunnel: [sh, -c, \"echo no route >&2; exit 1\"]\n", exit: 69, names: "work: ", says: "no route", hint: "The command of `tunnel` has to be the connection", mail: goesOn},
		{name: "no second login yet", server: pop3test.Options{LoginDelay: 15 * 60e9}, ground: first("fetch"), exit: 75, names: "work: ", says: `the server allows one login every 15m; the next is due in 1[45]m`, hint: "Run later, or use --wait 15m to wait for it", mail: goesOn},
		{name: "names changed", msgs: 6, ground: grounds(takenOver, renamed), exit: 75, names: "work: 6 messages", says: `under new unique-ids \(UIDs\)\?`, hint: "`mailhaul state forget work --all`.*`mailhaul state mark-seen work --all`", mail: goesOn},
		{name: "plan no longer matches", args: "fetch --plan ${DIR}/plan", ground: grounds(first("plan --save ${DIR}/plan"), oneMore), msgs: 1, gone: -1, exit: 75, names: "work: ", says: "the mailbox or the configuration has changed since the plan was saved", hint: "Look at `mailhaul plan` again", mail: "(?m)^  mail: this run deleted nothing from the server; save the plan anew for what is left$"},
		{name: "plan, cut at QUIT", args: "fetch --plan ${DIR}/plan", ground: first("plan --save ${DIR}/plan"), msgs: 3, server: faulty(pop3test.Fault{On: "QUIT", Nth: 2, Do: pop3test.Cut(), Always: true}), config: deletes, exit: 69, names: "work: ", says: "the session ended before the server confirmed the deletions", hint: "-vv", mail: `(?m)^  mail: this run may have deleted 3 delivered messages from the server, nothing else; save the plan anew for what is left$`},
		{name: "cut at QUIT", msgs: 3, server: faulty(pop3test.Fault{On: "QUIT", Do: pop3test.Cut(), Always: true}), config: deletes, exit: 69, names: "work: ", says: "the session ended before the server confirmed the deletions", hint: "-vv", mail: `(?m)^  mail: this run may have deleted 3 delivered messages from the server, nothing else; the next run with these options deletes what is left of them$`},
		{name: "cut after QUIT", msgs: 3, gone: 3, server: faulty(pop3test.Fault{On: "QUIT", Do: pop3test.Cut(), Done: true, Always: true}), config: deletes, exit: 69, names: "work: ", says: "the session ended before the server confirmed the deletions", hint: "-vv", mail: `this run may have deleted 3 delivered messages from the server, nothing else`},
		{name: "QUIT refused", msgs: 3, server: faulty(pop3test.Fault{On: "QUIT", Do: pop3test.Err("some not deleted"), Always: true}), config: deletes, exit: 75, names: "work: ", says: "the server did not confirm the deletions", hint: "-vv", mail: `this run may have deleted 3 delivered messages from the server, nothing else; the next run with these options deletes what is left of them`},
		{name: "cut in mid-message", msgs: 3, server: faulty(pop3test.Fault{On: "RETR", Do: pop3test.Cut(), After: 20, Always: true}), config: deletes, exit: 69, names: "work: ", says: "retr [0-9]: server closed the connection", hint: "The network or the server is in trouble", mail: goesOn},
		{name: "nonsense", server: faulty(pop3test.Fault{On: "UIDL", Do: pop3test.Raw("hello\r\n"), Always: true}), exit: 76, names: "work: ", says: "server broke the protocol", hint: "-vv shows the dialogue", mail: mended},
		{name: "no names at all", server: pop3test.Options{NoUIDL: true, NoTOP: true}, exit: 78, names: "work: ", says: `the server gives its messages no names \(UIDL\)`, hint: "`keep: none`, or --delete for one run", mail: mended},
		{name: "temporary refusal", server: pop3test.Options{LoginError: "[SYS/TEMP] database is away"}, config: "    password: wrong\n", exit: 75, names: "work: ", says: "database is away", hint: "The server says that this will pass", mail: goesOn},
		{name: "the provider's fault", server: pop3test.Options{LoginError: "[SYS/PERM] no such backend"}, config: "    password: wrong\n", exit: 77, names: "work: ", says: "no such backend", hint: "The provider has to put this right", mail: mended},
		{name: "no login fits", server: pop3test.Options{NoUSER: true, Mechanisms: []string{}}, exit: 77, names: "work: no usable login", says: "not announced", hint: "No password was sent. See `auth`", mail: mended},
		{name: "password file of all", ground: func(s *scene) { _ = os.Chmod(filepath.Join(s.vars["DIR"], "password"), 0o644) }, exit: 78, names: "${DIR}/password", says: "others can use it .*chmod 600", hint: "Nothing was fetched or changed. Fix this", mail: notDone},
		{name: "no password file", config: "    password: {file: \"${DIR}/none\"}\n", exit: 78, names: "${DIR}/none", says: "no such file", hint: "Fix this, then run `mailhaul check`", mail: notDone},
		{name: "password command fails", config: "    password: {command: [sh, -c, \"echo locked >&2; exit 2\"]}\n", exit: 77, names: "work: ", says: "locked", hint: "No password or token was sent", mail: mended},
		{name: "no variable", config: "    password: {env: NO_SUCH_VARIABLE}\n", exit: 77, names: "NO_SUCH_VARIABLE", says: "the variable is not set", hint: "No password or token was sent", mail: mended},
		{name: "nobody to ask", config: "    auth: auto\n    password: \"\"\n", ground: noPassword, exit: 77, names: "work: ", says: "no password given, and no terminal to ask on", hint: "Set `password` in the configuration", mail: mended},
		{name: "before fails", config: "    before: [sh, -c, \"echo no vpn >&2; exit 1\"]\n", exit: 75, names: "work: before: ", says: "no vpn", hint: "`before` command has to end with 0", mail: goesOn},
		{name: "verify: one is gone", args: "verify", msgs: 2, ground: grounds(first("fetch"), loseOne), exit: 65, names: "work: 1 delivered copy", says: "missing, altered or not readable", hint: "`mailhaul state forget work UID` and a fetch", mail: untouched},
		{name: "verify: cannot compare", args: "verify --server", config: "    headers: {received: true}\n", ground: first("fetch"), exit: 78, names: "work: ", says: "they cannot be compared", hint: "Verify without --server", mail: untouched},
		{name: "verify: server down", args: "verify --server work", ground: grounds(first("fetch"), func(s *scene) { s.server.Close() }), exit: 69, names: "work: connect localhost:${PORT}", says: "connection refused", hint: "The machine answers, but nothing listens", mail: untouched},
		{name: "purge: one is gone", args: "purge work", msgs: 2, gone: 1, ground: grounds(first("fetch"), loseOne), exit: 65, names: "work: 1 delivered copy", says: "missing, altered or not readable", hint: "`mailhaul state forget work UID`", mail: "(?m)^  mail: what is not verified stays on the server$"},
		{name: "purge: cut at QUIT", args: "purge work", msgs: 3, server: faulty(pop3test.Fault{On: "QUIT", Nth: 3, Do: pop3test.Cut()}), ground: first("fetch"), exit: 69, names: "work: 0 deleted and confirmed so far", says: "before the server confirmed", hint: "-vv", mail: "(?m)^  mail: purge may have deleted 3 verified messages from the server, nothing else; run it again for the rest$"},
		{name: "purge: not listed again", args: "purge work", msgs: 3, gone: 3, server: faulty(pop3test.Fault{On: "UIDL", Nth: 4, Do: pop3test.Cut(), Always: true}), ground: first("fetch"), exit: 69, names: "work: 3 deleted and confirmed", says: "the list that would prove it could not be read", hint: "check --connect", mail: "(?m)^  mail: purge deleted 3 verified messages from the server, nothing else$"},
		{name: "mark-seen: wrong password", args: "state mark-seen work --all", config: "    password: wrong\n", exit: 77, names: "work: ", says: "server refused", hint: "User name or password is wrong", mail: "mail: nothing was marked, and no mail was fetched or deleted"},
		{name: "mark-seen: cut at QUIT", args: "state mark-seen work --all", msgs: 2, server: faulty(pop3test.Fault{On: "QUIT", Do: pop3test.Cut()}), exit: 69, names: "work: ", says: "server closed the connection", hint: ".", mail: "mail: 2 messages marked as seen all the same; no mail was fetched or deleted"},
		{name: "plan: wrong password", args: "plan --save ${DIR}/plan", config: "    password: wrong\n", exit: 77, names: "work: ", says: "server refused", hint: "User name or password is wrong", mail: unchanged},
		{name: "plan that cannot be saved", args: "plan --save ${DIR}/none/plan", exit: 73, names: "${DIR}/none/plan", says: "the plan was not saved", hint: "Name another FILE", mail: "nothing was changed, here or on the server"},
	})
}

// takenOver knows six messages from another program's list.
func takenOver(s *scene) {
	var lines strings.Builder
	for i := range 6 {
		fmt.Fprintf(&lines, "{\"uid\":\"uid-%d\"}\n", i+1)
	}
	s.vars["LIST"] = s.write("list", lines.String())
	first("state import work ${LIST}")(s)
	first("fetch")(s)
}

func renamed(s *scene) { s.drop.Rename(func(uid string) string { return "new-" + uid }) }

func oneMore(s *scene) { s.drop.Add("uid-more", []byte("Subject: more\r\n\r\nbody\r\n")) }

// refusingProxy is an HTTP proxy that reaches nothing.
func refusingProxy(s *scene) {
	s.vars["PROXY"] = connectProxy(s.t, closedPort(s.t))
}

// noPassword writes a configuration without one.
func noPassword(s *scene) {
	s.write("config.yaml", s.expand("accounts: {work: {server: \"localhost:${PORT}\", user: alice, ca_file: \"${CA}\", deliver: [{maildir: \"${DIR}/Mail\"}]}}\n"))
}

// loseOne deletes a delivered message.
func loseOne(s *scene) {
	files, _ := filepath.Glob(filepath.Join(s.vars["DIR"], "Mail", "new", "*"))
	if len(files) == 0 {
		s.t.Fatal("nothing was delivered")
	}
	if err := os.Remove(files[0]); err != nil {
		s.t.Fatal(err)
	}
}
