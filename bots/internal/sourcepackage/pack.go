package sourcepackage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// maxDsc is how many bytes the .dsc may have.
const maxDsc = 4 << 20

// Pack runs dpkg-source on tree, which is used up, and returns the path of the .dsc that it made in
// work, where the orig tarballs are. added is put on top of the changelog, where top is; nil is none. All
// times are those of the changelog's newest entry, as they are when a maintainer runs dpkg-buildpackage
// in a fresh clone.
func (t *Runner) Pack(ctx context.Context, work, tree string, top debian.Entry, added *debian.Entry) (string, error) {
	if added != nil {
		top = *added
		if err := prepend(tree, top); err != nil {
			return "", err
		}
	}
	if err := steadyHeader(tree, top); err != nil {
		return "", err
	}
	seconds := max(top.Date.Unix(), 1) // dpkg-source takes 0 for not given
	if err := Guard(tree, time.Unix(seconds, 0)); err != nil {
		return "", err
	}
	// One thread, for with several xz writes other bytes.
	output := &tail{limit: maxComplaint}
	err := t.Run(ctx, Call{
		Dir: work, Output: output, Env: []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", seconds)},
		Args: []string{"dpkg-source", "--threads-max=1", "-b", filepath.Base(tree)},
	})
	if err != nil {
		return "", packFault(ctx, err, string(output.text))
	}
	dsc := filepath.Join(work, debian.DscName(top.Source, top.Version))
	if _, err := os.Stat(dsc); err != nil {
		return "", PackageFault("dpkg-source made no "+filepath.Base(dsc), "look for options in debian/source/options that keep it from working")
	}
	return dsc, nil
}

// packFault explains a failure of dpkg-source.
func packFault(ctx context.Context, err error, output string) error {
	err = ToolFault(ctx, err, "")
	var failure *bot.Failure
	if errors.As(err, &failure) {
		failure.Reason, failure.Hint = explain(output, strings.TrimPrefix(failure.Reason, "dpkg-source: "))
	}
	return err
}

// prepend puts an entry on top of the changelog. What was there is replaced and not written through, so
// that a link stays harmless.
func prepend(tree string, entry debian.Entry) error {
	path := filepath.Join(tree, "debian", "changelog")
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read changelog: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("replace changelog: %w", err)
	}
	if err := os.WriteFile(path, append([]byte(entry.String()), old...), 0o644); err != nil {
		return fmt.Errorf("write changelog: %w", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		return fmt.Errorf("write changelog: %w", err)
	}
	return nil
}

// steadyHeader sees to a header of the patch that the option auto-commit makes: dpkg-source's own has the day
// on which it runs. The file is not part of the package.
func steadyHeader(tree string, top debian.Entry) error {
	root, err := os.OpenRoot(filepath.Join(tree, "debian"))
	if err != nil {
		return fmt.Errorf("open debian: %w", err)
	}
	defer root.Close()
	options := ""
	for _, name := range []string{"source/options", "source/local-options"} {
		if text, err := root.ReadFile(name); err == nil {
			options += string(text)
		}
	}
	if !strings.Contains(options, "auto-commit") || strings.Contains(options, "single-debian-patch") {
		return nil
	}
	for _, name := range []string{"source/local-patch-header", "source/patch-header"} {
		if _, err := root.Lstat(name); err == nil {
			return nil
		}
	}
	header := fmt.Sprintf("Description: changes of the upstream source that were made in the packaging's repository\nAuthor: %s\nLast-Update: %s\n\n", top.Maintainer, top.Date.UTC().Format(time.DateOnly))
	if err := root.WriteFile("source/local-patch-header", []byte(header), 0o644); err != nil {
		return fmt.Errorf("write header of automatic patch: %w", err)
	}
	return nil
}

// Store puts the .dsc and all that it lists into the store, and says what it is.
func Store(ctx context.Context, s artifact.Store, path string) (*debian.Dsc, []message.Artifact, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read .dsc: %w", err)
	}
	if info.Size() > maxDsc {
		return nil, nil, PackageFault(fmt.Sprintf("%s has %d bytes, more than %d", info.Name(), info.Size(), maxDsc), "shorten debian/control")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read .dsc: %w", err)
	}
	dsc, err := debian.ParseDsc(data)
	if err != nil {
		return nil, nil, PackageFault(fmt.Sprintf("%s: %v", info.Name(), err), "look for fields of debian/control that dpkg copies into the .dsc")
	}
	refs := make([]message.Artifact, 0, 1+len(dsc.Files))
	ref, err := artifact.PutFile(ctx, s, path)
	if err != nil {
		return nil, nil, err
	}
	refs = append(refs, ref)
	for _, f := range dsc.Files {
		ref, err := artifact.PutFile(ctx, s, filepath.Join(filepath.Dir(path), f.Name))
		if err != nil {
			return nil, nil, err
		}
		if string(ref.SHA256) != f.SHA256 || ref.Size != f.Size {
			return nil, nil, fmt.Errorf("store %s: it is not what the .dsc lists", f.Name)
		}
		refs = append(refs, ref)
	}
	return dsc, refs, nil
}
