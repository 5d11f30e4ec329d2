package advice

import (
	"fmt"

	"github.com/mailhaul/mailhaul/fetch/commit"
	"github.com/mailhaul/mailhaul/fetch/shard"
)

// shardRows are for accounts that are divided among processes.
func shardRows() []row {
	return []row{
		of(func(e *commit.UnknownStateError, _ Situation) string {
			return fmt.Sprintf("Nothing was fetched or changed. Copy the state file of before, or add it with `mailhaul state import`; "+
				"to have all mail on the server delivered again, run `mailhaul fetch --all`, or remove its line from %s.", e.File)
		}),
		of(func(e *shard.HeldError, _ Situation) string {
			return fmt.Sprintf("Nothing was fetched. Start each shard once for a state directory, and all with the same OF; "+
				"a process that was killed has it for 30 s. The file is %s.", e.File)
		}),
		is[*shard.LostError]("The run ended, so that no message comes twice; what was delivered is recorded. Start it again."),
	}
}
