package command

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/command/term"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/proof"
)

// oneForReading prepares a command that reads one account's state and what its
// targets hold.
func oneForReading(c *cli.Context) (*call, *proof.Prover, *fetch.Account, error) {
	e, a, err := withAccount(c, c.Args().Slice())
	if err != nil {
		return nil, nil, nil, err
	}
	p, list, err := newProver(e, c, []*config.Account{a})
	if err != nil {
		return nil, nil, nil, err
	}
	return e, p, list[0], nil
}

// newProver makes what proves what the accounts' runs have done.
func newProver(e *call, c *cli.Context, accounts []*config.Account) (*proof.Prover, []*fetch.Account, error) {
	list, err := e.build(accounts, func(a *fetch.Account) { a.Wait = c.Duration("wait") })
	return &proof.Prover{Fetcher: e.fetcher(), ReadBack: e.builder.ReadBack(accounts)}, list, err
}

func exportManifest(c *cli.Context) error {
	e, p, a, err := oneForReading(c)
	if err != nil {
		return err
	}
	if err := p.Manifest(c.Context, a, e.out.Out); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return nil
}

// checkManifest follows a manifest's chain; it needs no configuration.
func checkManifest(c *cli.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return exit.Usage(advice.Give(fmt.Errorf("--manifest: %w", err), advice.NameManifest))
	}
	defer f.Close()
	n, last, err := proof.CheckManifest(f)
	if err != nil {
		return advice.Give(exit.BadData(fmt.Errorf("%s: %w", path, err)), advice.BadManifest)
	}
	if c.Bool("json") {
		return jsonline.Write(c.App.Writer, jsonline.Chain{Messages: n, SHA256: last})
	}
	fmt.Fprintf(c.App.Writer, "%s: intact, %s; last line %s\n", path, term.Plural(n, "message"), last)
	return nil
}
