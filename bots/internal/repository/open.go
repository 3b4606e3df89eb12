package repository

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foundry/bots/internal/openkey"
	"foundry/bots/internal/repoctl"
	"foundry/pkg/bot"
	"foundry/pkg/publish"
	"foundry/pkg/trust"
)

// Key is the key that signs the metadata that apt checks.
var Key = openkey.Kind{Name: "repository key", File: "repository.asc", User: "foundry repository"}

// Resolve makes the paths in s whole: that of the output folder, and those of key files.
func (s *Settings) Resolve(state string) (err error) {
	if s.Output == "" {
		s.Output = filepath.Join(state, "repo", s.Name)
	}
	if s.Output, err = filepath.Abs(s.Output); err != nil {
		return fmt.Errorf("find output folder: %w", err)
	}
	if s.PackageKeys == "" {
		s.PackageKeys = filepath.Join(bot.TrustDir(state), "packages.asc")
	}
	if s.PackageKeys, err = filepath.Abs(s.PackageKeys); err != nil {
		return fmt.Errorf("find trusted package keys: %w", err)
	}
	for _, list := range [][]string{s.Keys, s.NextKeys} {
		for i, key := range list {
			if _, err := os.Stat(key); err != nil {
				continue // gpg knows it, or who opens it tells what is wrong
			}
			if list[i], err = filepath.Abs(key); err != nil {
				return fmt.Errorf("find key: %w", err)
			}
		}
	}
	return nil
}

// Options opens the keys and returns what the repository is opened with. A key that is made is one of the
// bot's state folder.
func (s *Settings) Options(ctx context.Context, b *bot.Bot) (publish.Options, error) {
	suites, err := s.Suites()
	if err != nil {
		return publish.Options{}, err
	}
	signer, err := s.signer(ctx, b)
	if err != nil {
		return publish.Options{}, err
	}
	if err := s.signedBy(suites, signer); err != nil {
		return publish.Options{}, err
	}
	return publish.Options{
		Dir: Dir(b.Settings.State, s.Name), Output: s.Output, Archive: s.Name, Suites: suites, Signer: signer,
		ValidFor: s.ValidFor, Retain: s.Retain, KeepIndexes: s.KeepIndexes, Snapshots: s.Snapshots, URI: s.URI, Log: b.Log,
	}, nil
}

// signer opens the keys and tries them.
func (s *Settings) signer(ctx context.Context, b *bot.Bot) (trust.Signer, error) {
	return Key.OpenAll(ctx, b, s.Keys)
}

// signedBy puts fingerprints in place of the word for the keys that sign, and of those that shall.
func (s *Settings) signedBy(suites []publish.Suite, signer trust.Signer) error {
	var prints []string
	for _, print := range s.SignedBy {
		if print != signedByKeys {
			prints = append(prints, strings.ToUpper(print))
			continue
		}
		prints = append(prints, trust.Fingerprints(signer)...)
		for _, file := range s.NextKeys {
			ring, err := trust.ReadKeyring(file)
			if err != nil {
				return fmt.Errorf("read keys that shall sign: %w", err)
			}
			prints = append(prints, ring.Fingerprints()...)
		}
	}
	for i := range suites {
		suites[i].SignedBy = nil
		for _, print := range prints {
			if !slices.Contains(suites[i].SignedBy, print) {
				suites[i].SignedBy = append(suites[i].SignedBy, print)
			}
		}
	}
	return nil
}

// About describes the repository to those who reach it through this process.
func About(o publish.Options) repoctl.About {
	about := repoctl.About{Name: o.Archive, Output: o.Output, PID: os.Getpid(), Version: bot.Version, Suites: map[string]string{}}
	if o.Signer != nil {
		about.Keys, _ = o.Signer.Public() // who needs them finds that there are none
	}
	for _, s := range o.Suites {
		about.Codenames = append(about.Codenames, s.Codename)
		if s.Suite != "" {
			about.Suites[s.Codename] = s.Suite
		}
	}
	return about
}
