package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/autoconf"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "set up an account: find the server, test the connection, write the configuration",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "address", Usage: "set up an account for the mail `ADDRESS`"},
			&cli.StringFlag{Name: "account", Usage: "call the account `NAME`"},
			&cli.StringFlag{Name: "server", Usage: "fetch from `HOST[:PORT]`, and look nothing up"},
			&cli.StringFlag{Name: "tls", Usage: "connect with TLS `MODE`: implicit, stls or none"},
			&cli.StringFlag{Name: "user", Usage: "log in as `NAME`, if it is not the name that was found"},
			&cli.StringFlag{Name: "ca-file", Usage: "trust the certificates in `FILE` instead of the system's, also for the look-up", TakesFile: true},
			&cli.StringSliceFlag{Name: "to", Usage: "deliver to `TARGET`, as fetch --to does"},
			&cli.StringFlag{Name: "password-command", Usage: "run `COMMAND`, whose first line of output is the password"},
			&cli.StringFlag{Name: "password-file", Usage: "keep the password in `FILE`", TakesFile: true},
			&cli.BoolFlag{Name: "keyring", Usage: "keep the password in the system's keyring"},
			&cli.StringFlag{Name: "client-id", Usage: "log in with OAuth2 and the client `ID` that you registered with the provider"},
			&cli.StringFlag{Name: "client-secret-file", Usage: "read the secret of that client from `FILE`, if it has one", TakesFile: true},
			&cli.BoolFlag{Name: "device", Usage: "log in with OAuth2 and a code that you enter on another device"},
			&cli.BoolFlag{Name: "paste", Usage: "log in with OAuth2 in a browser on another machine, and paste the final address here"},
			&cli.BoolFlag{Name: "offline", Usage: "look nothing up on the network"},
			&cli.StringFlag{Name: "ispdb", Usage: "look up the server only at `URL`, a database in Thunderbird's format"},
			&cli.BoolFlag{Name: "no-connect", Usage: "do not test the connection and do not log in"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "ask nothing, and accept all proposals"},
		},
		Action: runInit,
	}
}

// setup is one run of init: what is known of the account so far.
type setup struct {
	*call
	*term.Dialogue
	c       *cli.Context
	path    string         // the configuration
	old     *config.Config // what is in it; nil if there is none
	address string
	name    string // of the account
	host    string
	port    int
	tls     string
	user    string
	via     string             // how the server was found
	known   provider.Provider  // zero: nothing is known
	found   *autoconf.Proposal // nil if the server is from the own table or the person
	caFile  string
	oauth   config.Map // of the configuration; nil without
	way     oauth.LoginOptions
	secret  secretPlan
	to      []config.Target
	relay   string // where a mail server of this machine would listen
}

func runInit(c *cli.Context) error {
	if c.Args().Present() {
		return exit.Usagef("init takes no arguments; the address goes with --address")
	}
	way, err := loginOptions(c)
	if err != nil {
		return err
	}
	s, err := newSetup(c)
	if err != nil {
		return err
	}
	s.way = way
	written, err := s.run(c.Context)
	if err != nil && !written {
		fmt.Fprintln(s.out.Err, "mailhaul: no configuration was written")
	}
	return err
}

func newSetup(c *cli.Context) (*setup, error) {
	e, err := newCall(c)
	if err != nil {
		return nil, err
	}
	s := &setup{call: e, c: c, Dialogue: term.NewDialogue(e.out.Streams, c.Bool("yes") || e.out.JSON), relay: "127.0.0.1:25"}
	s.path = cmp.Or(c.String("config"), config.DefaultPath())
	s.old, err = config.Load(s.path, configOptions())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, exit.Config(fmt.Errorf("%w\nput this right before an account is added", err))
	}
	e.conf = s.old
	if s.caFile = c.String("ca-file"); s.caFile != "" {
		if _, err := config.Roots(s.caFile); err != nil {
			return nil, exit.Usagef("--ca-file: %w", err)
		}
		if s.caFile, err = filepath.Abs(s.caFile); err != nil {
			return nil, err
		}
	}
	return s, e.findState(c)
}

