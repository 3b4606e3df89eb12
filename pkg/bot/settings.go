package bot

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// Settings are the values of the flags that all bots share.
type Settings struct {
	Endpoint string
	Watch    string
	Publish  string
	List     bool
	Stop     string
	Verbose  int
	Bus      string
	BusNKey  string
	State    string
	Cache    string
	Store    string
	Config   string
	Entry    int
	JSON     bool
	Jobs     int
	From     string
	AckWait  time.Duration
	Check    bool
}

// declare adds the flags of s to fs, with the defaults of d.
func (s *Settings) declare(fs *pflag.FlagSet, d Definition) {
	s.DeclareShared(fs)
	fs.StringVar(&s.Endpoint, "endpoint", "", "load-balancing group that this bot joins: each group gets every message, one member of it works on it (default \"pub/"+d.Name+"…\")")
	if d.Watch != "" {
		fs.StringVar(&s.Watch, "watch", string(d.Watch), "topic to watch")
		fs.IntVar(&s.Jobs, "jobs", cmp.Or(d.Jobs, 1), "how many messages to work on at a time")
		fs.StringVar(&s.From, "from", "all", "where a new endpoint starts: all, new, or a duration such as 1h")
		fs.DurationVar(&s.AckWait, "ack-wait", cmp.Or(d.AckWait, bus.DefaultAckWait), "how long a message stays with a bot of a new endpoint that gives no sign of life")
	}
	fs.StringVar(&s.Publish, "publish-to", string(d.Publish), "topic to publish on")
	fs.BoolVar(&s.List, "list", false, "list the bots that are alive, and exit")
	fs.StringVar(&s.Stop, "stop", "", "stop the bot with this `id` or process id gracefully, and exit")
	fs.StringVar(&s.Config, "config", "", "configuration `file` (foundry.toml)")
	fs.IntVar(&s.Entry, "entry", -1, "which [["+d.Name+"]] entry of the file to use, from 0")
	fs.BoolVar(&s.Check, "check", false, "check flags and configuration, and exit")
	for _, hidden := range []string{"entry", "check"} {
		if err := fs.MarkHidden(hidden); err != nil {
			panic(err) // the flag was declared above
		}
	}
}

// DeclareShared adds to fs the flags that the herder has too.
func (s *Settings) DeclareShared(fs *pflag.FlagSet) {
	fs.CountVarP(&s.Verbose, "verbose", "v", "log more; twice for all")
	fs.StringVar(&s.Bus, "bus", "", "`URL` of a NATS server with JetStream (default: the one that \"foundry up\" runs for this state folder)")
	fs.StringVar(&s.BusNKey, "bus-nkey", "", "`file` with the nkey seed for the bus (default: the one in the state folder, if any)")
	fs.StringVar(&s.State, "state", DefaultState(), "state `folder`: keys, trust, work")
	fs.StringVar(&s.Cache, "cache", DefaultCache(), "cache `folder`: base systems and images, may be shared by several states")
	fs.StringVar(&s.Store, "store", "", "artifact store: \"folder:/path\" (default: the bus's own)")
	fs.BoolVar(&s.JSON, "json", false, "write the log, or the answer, as JSON")
}

// DefaultState is the state folder of this user.
func DefaultState() string {
	if os.Geteuid() == 0 {
		return "/var/lib/foundry"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "foundry")
	}
	return filepath.Join(home(), ".local", "state", "foundry")
}

// DefaultCache is the cache folder of this user.
func DefaultCache() string {
	if os.Geteuid() == 0 {
		return "/var/cache/foundry"
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "foundry")
	}
	return filepath.Join(home(), ".cache", "foundry")
}

func home() string {
	if dir, err := os.UserHomeDir(); err == nil {
		return dir
	}
	return os.TempDir()
}

