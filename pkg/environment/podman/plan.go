package podman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/index"
	"foundry/pkg/environment/podman/mirror"
)

// format is part of every key; what images are made by are baseHook, baseOptions and installScript besides.
const format = "foundry environment 1"

// A plan is a request with all that its answer depends on.
type plan struct {
	environment.Request
	sources  []source         // the base's own first
	releases []mirror.Release // of sources, in the same order
	baseKey  string
	listsKey string       // of what apt downloads
	key      string       // of the answer
	own      []ownArchive // archives that change with every package
	near     string       // key of an answer that holds while nothing of them that has a bearing on it changes; empty for none
	urgent   bool         // a package waits for it
}

// A source is a source list with its keyring.
type source struct {
	environment.SourceList
	keyring []byte
	ext     string // of the keyring's file name
}

// plan checks the request and looks at everything that the answer depends on.
func (e *Engine) plan(ctx context.Context, request environment.Request) (*plan, error) {
	if err := checkRequest(request); err != nil {
		return nil, err
	}
	if err := CheckArchitecture(request.Architecture); err != nil {
		return nil, err
	}
	p := &plan{Request: request, urgent: true}
	if len(p.Base.Components) == 0 {
		p.Base.Components = []string{"main"}
	}
	lists := append([]environment.SourceList{{
		URI: request.Base.Mirror, Suite: request.Base.Release,
		Components: p.Base.Components, Keyring: request.Base.Keyring,
	}}, request.Sources...)
	described := make([]string, 0, 2*len(lists))
	looked, err := e.mirrors.LookAt(ctx, lists, request.Proxy)
	if err != nil {
		return nil, err
	}
	var near []string
	for n, list := range lists {
		if list.Optional {
			p.own = append(p.own, ownArchive{list, looked[n].SHA256})
		} else {
			near = append(near, looked[n].SHA256)
		}
		if looked[n].SHA256 == "" {
			continue // optional, and not there yet
		}
		data, ext, err := readKeyring(list.Keyring)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, source{list, data, ext})
		p.releases = append(p.releases, looked[n])
		described = append(described, index.Digest(list.URI, list.Suite, strings.Join(list.Components, " "), string(data)))
	}
	p.baseKey = index.Digest(format, "base", baseHook, strings.Join(baseOptions(), " "), request.Architecture, described[0])
	p.listsKey = index.Digest(append(described, format, "lists", p.baseKey)...)
	profiles := slices.Clone(request.Profiles)
	slices.Sort(profiles)
	asked := []string{format, "answer", installScript, p.baseKey, request.Depends, request.Conflicts, strings.Join(profiles, " ")}
	for _, r := range p.releases {
		described = append(described, r.SHA256)
	}
	p.key = index.Digest(append(described, asked...)...)
	if slices.ContainsFunc(p.own, ownArchive.readable) {
		for _, o := range p.own {
			near = append(near, o.list.URI, o.list.Suite, strings.Join(o.list.Components, " "), o.list.Keyring)
		}
		p.near = index.Digest(append(near, asked...)...)
	}
	return p, nil
}

// Key implements environment.Provisioner.
func (e *Engine) Key(ctx context.Context, request environment.Request) (string, error) {
	p, err := e.plan(ctx, request)
	if err != nil {
		return "", err
	}
	return p.key, nil
}

var (
	wordPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~_-]*$`)
	suitePattern   = regexp.MustCompile(`^[A-Za-z0-9.][A-Za-z0-9.+~_/-]*$`)
	profilePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*$`)
)

// checkRequest refuses what would mean something else to apt or a shell than it says.
func checkRequest(r environment.Request) error {
	if !wordPattern.MatchString(r.Architecture) {
		return fmt.Errorf("provision: architecture %q is not a name", r.Architecture)
	}
	if !wordPattern.MatchString(r.Base.Release) {
		return fmt.Errorf("provision: release %q is not a name", r.Base.Release)
	}
	if err := checkURI(r.Base.Mirror); err != nil {
		return fmt.Errorf("provision: mirror: %w", err)
	}
	if err := checkProxy(r.Proxy); err != nil {
		return fmt.Errorf("provision: %w", err)
	}
	for _, c := range r.Base.Components {
		if !wordPattern.MatchString(c) {
			return fmt.Errorf("provision: component %q is not a name", c)
		}
	}
	for _, s := range r.Sources {
		if err := checkURI(s.URI); err != nil {
			return fmt.Errorf("provision: repository: %w", err)
		}
		flat := strings.HasSuffix(s.Suite, "/")
		if !suitePattern.MatchString(s.Suite) || strings.Contains(s.Suite, "..") {
			return fmt.Errorf("provision: suite %q of %s is not a name", s.Suite, s.URI)
		}
		if flat != (len(s.Components) == 0) {
			return fmt.Errorf("provision: %s %s: components are needed unless the suite ends in a slash", s.URI, s.Suite)
		}
		for _, c := range s.Components {
			if !suitePattern.MatchString(c) || strings.Contains(c, "..") {
				return fmt.Errorf("provision: component %q of %s is not a name", c, s.URI)
			}
		}
	}
	for _, p := range r.Profiles {
		if !profilePattern.MatchString(p) {
			return fmt.Errorf("provision: build profile %q is not a name", p)
		}
	}
	for _, relations := range []string{r.Depends, r.Conflicts} {
		if strings.ContainsAny(relations, "\x00\r#") || strings.Contains(relations, "\n\n") {
			return errors.New("provision: build relations have characters that do not belong in a control field")
		}
	}
	return nil
}

// checkProxy refuses what is not the URL of an http proxy; "" is none.
func checkProxy(uri string) error {
	if uri == "" {
		return nil
	}
	if err := checkURI(uri); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if u, err := url.Parse(uri); err != nil || u.Scheme == "file" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("proxy %q is not the URL of one", uri)
	}
	return nil
}

// checkURI quotes a URI only when it can have no password or token in it.
func checkURI(uri string) error {
	if strings.ContainsAny(uri, "@?#") {
		return errors.New("a URI with a user name, a password or a query does not belong in a source list")
	}
	u, err := url.Parse(uri)
	if err != nil {
		return fmt.Errorf("%q is not a URI", uri)
	}
	if strings.ContainsAny(uri, " \t\r\n[]\"'") {
		return fmt.Errorf("%q has characters that do not belong in a source list", uri)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return fmt.Errorf("%q names no host", uri)
		}
		return nil
	case "file":
		_, err := mirror.FilePath(uri)
		return err
	}
	return fmt.Errorf("%q is neither http, https nor file", uri)
}

// readKeyring returns the file's content and the extension that apt expects of such content; both
// empty for an empty path.
func readKeyring(path string) (data []byte, ext string, err error) {
	if path == "" {
		return nil, "", nil
	}
	data, err = os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("read keyring: %w", err)
	}
	if len(data) == 0 {
		return nil, "", fmt.Errorf("read keyring %s: it is empty", path)
	}
	if bytes.Contains(data, []byte("-----BEGIN PGP")) {
		return data, ".asc", nil
	}
	return data, ".gpg", nil
}