// run asks, tests and writes. It reports whether a configuration was written.
func (s *setup) run(ctx context.Context) (written bool, err error) {
	for _, step := range []func(context.Context) error{
		s.askAddress, s.askServer, s.askName, s.askTargets, s.askLogin,
	} {
		if err := step(ctx); err != nil {
			return false, err
		}
	}
	if !s.c.Bool("no-connect") {
		if err := s.try(ctx); err != nil {
			return false, err
		}
	}
	if written, err = s.write(ctx); !written || err != nil {
		return written, err
	}
	return true, s.farewell()
}

// say tells the person something; a script wants results only.
func (s *setup) say(format string, args ...any) {
	if !s.out.JSON && !s.out.Quiet {
		fmt.Fprintf(s.out.Out, format+"\n", args...)
	}
}

func (s *setup) askAddress(ctx context.Context) (err error) {
	s.address = s.c.String("address")
	for {
		if s.address == "" {
			if s.address, err = s.Line(ctx, "Mail address", "", "--address"); err != nil {
				return err
			}
		}
		if _, _, ok := autoconf.Split(s.address); ok {
			return nil
		}
		if s.Mute || s.c.IsSet("address") {
			return exit.Usagef("--address: %q is not a mail address", s.address)
		}
		s.say("%q is not a mail address.", s.address)
		s.address = ""
	}
}

// askName finds a name for the account that is not taken.
func (s *setup) askName(ctx context.Context) (err error) {
	proposal := s.c.String("account")
	if proposal == "" {
		proposal = s.freeName(nameFrom(s.address))
	}
	for {
		if s.name, err = s.Line(ctx, "Name of the account", proposal, "--account"); err != nil {
			return err
		}
		problem := ""
		switch {
		case !fitName.MatchString(s.name):
			problem = "an account's name is made of letters, digits and . _ - + @, and starts with a letter or digit"
		case s.taken(s.name):
			problem = fmt.Sprintf("%s has an account %q already", s.path, s.name)
		default:
			return nil
		}
		if s.Mute {
			return exit.Usagef("--account: %s", problem)
		}
		s.say("%s.", problem)
		proposal = s.freeName(nameFrom(s.address))
	}
}

var fitName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+@-]*$`)

// nameFrom proposes a name: that of the domain, as people say it.
func nameFrom(address string) string {
	_, domain, _ := autoconf.Split(address)
	name, _, _ := strings.Cut(domain, ".")
	return name
}

func (s *setup) taken(name string) bool {
	return s.old != nil && slices.ContainsFunc(s.old.Accounts, func(a *config.Account) bool { return a.Name == name })
}

func (s *setup) freeName(name string) string {
	for n, free := 2, name; ; n++ {
		if !s.taken(free) {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// farewell says what comes next.
func (s *setup) farewell() error {
	if s.out.JSON {
		out := jsonline.Init{Account: s.name, Config: s.path, Server: s.server(), TLS: s.tls, User: s.user, Source: s.via}
		for _, t := range s.to {
			out.Deliver = append(out.Deliver, t.ID())
		}
		return jsonline.Write(s.out.Out, out)
	}
	with := ""
	if s.c.IsSet("config") && os.Getenv("MAILHAUL_CONFIG") != s.path {
		with = " -c " + s.path
	}
	s.say("\nNext:")
	if s.oauth != nil && s.c.Bool("no-connect") {
		s.say("  mailhaul%s login %s", with, s.name)
	}
	s.say("  mailhaul%s fetch %s\n", with, s.name)
	s.say("To begin with what arrives from now on, and leave the old mail on the server:")
	s.say("  mailhaul%s state mark-seen %s --all", with, s.name)
	return nil
}
