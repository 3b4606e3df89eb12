package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/environment"
)

// options are provisionbot's own flags.
type options struct {
	Arch             string
	Bases            []string
	Mirror           string
	MirrorKeyring    string
	Repositories     []string
	Keyrings         []string
	Self             string
	SelfKeyring      string
	FirstAlternative bool
	ShareImages      string
	Components       string
	Proxy            string
	ImageLimit       string

	DependencyWait  time.Duration
	DependencyGrace time.Duration

	bases   map[debian.Codename]string // release of each codename
	sources []environment.SourceList   // the suite may hold codenameToken; --self last
	images  int64                      // bytes, as environment.ParseImageLimit has them
}

// codenameToken stands for the package's codename in the suite of --repository.
const codenameToken = "%(codename)s"

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.Arch, "arch", environment.HostArchitecture(), "architecture to make environments for")
	fs.StringArrayVar(&o.Bases, "base", nil, "release in which the packages of a codename are built, `CODENAME=RELEASE`; may be given several times (default: the codename itself)")
	fs.StringVar(&o.Mirror, "mirror", "http://deb.debian.org/debian", "`URI` of the mirror that base systems come from")
	fs.StringVar(&o.MirrorKeyring, "mirror-keyring", "", "OpenPGP keyring `file` that verifies the mirror (default: those of the distribution)")
	fs.StringArrayVar(&o.Repositories, "repository", nil, "further source list, `'URI SUITE COMPONENT…'`; may be given several times")
	fs.StringArrayVar(&o.Keyrings, "keyring", nil, "OpenPGP keyring `file`: one for all --repository, or one for each in the same order")
	fs.StringVar(&o.Self, "self", "", "the apt repository that is being published, `'FOLDER|URI [COMPONENT…]'`: packages may build-depend on what is in it (component: main)")
	fs.StringVar(&o.SelfKeyring, "self-keyring", "", "OpenPGP keyring `file` that verifies --self (default: FOLDER/NAME.asc, as distbot makes it)")
	fs.BoolVar(&o.FirstAlternative, "first-alternative", false, "of build dependencies with alternatives let the first alone do, as the builders of Debian (default: the first that can be satisfied)")
	fs.DurationVar(&o.DependencyWait, "dependency-wait", 24*time.Hour, "how long a package waits for a build dependency that another one on its way may bring; 0 for not at all")
	fs.DurationVar(&o.DependencyGrace, "dependency-grace", 2*time.Minute, "how long it waits for one that nothing on its way brings")
	fs.StringVar(&o.ShareImages, "share-images", "auto", "put images into the artifact store for buildbots on other hosts: auto (unless the bus is on this host), always or never")
	fs.StringVar(&o.Components, "components", "main", "components of the mirror that packages come from, with spaces or commas between them")
	fs.StringVar(&o.Proxy, "proxy", "", "`URL` of an HTTP proxy that everything is downloaded through; nothing of it stays in an image (default: none, whatever the host uses)")
	fs.StringVar(&o.ImageLimit, "image-limit", "", "disk that images and downloads of apt may take before those are removed that were not used for longest, as in 50G; 0 for no limit (default: a fifth of the file system)")
}

// check parses what the flags say.
func (o *options) check() error {
	if !debian.Architecture(o.Arch).Known() {
		return bot.Usage(fmt.Sprintf("--arch %q: not an architecture", o.Arch), "use a name that dpkg-architecture -L lists, such as amd64")
	}
	if err := o.checkBases(); err != nil {
		return err
	}
	if err := checkOpen("mirror", o.Mirror); err != nil {
		return err
	}
	if u, err := url.Parse(o.Mirror); err != nil || !isArchive(u) {
		return bot.Usage(fmt.Sprintf("--mirror %q: not the URI of an archive", o.Mirror), "use one such as http://deb.debian.org/debian")
	}
	if o.MirrorKeyring != "" {
		if err := checkKeyring("mirror-keyring", o.MirrorKeyring); err != nil {
			return err
		}
	}
	if err := cmp.Or(o.checkRepositories(), o.checkSelf()); err != nil {
		return err
	}
	if o.DependencyWait < 0 || o.DependencyGrace < 0 {
		return bot.Usage("--dependency-wait and --dependency-grace: less than nothing", "give durations such as 24h and 2m")
	}
	if err := o.checkDownloads(); err != nil {
		return err
	}
	switch o.ShareImages {
	case "auto", "always", "never":
		return nil
	}
	return bot.Usage(fmt.Sprintf("--share-images %q: not a choice", o.ShareImages), "use auto, always or never")
}

func (o *options) checkBases() error {
	o.bases = make(map[debian.Codename]string)
	for _, text := range o.Bases {
		codename, release, found := strings.Cut(text, "=")
		if !found || !debian.Codename(codename).Valid() || !debian.Codename(release).Valid() {
			return bot.Usage(fmt.Sprintf("--base %q: not CODENAME=RELEASE", text), "write it as in mycodename=trixie")
		}
		if other, twice := o.bases[debian.Codename(codename)]; twice && other != release {
			return bot.Usage(fmt.Sprintf("--base: %s is based on both %s and %s", codename, other, release), "")
		}
		o.bases[debian.Codename(codename)] = release
	}
	return nil
}

