package bot

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
)

// Programs lists the bots in the order of the pipeline, as they may stand in a configuration file.
func Programs() []string {
	return []string{"watchbot", "sourcebot", "provisionbot", "buildbot", "signbot", "distbot"}
}

// Entry is one table of a configuration file: flag names and their values.
type Entry map[string]any

// Config is a configuration file (foundry.toml).
type Config struct {
	Path string
	// Common holds the keys that stand before the first table, which count for every bot that has
	// a flag of the name.
	Common Entry
	// BusURL is [bus] url: an external bus. Empty for the embedded one.
	BusURL string
	// BusNKey is [bus] nkey: the file with the seed that every bot shows an external bus.
	BusNKey string
	// BusListen is [bus] listen: where the embedded bus listens, "127.0.0.1:4222".
	BusListen string
	// Bots holds the entries of each bot: [[buildbot]] tables.
	Bots map[string][]Entry
}

// commonKeys may stand before the first table.
var commonKeys = []string{"state", "cache", "store", "verbose", "json", "ack-wait"}

// ReadConfig reads the configuration file at path. Whether the keys of a bot's entry are flags of
// that bot is checked by the bot itself.
func ReadConfig(path string) (*Config, error) {
	var tree map[string]any
	if _, err := toml.DecodeFile(path, &tree); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, Hint(fmt.Errorf("read configuration: no such file %s", path), `make one with "foundry init"`)
		}
		var parse toml.ParseError
		if errors.As(err, &parse) {
			return nil, Usage(fmt.Sprintf("read configuration %s, line %d: %s", path, parse.Position.Line, parse.Message), "the format is TOML, https://toml.io")
		}
		return nil, Hint(fmt.Errorf("read configuration %s: %w", path, err), "name a file that this user may read")
	}
	c := &Config{Path: path, Common: Entry{}, Bots: map[string][]Entry{}}
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if err := c.set(key, tree[key]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Config) set(key string, value any) error {
	switch {
	case slices.Contains(Programs(), key):
		entries, ok := value.([]map[string]any)
		if !ok {
			return Usage(fmt.Sprintf("%s: %q is not a list of tables", c.Path, key), fmt.Sprintf("write [[%s]] above its keys", key))
		}
		for _, e := range entries {
			c.Bots[key] = append(c.Bots[key], e)
		}
		return nil
	case key == "bus":
		return c.setBus(value)
	case slices.Contains(commonKeys, key):
		c.Common[key] = value
		return nil
	}
	known := append(append([]string{"bus"}, commonKeys...), Programs()...)
	return Usage(fmt.Sprintf("%s: unknown key %q", c.Path, key), Nearest(key, known))
}

func (c *Config) setBus(value any) error {
	table, ok := value.(map[string]any)
	if !ok {
		return Usage(fmt.Sprintf("%s: \"bus\" is not a table", c.Path), "write [bus] and below it url = \"nats://HOST:4222\"")
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		text, ok := table[key].(string)
		if !ok {
			return Usage(fmt.Sprintf("%s: [bus] %s is not a string", c.Path, key), "")
		}
		switch key {
		case "url":
			c.BusURL = text
		case "nkey":
			c.BusNKey = text
		case "listen":
			c.BusListen = text
		default:
			return Usage(fmt.Sprintf("%s: unknown key %q in [bus]", c.Path, key), Nearest(key, []string{"url", "nkey", "listen"}))
		}
	}
	return nil
}

// Entry chooses the entry of a bot: the one with the given index, the one with the given endpoint,
// or the only one. A file without an entry for the bot gives an empty one.
func (c *Config) Entry(bot string, index int, endpoint string) (Entry, error) {
	entries := c.Bots[bot]
	switch {
	case index >= len(entries):
		return nil, Usage(fmt.Sprintf("%s: there are %d [[%s]] entries, none is number %d", c.Path, len(entries), bot, index), "")
	case index >= 0:
		return entries[index], nil
	case len(entries) == 0:
		return Entry{}, nil
	case len(entries) == 1:
		return entries[0], nil
	}
	for _, e := range entries {
		if endpoint != "" && e["endpoint"] == endpoint {
			return e, nil
		}
	}
	return nil, Usage(fmt.Sprintf("%s: several [[%s]] entries", c.Path, bot), "say which with --endpoint, as given in the entry")
}

