package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"foundry/bots/internal/repository"
	"foundry/pkg/aptrepo"
	"foundry/pkg/bot"
	"foundry/pkg/publish"
	"foundry/pkg/publish/importer"
	"foundry/pkg/trust"
)

// importing is what import is asked for.
type importing struct {
	suites        []string
	keyring       string
	allowUnsigned bool
	allowExpired  bool
	jobs          int
}

func (e *Env) importCommand() *cobra.Command {
	var o importing
	cmd := &cobra.Command{
		Use:   "import DIR|URL",
		Short: "Take over the packages of another apt repository",
		Long: `Import takes over the packages and source packages of an apt repository that reprepro, aptly, dpkg-scanpackages or another program has
made: from its folder, or from where it is served. What it reads has to be signed by a key of --keyring. Packages
go in as they are, under the rules that builds go in under; what is there already is passed over, so that an import that
was interrupted can be given once more. It ends with status 1 where packages were refused.`,
		Example: `  foundry repo import /srv/reprepro --keyring old.asc
  foundry repo import https://apt.example.org/debian --keyring old.asc --suite stable=bookworm`,
		Args: takes(1, 1, "a folder or URL"),
		RunE: func(cmd *cobra.Command, args []string) error { return e.importAll(cmd.Context(), args[0], o) },
	}
	cmd.Flags().StringArrayVar(&o.suites, "suite", nil, "`SUITE[=CODENAME]`: only this suite, into this codename (repeatable; default: all whose codenames the repository has)")
	cmd.Flags().StringVar(&o.keyring, "keyring", "", "`file` of the keys that may have signed it")
	cmd.Flags().BoolVar(&o.allowUnsigned, "allow-unsigned", false, "also where nobody has signed it")
	cmd.Flags().BoolVar(&o.allowExpired, "allow-expired", false, "also where its metadata is out of date")
	cmd.Flags().IntVar(&o.jobs, "jobs", 0, "how many source packages to take at a time (default 64)")
	return cmd
}

// origin are the options to read the other repository with, and which suite of it goes where.
func (o importing) origin() (options aptrepo.Options, into map[string]string, err error) {
	options = aptrepo.Options{AllowUnsigned: o.allowUnsigned, AllowExpired: o.allowExpired}
	switch {
	case o.keyring == "" && !o.allowUnsigned:
		return options, nil, bot.Usage("no --keyring given", "name the file of the keys that sign the other repository, or give --allow-unsigned")
	case o.jobs < 0:
		return options, nil, bot.Usage(fmt.Sprintf("--jobs %d: less than nothing", o.jobs), "")
	}
	if o.keyring != "" {
		if options.Keyring, err = trust.ReadKeyring(o.keyring); err != nil {
			return options, nil, bot.Hint(fmt.Errorf("read keyring: %w", err), "give a file that gpg --export has written")
		}
	}
	into = map[string]string{}
	for _, s := range o.suites {
		suite, codename, named := strings.Cut(s, "=")
		if suite == "" || named && !publish.ValidName(codename) {
			return options, nil, bot.Usage(fmt.Sprintf("--suite %q: not a suite", s), "give one such as stable, or stable=bookworm")
		}
		options.Suites = append(options.Suites, suite)
		if named {
			into[suite] = codename
		}
	}
	return options, into, nil
}

func (e *Env) importAll(ctx context.Context, location string, o importing) error {
	options, into, err := o.origin()
	if err != nil {
		return err
	}
	name, err := e.chosen()
	if err != nil {
		return err
	}
	settings, err := repository.Load(e.State, name)
	if err != nil {
		return err
	}
	dir := repository.Dir(e.State, name)
	if err := checkOwner(dir); err != nil {
		return err
	}
	scratch, remove, err := openScratch(filepath.Join(dir, "import"))
	if err != nil {
		return err
	}
	defer remove()
	options.Scratch, options.Progress = scratch, e.progress()
	return e.with(ctx, func(a *archive) error {
		suites, err := a.suites(settings, into)
		if err != nil {
			return err
		}
		origin, err := aptrepo.Open(ctx, location, options)
		if err != nil {
			return err
		}
		result, err := importer.Import(ctx, origin, importer.Options{
			Archive: a.Archive, Suites: suites, From: options.Suites, Codename: into, Scratch: scratch, Jobs: o.jobs, Progress: options.Progress,
		})
		e.cleared()
		var unmapped *importer.UnmappedError
		if errors.As(err, &unmapped) && len(unmapped.Known) > 0 {
			err = bot.Hint(errors.New(err.Error()), fmt.Sprintf("say where it goes, as in --suite %s=%s", unmapped.Suite, unmapped.Known[0]))
		}
		if result != nil && (err == nil || len(result.Rows) > 0) {
			err = errors.Join(err, a.explained(ctx), e.printImported(result))
		}
		return err
	})
}

// suites are the codenames that packages may go into. Second names in into give way to the codenames.
func (a *archive) suites(settings *repository.Settings, into map[string]string) (map[string]publish.Suite, error) {
	list, err := settings.Suites()
	if err != nil {
		return nil, err
	}
	all := map[string]publish.Suite{}
	for _, s := range list {
		all[s.Codename] = s
	}
	for suite, name := range into {
		if into[suite], err = a.codename(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// openScratch makes an empty folder that no other import uses.
func openScratch(dir string) (path string, remove func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, fmt.Errorf("make scratch folder: %w", err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("open scratch folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return "", nil, errors.Join(bot.Hint(errors.New("another import into the repository is under way"), "wait until it has ended"), lock.Close())
	}
	path = filepath.Join(dir, "files")
	if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o755)); err != nil {
		return "", nil, errors.Join(fmt.Errorf("make scratch folder: %w", err), lock.Close())
	}
	return path, func() {
		_ = os.RemoveAll(path) // the next import tries again
		_ = lock.Close()
	}, nil
}

// printImported tells what was imported and what was not.
func (e *Env) printImported(result *importer.Result) error {
	refused := result.Count(importer.Refused)
	var err error
	if e.JSON {
		err = printJSON(e.Out, orEmpty(result.Rows))
	} else {
		for _, r := range result.Rows {
			if r.Outcome != importer.Refused && r.Outcome != importer.Left {
				continue
			}
			fmt.Fprintln(e.Out, bot.Printable(fmt.Sprintf("%s: %s %s for %s: %s", r.Outcome, r.Source, r.Version, r.Codename, r.Reason)))
			if r.Hint != "" {
				fmt.Fprintln(e.Out, bot.Printable("hint: "+r.Hint))
			}
		}
		_, err = fmt.Fprintf(e.Out, "%d source packages imported, %d were there, %d left out, %d refused\n",
			result.Count(importer.Imported), result.Count(importer.There), result.Count(importer.Left), refused)
	}
	if err == nil && refused > 0 {
		err = bot.Exit(bot.ExitFailure)
	}
	return err
}
