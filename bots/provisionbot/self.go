package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/environment"
)

// checkSelf parses --self and adds it to the source lists. A repository, or a codename in it, that
// is not there yet counts as empty: somebody has to be the first.
func (o *options) checkSelf() error {
	if o.Self == "" {
		if o.SelfKeyring != "" {
			return bot.Usage("--self-keyring without --self: nothing to verify", "")
		}
		return nil
	}
	if err := checkOpen("self", o.Self); err != nil {
		return err
	}
	fields := strings.Fields(o.Self)
	s := environment.SourceList{Suite: codenameToken, Components: fields[1:], Keyring: o.SelfKeyring, Optional: true}
	if len(s.Components) == 0 {
		s.Components = []string{"main"}
	}
	switch u, err := url.Parse(fields[0]); {
	case filepath.IsAbs(fields[0]):
		s.URI = (&url.URL{Scheme: "file", Path: filepath.Clean(fields[0])}).String()
		if s.Keyring == "" {
			s.Keyring = filepath.Join(fields[0], filepath.Base(fields[0])+".asc")
		}
	case err != nil || !isArchive(u):
		return bot.Usage(fmt.Sprintf("--self %q: neither an absolute folder nor the URI of an archive", o.Self),
			"use one such as /var/lib/foundry/repo/main or https://apt.example.org/debian")
	default:
		s.URI = fields[0]
	}
	if s.Keyring == "" {
		return bot.Usage(fmt.Sprintf("--self %q: no --self-keyring to verify it with", o.Self), "give NAME.asc of that repository")
	}
	if !filepath.IsAbs(s.Keyring) {
		return bot.Usage(fmt.Sprintf("--self-keyring %q: not an absolute path", s.Keyring), "")
	}
	o.sources = append(o.sources, s)
	return nil
}

// hintSelf explains what may be wrong with --self when a keyring cannot be read.
func (o *options) hintSelf(err error) error {
	if o.Self == "" || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	i := slices.IndexFunc(o.sources, func(s environment.SourceList) bool { return s.Optional })
	if _, statErr := os.Stat(o.sources[i].Keyring); !errors.Is(statErr, fs.ErrNotExist) {
		return err
	}
	return bot.Hint(err, "say with --self-keyring which key signs "+o.sources[i].URI)
}
