package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/deliver/process"
	"github.com/mailhaul/mailhaul/fetch/autoconf"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/oauth/provider"
)

// secretPlan says where the password will be kept. Until the connection was
// tested it is only here.
type secretPlan struct {
	place config.Map // the value of password: in the configuration; nil: ask each time
	value string     // the password, if it was given here
	keep  func() error
	undo  func()
}

// login is what the configuration has of it: OAuth2, or where the password is.
type login struct {
	oauth  config.Map // nil without
	secret secretPlan
}

// loginStage settles how to log in to a server.
type loginStage struct {
	*person
	*server
	login
	account string
}

// ask asks how to log in, and for the password or the registration.
func (s *loginStage) ask(ctx context.Context) error {
	preset, tokenOnly := s.tokenWay()
	switch {
	case s.o.ClientID != "":
		return s.setOAuth(preset, s.o.ClientID, s.o.ClientSecretFile)
	case tokenOnly && s.Mute:
		return advice.Give(exit.Usage(errors.New("this provider takes no passwords: it wants OAuth2, and so init needs --client-id")), advice.OwnClient)
	case tokenOnly:
		s.say("This provider takes no passwords over POP3: it wants OAuth2.")
		return s.askOAuth(ctx, preset)
	case preset != "" && !s.Mute && !s.passwordGiven():
		n, err := s.Choose(ctx, "How do you log in?", []string{"with an app password", "with OAuth2 (you need a registration of your own, docs/oauth.md)"})
		if err != nil {
			return err
		}
		if n == 1 {
			return s.askOAuth(ctx, preset)
		}
	}
	return s.askPassword(ctx)
}

// tokenWay returns the OAuth preset of the provider, or "custom" with what the
// provider published, and whether there is no other way.
func (s *server) tokenWay() (preset string, only bool) {
	if p := s.known.OAuth; p != nil && !p.Closed {
		return p.Name, s.known.TokenOnly
	}
	if s.found == nil || s.found.OAuth == nil {
		return "", false
	}
	only = len(s.found.Auth) > 0
	for _, a := range s.found.Auth {
		only = only && a == autoconf.OAuth2
	}
	return "custom", only
}

func (s *loginStage) askOAuth(ctx context.Context, preset string) error {
	wantsSecret := preset == "custom"
	if p := provider.OfPreset(preset); p != nil {
		for _, n := range p.OAuth.Notes {
			s.say("  - %s", n)
		}
		wantsSecret = p.OAuth.ClientSecret
	}
	id, err := s.Line(ctx, "Client id of your registration (docs/oauth.md explains how to get one)", "", "--client-id")
	if err != nil {
		return err
	}
	file := ""
	if wantsSecret {
		if file, err = s.Line(ctx, "File with its client secret (- for none)", "-", "--client-secret-file"); err != nil {
			return err
		}
	}
	return s.setOAuth(preset, id, strings.TrimPrefix(file, "-"))
}

func (s *loginStage) setOAuth(preset, id, secretFile string) error {
	if preset == "" {
		return exit.Usagef("--client-id: nothing is known of OAuth2 at %s: write oauth: with provider: custom by hand, see mailhaul.yaml(5)", s.host)
	}
	s.oauth = config.Pair("provider", preset).And("client_id", id)
	if secretFile != "" {
		abs, err := filepath.Abs(secretFile)
		if err != nil {
			return err
		}
		s.oauth = s.oauth.And("client_secret", config.Pair("file", config.PathText(abs)))
	}
	if preset == "custom" {
		published := s.found
		s.oauth = s.oauth.And("auth_url", published.OAuth.AuthURL).And("token_url", published.OAuth.TokenURL)
		if len(published.OAuth.Scopes) > 0 {
			s.oauth = s.oauth.And("scopes", published.OAuth.Scopes)
		}
	}
	return nil
}

func (s *loginStage) passwordGiven() bool {
	return s.o.PasswordCommand != "" || s.o.PasswordFile != "" || s.o.Password != ""
}

