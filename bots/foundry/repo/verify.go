package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"foundry/bots/internal/repoctl"
	"foundry/bots/internal/repository"
	"foundry/pkg/aptrepo"
	"foundry/pkg/bot"
	"foundry/pkg/trust"
)

// verifying is what verify is asked for.
type verifying struct {
	at       string
	keyring  string
	metadata bool
}

func (e *Env) verifyCommand() *cobra.Command {
	var o verifying
	cmd := &cobra.Command{
		Use:   "verify [CODENAME…]",
		Short: "Check every signature and hash of what is served",
		Long: `Verify reads the repository as apt does, and all of it: signatures and dates of the Release files, every index in every form, the size
and hash of every package and source file, and the signatures that packages have of their own. It reads what clients are given, and needs neither a distbot nor the package
database. With --at it reads another place, such as a target or the URI that clients use, which also may be a repository that
foundry has not made; --keyring says who may have signed that. It ends with status 1 where something is wrong.`,
		Example: `  foundry repo verify
  foundry repo verify trixie --at https://apt.example.org/debian
  foundry repo verify bookworm --at http://deb.debian.org/debian --keyring /usr/share/keyrings/debian-archive-keyring.gpg --metadata-only`,
		ValidArgsFunction: e.complete(codenames),
		RunE:              func(cmd *cobra.Command, args []string) error { return e.verify(cmd.Context(), args, o) },
	}
	cmd.Flags().StringVar(&o.at, "at", "", "`folder` or URL to read (default: the folder that distbot writes)")
	cmd.Flags().StringVar(&o.keyring, "keyring", "", "`file` of the keys that may have signed it (default: the repository's own)")
	cmd.Flags().BoolVar(&o.metadata, "metadata-only", false, "leave out packages and source files")
	return cmd
}

func (e *Env) verify(ctx context.Context, suites []string, o verifying) error {
	options, place, err := e.place(ctx, suites, o)
	if err != nil {
		return err
	}
	further := aptrepo.VerifyOptions{MetadataOnly: o.metadata}
	if o.keyring == "" {
		if further.PackageKeys, err = e.packageKeys(); err != nil {
			return err
		}
	}
	report, err := settledReport(place, func() (*aptrepo.Report, error) {
		return aptrepo.Verify(ctx, place, options, further)
	})
	e.cleared()
	if err != nil {
		return err
	}
	if e.JSON {
		err = printJSON(e.Out, report)
	} else {
		err = e.printReport(place, report)
	}
	if err == nil && report.Errors() > 0 {
		err = bot.Exit(bot.ExitFailure)
	}
	return err
}

// place returns where to read, and how.
func (e *Env) place(ctx context.Context, suites []string, o verifying) (options aptrepo.Options, place string, err error) {
	options = aptrepo.Options{Suites: suites, Progress: e.progress()}
	place = o.at
	if o.keyring != "" {
		if options.Keyring, err = trust.ReadKeyring(o.keyring); err != nil {
			return options, "", bot.Hint(fmt.Errorf("read keyring: %w", err), "give a file that gpg --export has written")
		}
	}
	if options.Keyring != nil && place != "" {
		return options, place, nil
	}
	about, err := e.about(ctx)
	if err != nil {
		return options, "", err
	}
	a := &archive{about: about}
	for i := range options.Suites {
		if options.Suites[i], err = a.codename(options.Suites[i]); err != nil {
			return options, "", err
		}
	}
	if place == "" {
		place = about.Output
	}
	if len(options.Suites) == 0 && strings.Contains(place, "://") { // of a folder it finds them
		options.Suites = about.Codenames
	}
	if options.Keyring == nil {
		options.Keyring, err = trust.ParseKeyring(about.Keys)
	}
	return options, place, err
}

// packageKeys are those whose packages distbot publishes; nil where they are not known here.
func (e *Env) packageKeys() (*trust.Keyring, error) {
	name, err := e.chosen()
	if err != nil {
		return nil, err
	}
	settings, err := repository.Load(e.State, name)
	if err != nil || settings.PackageKeys == "" {
		return nil, nil // another's repository, or one of before these were put down
	}
	ring, err := trust.ReadKeyring(settings.PackageKeys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return ring, err
}

// about describes the repository without opening it.
func (e *Env) about(ctx context.Context) (repoctl.About, error) {
	name, err := e.chosen()
	if err != nil {
		return repoctl.About{}, err
	}
	client, err := e.dial(ctx, name)
	if err == nil {
		return client.about, client.Close()
	}
	if !errors.Is(err, repoctl.ErrNotRunning) {
		return repoctl.About{}, err
	}
	settings, err := repository.Load(e.State, name)
	if err != nil {
		return repoctl.About{}, err
	}
	options, err := settings.Options(ctx, e.bot())
	if err != nil {
		return repoctl.About{}, err
	}
	return repository.About(options), nil
}

// settledReport verifies a folder again when something was published meanwhile.
func settledReport(place string, verify func() (*aptrepo.Report, error)) (report *aptrepo.Report, err error) {
	for range 5 {
		before := releases(place)
		report, err = verify()
		if err == nil && report.Errors() == 0 || bytes.Equal(before, releases(place)) {
			break
		}
	}
	return report, err
}

// releases are the Release files of a folder; nothing for a URL.
func releases(place string) (all []byte) {
	paths, err := filepath.Glob(filepath.Join(place, "dists", "*", "InRelease"))
	if err != nil {
		return nil
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil {
			all = append(all, text...)
		}
	}
	return all
}

func (e *Env) printReport(place string, report *aptrepo.Report) error {
	for _, f := range report.Findings {
		fmt.Fprintln(e.Out, bot.Printable(fmt.Sprintf("%s: %s: %s", f.Severity, f.Where, strings.TrimPrefix(f.What, f.Where+": "))))
		if f.Hint != "" {
			fmt.Fprintln(e.Out, bot.Printable("hint: "+f.Hint))
		}
	}
	verdict := "all is well"
	if n := report.Errors(); n > 0 {
		verdict = fmt.Sprintf("%d errors", n)
	}
	_, err := fmt.Fprintf(e.Out, "%s: %s; %d suites, %d indexes, %d packages, %d files of %.1f MB read%s\n",
		bot.Printable(place), verdict, report.Suites, report.Indexes, report.Packages, report.Files, float64(report.Bytes)/1e6, signatures(report))
	return err
}

// signatures tells of those that packages have of their own.
func signatures(report *aptrepo.Report) string {
	if report.Signed+report.Unsigned == 0 {
		return ""
	}
	return fmt.Sprintf("; %d packages signed by trusted package keys, %d without a signature of their own", report.Signed, report.Unsigned)
}

// progress shows a person how far something is; nil where nobody looks.
func (e *Env) progress() func(aptrepo.Progress) {
	if !e.terminal() || e.JSON {
		return nil
	}
	var last time.Time
	return func(p aptrepo.Progress) {
		if time.Since(last) < 200*time.Millisecond {
			return
		}
		last = time.Now()
		fmt.Fprintf(e.Errs, "\r%d of %d, %.1f MB: %.60s\033[K", p.Done, p.Total, float64(p.Bytes)/1e6, bot.Printable(p.What))
	}
}

// cleared ends the line of progress.
func (e *Env) cleared() {
	if e.terminal() && !e.JSON {
		fmt.Fprint(e.Errs, "\r\033[K")
	}
}
