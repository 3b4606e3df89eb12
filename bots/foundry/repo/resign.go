package repo

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (e *Env) resignCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resign [CODENAME]",
		Short: "Sign the metadata anew",
		Long: `Resign signs the Release file of a codename anew, or of all, with a new date and Valid-Until. Distbot does so by itself in time; this is
for after a key has changed, or before it is out of reach.`,
		Args:              takes(0, 1, "a codename or nothing"),
		ValidArgsFunction: e.complete(codenames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(a *archive) error {
				names, err := a.codenames(args)
				if err != nil {
					return err
				}
				one := ""
				if len(args) > 0 {
					one = names[0]
				}
				if err := a.Resign(cmd.Context(), one); err != nil {
					return err
				}
				if e.JSON {
					return printJSON(e.Out, names)
				}
				_, err = fmt.Fprintf(e.Out, "signed anew: %s\n", strings.Join(names, ", "))
				return err
			})
		},
	}
}
