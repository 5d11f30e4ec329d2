package command

import (
	"context"
	"errors"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/command/exit"
	"github.com/mailhaul/mailhaul/fetch/config"
	"github.com/mailhaul/mailhaul/fetch/shard"
)

func shardFlag() cli.Flag {
	return &cli.StringFlag{Name: "shard", Usage: "take only part `N/OF` of the accounts, such as 3/10"}
}

// shardOf is the part of the accounts that the command line asks for. Without N it is
// that of a pod in an indexed Job.
func shardOf(c *cli.Context) (shard.Shard, error) {
	s, err := shard.Parse(c.String("shard"), os.Getenv("JOB_COMPLETION_INDEX"))
	if err != nil {
		err = exit.Usagef("--shard wants N/OF with N from 1 to OF, such as 3/10, or /OF in a Job with JOB_COMPLETION_INDEX, not %q", c.String("shard"))
	}
	return s, err
}

// accountsOf are the accounts of a shard.
func accountsOf(s shard.Shard, accounts []*config.Account) (out []*config.Account) {
	for _, a := range accounts {
		if s.Has(a.ID) {
			out = append(out, a)
		}
	}
	return out
}

// holdShard keeps other processes from the accounts of the shard while work runs, and
// stops it if that is not sure any more.
func (e *call) holdShard(ctx context.Context, s shard.Shard, work func(context.Context) error) error {
	held, end, err := shard.Hold(ctx, e.builder.StateDir, s)
	switch {
	case errors.As(err, new(*shard.HeldError)):
		return exit.TryLater(err)
	case err != nil:
		return err
	}
	defer end()
	err = work(held)
	if lost := context.Cause(held); errors.As(lost, new(*shard.LostError)) {
		return exit.TryLater(lost)
	}
	return err
}
