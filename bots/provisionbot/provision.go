package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// A provisioner is the work of provisionbot.
type provisioner struct {
	*options
	environments environment.Provisioner
	share        bool
	waker        *waker
}

func (p *provisioner) step() bot.Step {
	return bot.Step{Results: p.results, Do: p.do, Stage: p.stage, Beside: p.waker.run}
}

func (p *provisioner) stage(message.Body) []string { return []string{p.Arch} }

func (p *provisioner) results(_ *message.Message, body message.Body) []bot.Result {
	if _, ok := body.(*message.Source); !ok {
		return nil
	}
	return []bot.Result{{Body: new(message.Provision), Siblings: []string{p.Arch}}}
}

// do provisions for one source package.
func (p *provisioner) do(ctx context.Context, j *bot.Job) ([]bot.Result, error) {
	source, ok := j.Body.(*message.Source)
	if !ok {
		return nil, &bot.Failure{
			Class:  message.ClassPolicy,
			Reason: fmt.Sprintf("a %s message is not for provisioning", j.Body.Type()),
		}
	}
	answer := &message.Provision{
		Origin: source.Origin, Package: source.Package, Architecture: p.Arch, Outcome: message.Ready,
		Files: source.Files, Time: source.Time,
		Profiles: source.Profiles, Options: source.Options, Timeout: source.Timeout,
		Network: source.Network, Outputs: source.Outputs,
	}
	answer.Arch, answer.Indep, answer.Reason = parts(source, p.Arch)
	if answer.Reason != "" {
		answer.Outcome = message.Skipped
		j.Log.Info().Str("source", source.Source).Str("version", source.Version).Str("arch", p.Arch).
			Str("reason", answer.Reason).Msg("skipped")
		return p.answers(answer), nil
	}
	request, err := p.request(source, answer)
	if err != nil {
		return nil, &bot.Failure{
			Class: message.ClassPackage, Reason: err.Error(),
			Hint: "correct the build relations in debian/control",
		}
	}
	image, err := p.provision(ctx, j, source, request)
	var lacks *unsatisfied
	if errors.As(err, &lacks) {
		return p.lacking(j, source, answer, lacks)
	}
	if err != nil {
		return nil, err
	}
	answer.Image = &image
	return p.answers(answer), nil
}

func (p *provisioner) answers(answer *message.Provision) []bot.Result {
	return []bot.Result{{Body: answer, Siblings: []string{p.Arch}}}
}

// parts tells what of a source package is built on arch: packages that depend on the architecture,
// and those for "all", which only one architecture builds. reason says why it is neither.
func parts(source *message.Source, arch string) (dep, indep bool, reason string) {
	dep = debian.Architecture(arch).Builds(source.Architectures)
	all := slices.Contains(source.Architectures, string(debian.All))
	indep = all && arch == source.IndepArchitecture
	switch {
	case (dep || indep) && len(source.Only) > 0 && !debian.Architecture(arch).Builds(source.Only):
		return false, false, fmt.Sprintf("not for %s: its repository keeps to %s", arch, strings.Join(source.Only, " "))
	case dep || indep:
		return dep, indep, ""
	case all:
		return false, false, fmt.Sprintf("its packages for all architectures are built on %s", source.IndepArchitecture)
	}
	return false, false, fmt.Sprintf("not for %s: its architectures are %s", arch, strings.Join(source.Architectures, " "))
}

// request says what the package needs of its environment.
func (p *provisioner) request(source *message.Source, answer *message.Provision) (environment.Request, error) {
	codename := source.Codename
	release, found := p.bases[debian.Codename(codename)]
	if !found {
		release = codename
	}
	r := environment.Request{
		Base:         environment.Base{Release: release, Mirror: p.Mirror, Keyring: p.MirrorKeyring, Components: p.components()},
		Architecture: p.Arch, Profiles: source.Profiles, Proxy: p.Proxy,
	}
	for _, s := range p.sources {
		s.Suite = strings.ReplaceAll(s.Suite, codenameToken, codename)
		r.Sources = append(r.Sources, s)
	}
	depends, conflicts := []string{source.Relations.BuildDepends}, []string{source.Relations.BuildConflicts}
	if answer.Arch {
		depends = append(depends, source.Relations.BuildDependsArch)
		conflicts = append(conflicts, source.Relations.BuildConflictsArch)
	}
	if answer.Indep {
		depends = append(depends, source.Relations.BuildDependsIndep)
		conflicts = append(conflicts, source.Relations.BuildConflictsIndep)
	}
	var err error
	positive, err := p.reduce("Build-Depends", depends, source.Profiles)
	if err != nil {
		return r, err
	}
	if p.FirstAlternative {
		positive = firstAlternatives(positive)
	}
	negative, err := p.reduce("Build-Conflicts", conflicts, source.Profiles)
	r.Depends, r.Conflicts = positive.String(), negative.String()
	return r, err
}

func (p *provisioner) reduce(field string, relations, profiles []string) (debian.Relations, error) {
	parsed, err := debian.ParseRelations(strings.Join(relations, ", "))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", field, err)
	}
	return parsed.Reduce(debian.Architecture(p.Arch), profiles), nil
}

// firstAlternatives keeps the first alternative of each relation, and those that follow of the same
// package, as sbuild does for Debian: what is built there must not depend on what else the archive has that day.
func firstAlternatives(relations debian.Relations) debian.Relations {
	first := make(debian.Relations, len(relations))
	for i, entry := range relations {
		n := 1
		for n < len(entry) && entry[n].Package == entry[0].Package {
			n++
		}
		first[i] = entry[:n]
	}
	return first
}

// provision makes the image and shares it where that is asked for.
func (p *provisioner) provision(ctx context.Context, j *bot.Job, source *message.Source, r environment.Request) (message.Image, error) {
	log, err := j.OpenLog(p.Arch)
	if err != nil {
		return message.Image{}, err
	}
	fmt.Fprintf(log, "provisioning for %s %s (%s) on %s\nbase: %s from %s\n",
		source.Source, source.Version, source.Codename, p.Arch, r.Base.Release, r.Base.Mirror)
	for _, s := range r.Sources {
		fmt.Fprintf(log, "repository: %s %s %s\n", s.URI, s.Suite, strings.Join(s.Components, " "))
	}
	fmt.Fprintf(log, "build dependencies: %s\n", r.Depends)
	if r.Conflicts != "" {
		fmt.Fprintf(log, "build conflicts: %s\n", r.Conflicts)
	}
	image, err := p.environments.Provision(ctx, r, log)
	if err == nil && p.share {
		image, err = p.environments.Share(ctx, image, j.Store)
	}
	if err != nil {
		fmt.Fprintf(log, "provisionbot: %v\n", err)
	}
	kept, tail, logErr := log.Finish(context.WithoutCancel(ctx))
	var missing *environment.UnsatisfiableError
	switch {
	case errors.As(err, &missing):
		if logErr != nil {
			return message.Image{}, logErr
		}
		return message.Image{}, &unsatisfied{missing, r, kept, tail}
	case errors.Is(err, environment.ErrNoRelease):
		return message.Image{}, bot.Hint(err,
			"correct --mirror or --repository, or say in which release the codename is built: provisionbot --base "+source.Codename+"=RELEASE")
	case err != nil:
		return message.Image{}, p.hintSelf(err)
	}
	j.Log.Info().Str("source", source.Source).Str("version", source.Version).Str("arch", p.Arch).
		Str("image", image.Key).Msg("environment is ready")
	return image, logErr
}
