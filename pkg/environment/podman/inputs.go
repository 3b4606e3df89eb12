package podman

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/environment/podman/apt"
	"foundry/pkg/environment/podman/mirror"
)

// writeInputs writes what install.sh reads and returns the folders of file URIs, by where they are
// to be mounted.
func (p *plan) writeInputs(dir string) (mounts map[string]string, err error) {
	mounts = make(map[string]string)
	var list strings.Builder
	for n, s := range p.sources {
		uri := s.URI
		if strings.HasPrefix(uri, "file:") {
			path, err := mirror.FilePath(uri)
			if err != nil {
				return nil, err
			}
			// Below /run, so that no mount point stays in the image.
			target := fmt.Sprintf("/run/foundry/repository-%d", n)
			mounts[target], uri = path, "file:"+target
		}
		option := ""
		if len(s.keyring) > 0 {
			name := fmt.Sprintf("keyring-%d%s", n, s.ext)
			if err := writeOpen(filepath.Join(dir, name), s.keyring); err != nil {
				return nil, fmt.Errorf("write keyring: %w", err)
			}
			option = "[signed-by=/in/" + name + "] "
		}
		fmt.Fprintf(&list, "deb %s%s %s %s\n", option, uri, s.Suite, strings.Join(s.Components, " "))
	}
	for name, content := range map[string]string{
		"sources.list": list.String(), "apt.conf": p.aptConf(), "package.dsc": p.dsc(),
		"names": strings.Join(apt.Names(p.Depends), "\n"), "releases": p.hashes(), "current": "",
	} {
		if err := writeOpen(filepath.Join(dir, name), []byte(content)); err != nil {
			return nil, fmt.Errorf("write input of apt: %w", err)
		}
	}
	return mounts, os.Chmod(dir, 0o755) // apt's methods run as another user
}

// writeOpen writes a file that other users can read, whatever the host's umask.
func writeOpen(path string, data []byte) error {
	return errors.Join(os.WriteFile(path, data, 0o644), os.Chmod(path, 0o644))
}

// hashes are those of the Release files, sorted, each on a line.
func (p *plan) hashes() string {
	var lines []string
	for _, r := range p.releases {
		lines = append(lines, r.SHA256+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// aptConf is the configuration of apt.conf(5) for install.sh.
func (p *plan) aptConf() string {
	var b strings.Builder
	b.WriteString(`Dir::Etc::SourceList "/in/sources.list";
Dir::Etc::SourceParts "-";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::Assume-Yes "true";
APT::Update::Error-Mode "any";
APT::Solver "internal";
Acquire::Languages "none";
Acquire::AllowReleaseInfoChange "true";
Acquire::Retries "3";
Acquire::http::Timeout "60";
Acquire::https::Timeout "60";
Acquire::https::CAInfo "/run/foundry/certificates";
Dpkg::Use-Pty "false";
Dpkg::Options { "--force-unsafe-io"; "--force-confnew"; };
APT::Keep-Downloaded-Packages "true";
`)
	if p.Proxy != "" {
		fmt.Fprintf(&b, "Acquire::http::Proxy %q;\nAcquire::https::Proxy %q;\n", p.Proxy, p.Proxy)
	}
	if len(p.Profiles) > 0 {
		fmt.Fprintf(&b, "APT::Build-Profiles { \"%s\"; };\n", strings.Join(p.Profiles, "\"; \""))
	}
	return b.String()
}

// dsc is a source package with the relations of the request, as apt-get build-dep reads it.
func (p *plan) dsc() string {
	field := func(name, relations string) string {
		relations = strings.Join(strings.Fields(relations), " ")
		if relations == "" {
			return ""
		}
		return name + ": " + relations + "\n"
	}
	return "Format: 3.0 (native)\nSource: foundry-build\nBinary: foundry-build\nArchitecture: any\n" +
		"Version: 1\nMaintainer: foundry <foundry@localhost>\n" +
		field("Build-Depends", p.Depends) + field("Build-Conflicts", p.Conflicts)
}