// askPassword settles where the password is kept, and gets it.
func (s *loginStage) askPassword(ctx context.Context) (err error) {
	if cmd := s.o.PasswordCommand; cmd != "" {
		s.secret.place = config.Pair("command", strings.Fields(cmd))
		return nil
	}
	if file := s.o.PasswordFile; file != "" {
		if _, err := os.Stat(file); err == nil {
			return s.keepInFile(file)
		}
	}
	where, err := s.askPlace(ctx)
	if err != nil {
		return err
	}
	if where == byCommand {
		cmd, err := s.Line(ctx, "Command", "", "--password-command")
		s.secret.place = config.Pair("command", strings.Fields(cmd))
		return err
	}
	if s.secret.value = s.o.Password; s.secret.value == "" {
		if s.secret.value, err = s.Dialogue.Secret(ctx, "Password for "+term.Printable(s.user)); err != nil {
			return err
		}
	}
	switch where {
	case inKeyring:
		s.keepInKeyring(ctx)
	case inFile:
		return s.keepInFile(cmp.Or(s.o.PasswordFile, s.freeFile()))
	}
	return nil
}

// The places of a password, as they are proposed.
const (
	inFile = iota
	byCommand
	inKeyring
	nowhere
)

// askPlace asks where the password is kept. A keyring that cannot be used is
// found here.
func (s *loginStage) askPlace(ctx context.Context) (where int, err error) {
	for {
		switch {
		case s.o.Keyring:
			where = inKeyring
		case s.o.PasswordFile != "":
			return inFile, nil
		default:
			where, err = s.Choose(ctx, "Where is the password kept?", []string{
				"in a file that only you can read", "a command prints it (pass, secret-tool, gpg, ...)",
				"in the system's keyring", "nowhere: ask each time (not for cron)"})
		}
		if err != nil || where != inKeyring {
			return where, err
		}
		if err = s.tryKeyring(ctx); err == nil || s.Mute || s.o.Keyring {
			return where, err
		}
		s.say("%s. %s", term.Printable(err.Error()), advice.NoKeyring)
	}
}

// freeFile is where the password goes, unless the person says it.
func (s *loginStage) freeFile() string {
	file := filepath.Join(filepath.Dir(s.o.Path), "passwords", s.account)
	for n, free := 2, file; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s-%d", file, n)
	}
}

// keepInFile writes a new file; one that exists is used as it is.
func (s *loginStage) keepInFile(file string) error {
	abs, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	s.secret.place = config.Pair("file", config.PathText(abs))
	_, err = os.Stat(abs)
	if err == nil && s.secret.value != "" {
		return exit.Usagef("%s exists already: name another with --password-file, or leave MAILHAUL_PASSWORD away to use it", abs)
	}
	if err == nil {
		return nil
	}
	s.secret.keep = func() error {
		if err := durable.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
			return err
		}
		return durable.WriteFile(abs, []byte(s.secret.value+"\n"))
	}
	s.secret.undo = func() { _ = os.Remove(abs) }
	return nil
}

// keyringLimit is how long the keyring may take: a person is here, who may have to
// unlock it.
const keyringLimit = time.Minute

func (s *loginStage) service() string { return "mailhaul-" + s.account }

// tryKeyring finds out whether there is a keyring, and has it unlocked.
func (s *loginStage) tryKeyring(ctx context.Context) error {
	return keyringCall(ctx, keyringLimit, func() error {
		_, err := keyring.Get(s.service(), s.user)
		if errors.Is(err, keyring.ErrNotFound) {
			return nil
		}
		return err
	})
}

func (s *loginStage) keepInKeyring(ctx context.Context) {
	service, user := s.service(), s.user
	s.secret.place = config.Pair("keyring", service)
	s.secret.keep = func() error {
		return keyringCall(ctx, keyringLimit, func() error { return keyring.Set(service, user, s.secret.value) })
	}
	s.secret.undo = func() { // also after a signal
		_ = keyringCall(context.WithoutCancel(ctx), 5*time.Second, func() error { return keyring.Delete(service, user) })
	}
}

func keyringCall(ctx context.Context, limit time.Duration, call func() error) error {
	_, err := process.Call(ctx, limit, func() (string, error) { return "", call() })
	if err == nil || exit.Stop(err, "") != nil {
		return err
	}
	return advice.Give(exit.CannotWrite(fmt.Errorf("keyring: %w", err)), advice.NoKeyring)
}
