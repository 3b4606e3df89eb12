package podman

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"foundry/pkg/environment"
)

// writeInputs writes what install.sh reads and returns the folders of file URIs, by where they are
// to be mounted.
func (p *plan) writeInputs(dir string) (mounts map[string]string, err error) {
	mounts = make(map[string]string)
	var list strings.Builder
	for n, s := range p.sources {
		uri := s.URI
		if strings.HasPrefix(uri, "file:") {
			path, err := filePath(uri)
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
		"names": strings.Join(names(p.Depends), "\n"), "releases": p.hashes(), "current": "",
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

var (
	// Inst name[:arch] [old version] (version origin, origin [arch]) …
	instPattern = regexp.MustCompile(`^Inst (\S+?)(?::(\S+))? (?:\[\S+\] )?\((\S+) .*?\[(\S+)\]\)`)
	// Remv name[:arch] [version] …
	remvPattern = regexp.MustCompile(`^Remv (\S+?)(?::(\S+))? \[`)
)

// foresee tells from apt's simulation which packages ("name:arch=version", sorted) will be there
// after it, and which ("name=version", sorted) it installs.
func foresee(before []string, simulation, native string) (after, installs []string) {
	there := make(map[string]string, len(before))
	for _, p := range before {
		if name, version, found := strings.Cut(p, "="); found {
			there[name] = version
		}
	}
	for line := range strings.Lines(simulation) {
		if m := remvPattern.FindStringSubmatch(line); m != nil {
			forget(there, m[1], m[2], native)
		}
		if m := instPattern.FindStringSubmatch(line); m != nil {
			forget(there, m[1], m[2], native)
			there[m[1]+":"+m[4]] = m[3]
			name := m[1]
			if m[2] != "" && m[2] != native {
				name += ":" + m[2]
			}
			installs = append(installs, name+"="+m[3])
		}
	}
	for name, version := range there {
		after = append(after, name+"="+version)
	}
	slices.Sort(after)
	slices.Sort(installs)
	return after, installs
}

func forget(there map[string]string, name, arch, native string) {
	if arch != "" && arch != native {
		delete(there, name+":"+arch)
		return
	}
	delete(there, name+":"+native)
	delete(there, name+":all")
}

// The lines in which apt says what cannot be satisfied, after a heading.
var (
	unmetHeading = "The following packages have unmet dependencies:"
	unmetPattern = regexp.MustCompile(`^\s+(?:(\S+) : )?(?:(?:Pre)?Depends|(Conflicts|Breaks)): (.+)$`)
	reasonTail   = regexp.MustCompile(` but .*$`)
)

// unsatisfiable makes the error of what apt-get build-dep said, or returns nil when it failed for
// another reason.
func unsatisfiable(said string) *environment.UnsatisfiableError {
	_, detail, found := strings.Cut(said, unmetHeading)
	if !found {
		if strings.Contains(said, "Problem parsing dependency") || strings.Contains(said, "Unable to satisfy dependencies") {
			return &environment.UnsatisfiableError{Missing: []string{lastError(said)}, Detail: strings.TrimSpace(said)}
		}
		return nil
	}
	var own, others []string
	mine := false
	for _, line := range joinAlternatives(detail) {
		m := unmetPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[1] != "" {
			mine = strings.HasPrefix(m[1], "builddeps:")
		}
		relation := strings.TrimSpace(reasonTail.ReplaceAllString(m[3], ""))
		if m[2] != "" {
			relation = strings.ToLower(m[2]) + " " + relation
		}
		if mine {
			own = append(own, relation)
		} else {
			others = append(others, relation)
		}
	}
	missing := own
	if len(missing) == 0 {
		missing = others
	}
	slices.Sort(missing)
	return &environment.UnsatisfiableError{
		Missing: slices.Compact(missing), Detail: unmetHeading + strings.TrimRight(detail, "\n"),
	}
}

// joinAlternatives puts each relation on one line, "a | b", where apt writes "a but … or" and goes
// on with the next alternative on the next line.
func joinAlternatives(detail string) []string {
	var lines []string
	open := false
	for line := range strings.Lines(detail) {
		line = strings.TrimRight(line, "\n")
		next := strings.HasSuffix(line, " or")
		line = strings.TrimSuffix(line, " or")
		if open {
			alternative := strings.TrimSpace(reasonTail.ReplaceAllString(line, ""))
			last := len(lines) - 1
			lines[last] = reasonTail.ReplaceAllString(lines[last], "") + " | " + alternative
		} else {
			lines = append(lines, line)
		}
		open = next
	}
	return lines
}

// lastError is the last line that apt marks as an error.
func lastError(said string) string {
	last := "unknown"
	for line := range strings.Lines(said) {
		if text, found := strings.CutPrefix(line, "E: "); found {
			last = strings.TrimSpace(text)
		}
	}
	return last
}
