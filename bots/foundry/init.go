package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/bus/jetstream"
	"foundry/pkg/environment"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

//go:embed foundry.toml.tmpl
var configTemplate string

// plan is what a new configuration file is made of.
type plan struct {
	State, Cache  string
	Repositories  []string // URL#branch of each
	Codename      string
	Release       string
	Mirror        string
	Arch          string
	Name          string
	Description   string
	Serve         string
	Interval      string
	AllowUnsigned bool
}

func (c *client) initCommand() *cobra.Command {
	p := plan{}
	var force bool
	cmd := &cobra.Command{
		Use: "init", Short: "Write a configuration file, keys and trust files",
		Long: `Init writes foundry.toml, with a comment for each setting, and fills the state folder: a message key for each bot, the
key that signs packages, the key that signs the repository, and the keyrings that say who is believed. Keys and
keyrings that are there already stay as they are.`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			p.State, p.Cache = c.State, c.Cache
			path := c.Config
			if path == "" {
				path = "foundry.toml"
			}
			if err := initialize(path, p, force); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "wrote %s, and keys and keyrings in %s\n", path, c.State)
			fmt.Fprintf(c.out, "next: say who may sign commits: gpg --export --armor NAME >> %s\n", c.path("trust", "committers.asc"))
			fmt.Fprintf(c.out, "      then: foundry up --config %s\n", path)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&p.Repositories, "repository", nil, "git repository to watch, `URL#branch`; repeatable")
	f.StringVar(&p.Codename, "codename", "bookworm", "distribution to publish into")
	f.StringVar(&p.Release, "release", "", "Debian release to build in (default: the codename)")
	f.StringVar(&p.Mirror, "mirror", "http://deb.debian.org/debian", "Debian mirror")
	f.StringVar(&p.Arch, "arch", environment.HostArchitecture(), "architecture to build for")
	f.StringVar(&p.Name, "name", "foundry", "name of the apt repository")
	f.StringVar(&p.Description, "description", "Packages built by foundry", "description of the apt repository")
	f.StringVar(&p.Serve, "serve", "127.0.0.1:8480", "`address` at which the apt repository is served over http; empty for not at all")
	f.StringVar(&p.Interval, "interval", "30s", "how often git repositories are asked for news")
	f.BoolVar(&p.AllowUnsigned, "allow-unsigned", false, "also build commits that nobody has signed")
	f.BoolVar(&force, "force", false, "overwrite the configuration file")
	return cmd
}

// initialize fills the state folder of p and writes its configuration file at path, whole or not at
// all.
func initialize(path string, p plan, force bool) error {
	text, err := p.text()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil && !force {
		return errThere(path)
	}
	if _, err := prepareKeys(p.State); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".foundry.toml-")
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	put := os.Link // which does not replace what is there
	if force {
		put = os.Rename
	}
	err = put(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return errThere(path)
	}
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func errThere(path string) error {
	return bot.Hint(fmt.Errorf("%s is there already", path), "overwrite it with --force, or name another with --config FILE")
}

// text is the configuration file.
func (p plan) text() (string, error) {
	if p.Release == "" {
		p.Release = p.Codename
	}
	tmpl, err := template.New("foundry.toml").Funcs(template.FuncMap{"quote": quote}).Parse(configTemplate)
	if err != nil {
		return "", fmt.Errorf("parse template of configuration: %w", err)
	}
	text := new(strings.Builder)
	if err := tmpl.Execute(text, p); err != nil {
		return "", fmt.Errorf("write configuration: %w", err)
	}
	return text.String(), nil
}

// quote writes s as a TOML basic string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// roleOf says on which topic a program speaks, beside those on which every program does.
func roleOf(program string) message.Topic {
	switch program {
	case "sourcebot":
		return message.Sources
	case "provisionbot":
		return message.Provisions
	case "buildbot":
		return message.Builds
	case "signbot":
		return message.Signs
	case "distbot":
		return message.Dists
	}
	return message.Commits
}

// prepareKeys fills the state folder with what is missing: message keys and their place in the
// keyrings, nkeys for the embedded bus, the package key and the repository key.
func prepareKeys(state string) ([]jetstream.User, error) {
	if err := bot.PrepareState(state); err != nil {
		return nil, err
	}
	var users []jetstream.User
	for _, program := range append(bot.Programs(), "foundry") {
		topics := []message.Topic{roleOf(program), message.Failures, message.Rejects, message.ControlTopic}
		if program == "foundry" {
			topics = speaksOn()
		}
		if _, err := bot.NewSealer(state, program, topics); err != nil {
			return nil, err
		}
		public, err := jetstream.LoadOrCreateNKey(bot.NKeyFile(state, program))
		if err != nil {
			return nil, fmt.Errorf("open nkey of %s: %w", program, err)
		}
		role := jetstream.Role{Publish: topics, All: program == "foundry"} // the herder reads and asks everything
		users = append(users, jetstream.User{NKey: public, Role: role})
	}
	if err := allowUploads(state); err != nil {
		return nil, err
	}
	pkg, created, err := trust.LoadOrCreate(filepath.Join(state, "keys", "package.asc"), "foundry packages")
	if err != nil {
		return nil, fmt.Errorf("open package key: %w", err)
	}
	if created {
		if err := trust.Allow(bot.TrustDir(state), "packages", pkg); err != nil {
			return nil, fmt.Errorf("trust package key: %w", err)
		}
	}
	if _, _, err := trust.LoadOrCreate(filepath.Join(state, "keys", "repository.asc"), "foundry repository"); err != nil {
		return nil, fmt.Errorf("open repository key: %w", err)
	}
	return users, nil
}

// allowUploads lets the herder of a state folder from before there were uploads speak on sources. It does
// so once: who has removed the key since has meant it.
func allowUploads(state string) error {
	stamp := filepath.Join(state, "keys", "foundry.uploads")
	if _, err := os.Stat(stamp); err == nil {
		return nil
	}
	key, err := trust.Load(bot.KeyFile(state, "foundry"))
	if err != nil {
		return fmt.Errorf("open message key of foundry: %w", err)
	}
	if err := trust.Allow(bot.TrustDir(state), string(message.Sources), key); err != nil {
		return fmt.Errorf("let foundry speak on %s: %w", message.Sources, err)
	}
	if err := os.WriteFile(stamp, nil, 0o600); err != nil {
		return fmt.Errorf("note that foundry may speak on %s: %w", message.Sources, err)
	}
	return nil
}
