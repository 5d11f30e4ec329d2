package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/deliver/durable"
	"github.com/mailhaul/mailhaul/fetch"
	"github.com/mailhaul/mailhaul/fetch/command/advice"
	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/command/jsonline"
	"github.com/mailhaul/mailhaul/fetch/plan"
	"github.com/mailhaul/mailhaul/state"
)

// planVersion is the form of the file that this version reads and writes.
const planVersion = 1

func savedOptions(c *cli.Context) plan.SavedOptions {
	return plan.SavedOptions{Keep: c.Bool("keep"), Delete: c.Bool("delete"), All: c.Bool("all"), Limit: c.Int("limit"), TrustImported: c.Bool("trust-imported")}
}

func savePlans(path string, plans []plan.SavedPlan) error {
	text, err := json.MarshalIndent(jsonline.PlanFile{Version: planVersion, Saved: time.Now().UTC(), Plans: plans}, "", " ")
	if err != nil {
		return err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, append(state.EscapeJSON(text), '\n')); err != nil {
		var file *os.PathError
		if errors.As(err, &file) {
			err = file.Err // what it names is a file in between
		}
		return advice.Give(fmt.Errorf("the plan was not saved to %s: %w", path, err), advice.SavePlan)
	}
	return nil
}

func loadPlans(path string) ([]plan.SavedPlan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, exit.Usage(advice.Give(fmt.Errorf("--plan: %w", err), advice.NamePlan))
	}
	var f jsonline.PlanFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, exit.Usagef("%s is not a saved plan: %w", path, err)
	}
	if f.Version != planVersion {
		return nil, exit.Usagef("%s was saved in form %d, this version reads %d: save the plan again", path, f.Version, planVersion)
	}
	if len(f.Plans) == 0 {
		return nil, exit.Usagef("%s holds no plan", path)
	}
	return f.Plans, nil
}

// planned returns the accounts of a saved plan, each bound to it.
func planned(c *cli.Context) (*call, []*fetch.Account, error) {
	for _, f := range []string{"keep", "delete", "all", "limit", "trust-imported"} {
		if c.IsSet(f) {
			return nil, nil, exit.Usagef("--%s goes with plan --save: a saved plan is done as it is", f)
		}
	}
	plans, err := loadPlans(c.String("plan"))
	if err != nil {
		return nil, nil, err
	}
	e, accounts, err := source(c)
	if err != nil {
		return nil, nil, err
	}
	byID := make(map[string]*plan.SavedPlan)
	for i := range plans {
		byID[plans[i].ID] = &plans[i]
	}
	list, err := e.build(accounts, func(a *fetch.Account) {
		a.Wait = c.Duration("wait")
		if a.Exactly = byID[a.ID]; a.Exactly != nil {
			shape(a, a.Exactly.Options)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	var bound []*fetch.Account
	for _, a := range list {
		if a.Exactly != nil {
			bound = append(bound, a)
		} else if c.Args().Present() {
			return nil, nil, exit.Usagef("the plan has nothing for account %s", a.Name)
		}
		delete(byID, a.ID)
	}
	for _, p := range byID {
		return nil, nil, exit.Usagef("the plan is for account %s (%s), which is not in the configuration or not named here", p.Account, p.ID)
	}
	if len(bound) == 0 {
		return nil, nil, fmt.Errorf("nothing to do")
	}
	return e, bound, nil
}
