package command

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
)

// TestMain also makes this binary the program under test: a script's
// `mailhaul` is a process of its own that does what main.go does.
func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){"mailhaul": func() { os.Exit(mainLike()) }})
}

// tidy fails the tests if they leave a goroutine behind.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) { // under nohup, or behind a script's &: children shall not inherit that
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	if err := os.Setenv("TEST_CLIENT", clientSecret); err != nil { // authServer.oauthLines names it
		panic(err)
	}
	code := m.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func mainLike() int {
	ctx, cancel := exit.Context()
	defer cancel()
	return Main(ctx, os.Args, term.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Alone: true})
}

// TestScripts plays testdata/script/*.txtar, one behaviour each. With
// MAILHAUL_UPDATE=1 the expected outputs are rewritten: read the difference
// before it is committed.
//
// The commands of a script besides testscript's own:
//
//	pop3 [-n NAME] WORD...       start a server (server_test.go has the words); sets
//	                             ADDR, PORT and CA, for another NAME: NAME_ADDR ...
//	add [-n NAME] N              N more messages arrive in the maildrop
//	exits CODE PROGRAM ARG...    run it; its whole output is then in the file got
//	signalled SIG CODE EVENT PROGRAM ARG...  the same, and send SIG once the server
//	                             has received EVENT ("RETR 3"), or a file is there ("file NAME")
//	under-way EVENT PROGRAM ARG...  start it and go on once the server has received
//	                             EVENT; interrupt ends it and waits
//	delivered [-n NAME] DIR WHICH  the Maildir holds just these messages ("all",
//	                             "none", "1-3,5"), each once, and nothing half done;
//	                             "leftovers" as a third word asks for files in tmp
//	onserver [-n NAME] N         the maildrop holds N messages
//	asked [-n NAME] COMMAND N    the server received the command N times
//	hold ID                      hold the maildrop's state as another run does; release ends it, release-soon
//	                             while the next command runs
//	closed-port                  sets CLOSED to a port on which nothing listens
//	mount DIR SIZE [MODE]        a small disk; see mount_linux_test.go
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("MAILHAUL_UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"pop3":      cmdPOP3,
			"add":       cmdAdd,
			"exits":     cmdExits,
			"signalled": cmdSignalled,
			"under-way": cmdUnderWay,
			"interrupt": cmdInterrupt,
			"delivered": cmdDelivered,
			"onserver":  cmdOnServer,
			"asked":     cmdAsked,
			"hold":      cmdHold,

			"closed-port": cmdClosedPort,
			"release":     cmdRelease,

			"release-soon": cmdReleaseSoon,
			"mount":        cmdMount,
		},
	})
}

func setUp(e *testscript.Env) error {
	w := &world{servers: make(map[string]*server)}
	e.Values[worldKey{}] = w
	e.Defer(w.close)
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/.config")
	e.Setenv("XDG_STATE_HOME", e.WorkDir+"/.state")
	e.Setenv("TZ", "UTC")
	e.Setenv("SECRET", "secret")
	return nil
}

// condition knows [mount]: a script may mount a tmpfs. Where everything is
// required it is always true, so that the script fails instead.
func condition(name string) (bool, error) {
	if name != "mount" {
		return false, fmt.Errorf("no condition %q", name)
	}
	return os.Getenv("MAILHAUL_REQUIRE_ALL") == "1" || canMount(), nil
}