// checkRepositories parses --repository and gives each its keyring.
func (o *options) checkRepositories() error {
	o.sources = nil
	for n, text := range o.Repositories {
		if err := checkOpen("repository", text); err != nil {
			return err
		}
		fields := strings.Fields(text)
		const hint = `write "URI SUITE COMPONENT…", as in "https://apt.example.org/debian bookworm main"`
		if len(fields) < 2 {
			return bot.Usage(fmt.Sprintf("--repository %q: no suite", text), hint)
		}
		if u, err := url.Parse(fields[0]); err != nil || !isArchive(u) {
			return bot.Usage(fmt.Sprintf("--repository %q: %q is not the URI of an archive", text, fields[0]), hint)
		}
		if flat := strings.HasSuffix(fields[1], "/"); flat != (len(fields) == 2) {
			return bot.Usage(fmt.Sprintf("--repository %q: components are needed unless the suite ends in a slash", text), hint)
		}
		s := environment.SourceList{URI: fields[0], Suite: fields[1], Components: fields[2:]}
		switch {
		case len(o.Keyrings) == 1:
			s.Keyring = o.Keyrings[0]
		case len(o.Keyrings) > n:
			s.Keyring = o.Keyrings[n]
		}
		o.sources = append(o.sources, s)
	}
	if len(o.Keyrings) > 1 && len(o.Keyrings) != len(o.Repositories) {
		return bot.Usage(fmt.Sprintf("%d keyrings for %d repositories", len(o.Keyrings), len(o.Repositories)), "give one --keyring for all, or one for each --repository")
	}
	if len(o.Keyrings) > 0 && len(o.Repositories) == 0 {
		return bot.Usage("--keyring without --repository: nothing to verify", "")
	}
	for _, path := range o.Keyrings {
		if err := checkKeyring("keyring", path); err != nil {
			return err
		}
	}
	return nil
}

// checkOpen refuses a URI that may hold a password or token: source lists stand in the images and
// logs of every package. The error does not quote it, for errors are kept and shown too. What looks
// like one is refused whether or not it can be parsed.
func checkOpen(flag, text string) error {
	if strings.ContainsAny(text, "@?#") {
		return bot.Usage(fmt.Sprintf("--%s: a URI with a user name, a password or a query does not belong in a source list", flag),
			`name an archive that asks for none, such as a mirror on this network or a folder (file:/srv/debian); in a path "@" is written %40`)
	}
	return nil
}

// components are those of the mirror.
func (o *options) components() []string {
	return strings.FieldsFunc(o.Components, func(r rune) bool { return r == ',' || r == ' ' })
}

var componentPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~_-]*$`)

// checkDownloads checks from where and through what packages come, and how many may stay.
func (o *options) checkDownloads() error {
	for _, component := range o.components() {
		if !componentPattern.MatchString(component) {
			return bot.Usage(fmt.Sprintf("--components: %q is not the name of a component", component), `use those of the mirror, such as "main contrib"`)
		}
	}
	if len(o.components()) == 0 {
		return bot.Usage("--components: none are named", "use main")
	}
	if o.Proxy != "" {
		if err := checkOpen("proxy", o.Proxy); err != nil {
			return err
		}
		if u, err := url.Parse(o.Proxy); err != nil || u.Host == "" || !isArchive(u) || strings.Trim(u.Path, "/") != "" {
			return bot.Usage(fmt.Sprintf("--proxy %q: not the URL of a proxy", o.Proxy), "use one such as http://proxy.example.org:3128")
		}
	}
	var err error
	if o.images, err = environment.ParseImageLimit(o.ImageLimit); err != nil {
		return bot.Usage(fmt.Sprintf("--image-limit %q: %v", o.ImageLimit, err), "use a size such as 50G, or 0 for no limit")
	}
	return nil
}

func checkKeyring(flag, path string) error {
	if !filepath.IsAbs(path) {
		return bot.Usage(fmt.Sprintf("--%s %q: not an absolute path", flag, path), "")
	}
	if _, err := os.Stat(path); err != nil {
		return bot.Hint(fmt.Errorf("open keyring: %w", err), "export one with: gpg --export KEY > FILE")
	}
	return nil
}

func isArchive(u *url.URL) bool {
	switch u.Scheme {
	case "http", "https":
		return u.Host != ""
	case "file":
		return u.Host == "" && filepath.IsAbs(u.Path)
	}
	return false
}

// share tells whether images are to be put into the artifact store.
func (o *options) share(b *bot.Bot) (bool, error) {
	if o.ShareImages != "auto" {
		return o.ShareImages == "always", nil
	}
	address, err := b.Settings.BusURL()
	if err != nil {
		return false, err
	}
	for one := range strings.SplitSeq(address, ",") {
		if !onThisHost(strings.TrimSpace(one)) {
			return true, nil
		}
	}
	return false, nil
}

// onThisHost tells whether a URL can only be reached from this host.
func onThisHost(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}
