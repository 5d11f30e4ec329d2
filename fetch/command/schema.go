package command

import (
	"github.com/urfave/cli/v2"

	"github.com/mailhaul/mailhaul/fetch/config"
)

// printSchema prints what docs/config.schema.json holds.
func printSchema(c *cli.Context) error {
	text, err := config.Schema(configOptions())
	if err != nil {
		return err
	}
	_, err = c.App.Writer.Write(append(text, '\n'))
	return err
}
