package main

import (
	"fmt"

	"foundry/pkg/bot"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// maxWaits is how many relations a message names.
const maxWaits = 256

// waitingSibling tells the answer that a package waits from the last one.
const waitingSibling = "waiting"

// unsatisfied is what provision returns for a package whose build dependencies cannot be satisfied.
type unsatisfied struct {
	*environment.UnsatisfiableError
	request environment.Request
	log     message.Artifact
	tail    []string
}

// lacking answers for a package whose build dependencies cannot be satisfied: it waits, if
// another package may bring them and the waker has not sentenced it.
func (p *provisioner) lacking(j *bot.Job, source *message.Source, answer *message.Provision, lacks *unsatisfied) ([]bot.Result, error) {
	failure := p.waker.sentence(j.Message.ID)
	if failure == nil && (len(lacks.Absent) == 0 || p.DependencyWait == 0) {
		failure = &bot.Failure{
			Class: message.ClassPackage, Reason: lacks.Error(),
			Hint: fmt.Sprintf("no source list of %s has them; add one with provisionbot --repository, or correct debian/control", lacks.request.Base.Release),
		}
	}
	if failure != nil {
		failed := *failure
		failed.Log, failed.Tail = &lacks.log, lacks.tail
		return nil, &failed
	}
	p.waker.note(j.Message.ID, lacks.Key)
	answer.Outcome = message.Waiting
	answer.WaitsFor = lacks.Absent[:min(len(lacks.Absent), maxWaits)]
	answer.Binaries = source.Binaries
	j.Log.Info().Str("source", source.Package.Source).Str("version", source.Version).Str("arch", p.Arch).
		Strs("waits_for", answer.WaitsFor).Msg("waiting")
	return []bot.Result{{Body: answer, Siblings: []string{p.Arch, waitingSibling}}}, nil
}