// Apply sets those flags of the herder that were not given from the environment and the common
// keys of the file; config may be nil.
func Apply(fs *pflag.FlagSet, program string, config *Config) error {
	return apply(fs, program, os.Getenv, config, nil)
}

// ApplyEntry does the same with the entry of a program, for a command that shares settings with it.
func ApplyEntry(fs *pflag.FlagSet, program string, config *Config, entry Entry) error {
	return apply(fs, program, os.Getenv, config, entry)
}

// apply sets those flags of fs that were not given from the environment and the file.
func apply(fs *pflag.FlagSet, program string, getenv func(string) string, config *Config, entry Entry) error {
	names := flagNames(fs)
	for _, key := range slices.Sorted(maps.Keys(entry)) {
		if !slices.Contains(names, key) {
			return Usage(fmt.Sprintf("%s: unknown key %q in [[%s]]", config.Path, key, program), Nearest(key, names))
		}
	}
	var problem error
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Changed || problem != nil || slices.Contains(notConfigurable, f.Name) {
			return
		}
		if values, from := lookup(f, program, getenv, config, entry); values != nil {
			problem = setFlag(fs, f, values, from)
		}
	})
	return problem
}

// notConfigurable are the flags that ask for an action and so belong on the command line only.
var notConfigurable = []string{"list", "stop", "config", "entry", "check", "help", "version"}

func flagNames(fs *pflag.FlagSet) (names []string) {
	fs.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(notConfigurable, f.Name) {
			names = append(names, f.Name)
		}
	})
	return names
}

// lookup finds the value of a flag in the bot's variable, the common variable, the bot's entry and
// the file's common keys, in that order.
func lookup(f *pflag.Flag, program string, getenv func(string) string, config *Config, entry Entry) (values []any, from string) {
	name := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	for _, variable := range []string{"FOUNDRY_" + strings.ToUpper(program) + "_" + name, "FOUNDRY_" + name} {
		if text := getenv(variable); text != "" {
			if _, list := f.Value.(pflag.SliceValue); list {
				for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
					values = append(values, line)
				}
				return values, variable
			}
			return []any{text}, variable
		}
	}
	if config == nil {
		return nil, ""
	}
	value, ok := entry[f.Name]
	if !ok {
		value, ok = config.Common[f.Name]
	}
	if !ok {
		bus := map[string]string{"bus": config.BusURL, "bus-nkey": config.BusNKey}[f.Name]
		value, ok = bus, bus != ""
	}
	if !ok {
		return nil, ""
	}
	if list, isList := value.([]any); isList {
		return list, config.Path
	}
	return []any{value}, config.Path
}

func setFlag(fs *pflag.FlagSet, f *pflag.Flag, values []any, from string) error {
	if _, list := f.Value.(pflag.SliceValue); !list && len(values) != 1 {
		return Usage(fmt.Sprintf("%s: %s takes one value, not %d", from, f.Name, len(values)), "")
	}
	for _, v := range values {
		switch v.(type) {
		case string, bool, int64, float64:
		default:
			return Usage(fmt.Sprintf("%s: %s takes no value of this kind", from, f.Name), "give text, a number, true or false, or a list of texts")
		}
		if err := fs.Set(f.Name, fmt.Sprint(v)); err != nil {
			return Usage(fmt.Sprintf("%s: %s: bad value %q", from, f.Name, fmt.Sprint(v)), f.Usage)
		}
	}
	return nil
}