// complete checks s and fills in what follows from other flags.
func (s *Settings) complete(d Definition) error {
	var err error
	if s.State, err = filepath.Abs(s.State); err != nil {
		return fmt.Errorf("find state folder: %w", err)
	}
	if s.Cache, err = filepath.Abs(s.Cache); err != nil {
		return fmt.Errorf("find cache folder: %w", err)
	}
	if s.Endpoint == "" {
		s.Endpoint = "pub/" + d.Name
		if d.Arch != nil && d.Arch() != "" {
			s.Endpoint += "_" + d.Arch()
		}
		if d.Group != nil && d.Group() != "" {
			s.Endpoint += "_" + message.SafeKey(d.Group())
		}
	}
	if err := checkEndpoint(s.Endpoint); err != nil {
		return err
	}
	if d.Watch != "" {
		if s.Jobs < 1 {
			return Usage(fmt.Sprintf("--jobs %d: must be at least 1", s.Jobs), "give the number of messages to work on at a time")
		}
		if _, err := s.from(); err != nil {
			return err
		}
		if s.AckWait < time.Second {
			return Usage(fmt.Sprintf("--ack-wait %s: must be at least 1s", s.AckWait), "give a duration such as 60s")
		}
		if err := checkTopic("watch", s.Watch); err != nil {
			return err
		}
	}
	return checkTopic("publish-to", s.Publish)
}

func checkEndpoint(name string) error {
	for _, r := range name {
		if !strings.ContainsRune("/_-", r) && (r > 'z' || message.SafeKey(string(r)) != string(r)) {
			return Usage(fmt.Sprintf("--endpoint %q: %q is not allowed", name, r), `use letters, digits, "_", "-" and "/", as in pub/buildbot_amd64`)
		}
	}
	if strings.Trim(name, "/") == "" || len(name) > 128 {
		return Usage(fmt.Sprintf("--endpoint %q: not a name of 1 to 128 characters", name), "use a name such as pub/buildbot_amd64")
	}
	return nil
}

func checkTopic(flag, topic string) error {
	var names []string
	for _, t := range message.Topics() {
		names = append(names, string(t))
	}
	if !slices.Contains(names, topic) {
		return Usage(fmt.Sprintf("--%s %q: no such topic", flag, topic), Nearest(topic, names))
	}
	return nil
}

func (s *Settings) from() (bus.From, error) {
	switch s.From {
	case "all":
		return bus.From{}, nil
	case "new":
		return bus.From{New: true}, nil
	}
	d, err := time.ParseDuration(s.From)
	if err != nil || d <= 0 {
		return bus.From{}, Usage(fmt.Sprintf("--from %q: not a starting point", s.From), "use all, new, or a duration such as 1h")
	}
	return bus.From{Since: d}, nil
}

// BusURL returns the URL of the bus: the one given, or the one that "foundry up" has written into
// the state folder.
func (s *Settings) BusURL() (string, error) {
	if s.Bus != "" {
		return s.Bus, nil
	}
	url, err := os.ReadFile(BusFile(s.State))
	if err != nil {
		return "", Hint(fmt.Errorf("no bus: none is running for the state folder %s", s.State),
			`start one with "foundry up", or name one with --bus nats://HOST:4222`)
	}
	return strings.TrimSpace(string(url)), nil
}

// BusFile is the path below the state folder where "foundry up" writes the URL of its bus.
func BusFile(state string) string { return filepath.Join(state, "run", "bus") }

// nkeyFile returns the path of the seed by which the bus knows the program, or "".
func (s *Settings) nkeyFile(program string) string {
	if s.BusNKey != "" {
		return s.BusNKey
	}
	path := NKeyFile(s.State, program)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// NKeyFile is the path of the program's own nkey seed below the state folder.
func NKeyFile(state, program string) string { return filepath.Join(state, "keys", program+".nkey") }

// KeyFile is the path of the program's own message key below the state folder.
func KeyFile(state, program string) string { return filepath.Join(state, "keys", program+".asc") }

// TrustDir is the folder of the keyrings, one for each topic.
func TrustDir(state string) string { return filepath.Join(state, "trust") }
