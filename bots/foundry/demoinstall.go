package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"foundry/bots/foundry/transaction"

	"foundry/bots/foundry/trace"
	"foundry/pkg/environment/podman"
)

// demoGreeting is what the installed program has to say.
const demoGreeting = "Hello from a package that foundry has built, signed and published."

// install adds the repository in a clean container, installs the package with apt, runs it, and
// returns the path of the package.
func (d *demo) install(ctx context.Context) (string, error) {
	d.say("\nin a clean Debian %s container:", d.release)
	engine, err := podman.Open(ctx, d.Cache)
	if err != nil {
		return "", err
	}
	said, debs, err := installation{
		release: d.release, mirror: d.mirror,
		uri: "http://" + d.serve, codename: d.release, key: d.path("repo", "demo", "demo.asc"),
		pkg: "foundry-hello", command: "/usr/bin/foundry-hello", dir: d.path("install"),
	}.run(ctx, engine, &prefixer{w: d.out, prefix: "  | "})
	switch {
	case err != nil:
		return "", err
	case strings.TrimSpace(said) != demoGreeting:
		return "", fmt.Errorf("the installed program said %q and not what it should", said)
	case len(debs) != 1:
		return "", fmt.Errorf("apt downloaded %d packages, not one", len(debs))
	}
	return debs[0], nil
}

// prove walks from the installed package back to the commit.
func (d *demo) prove(ctx context.Context, s *session, deb string) error {
	d.say("\nthe chain of signatures, from the installed package to the commit:")
	ch, err := s.tracer().Follow(ctx, d.State, trace.Target{Path: deb})
	if err != nil {
		return err
	}
	ch.Print(d.out, false)
	if !ch.Whole {
		return errors.New("the chain of signatures does not hold")
	}
	return nil
}

// next says what to type next.
func (d *demo) next() {
	self, err := os.Executable()
	if err != nil {
		self = "foundry"
	}
	d.say("\nall of this really happened, in %s. What to type next:", transaction.Seconds(time.Since(d.begun)))
	d.say("  %s up --config %s        # start this foundry again", self, d.path("foundry.toml"))
	d.say("  %s tail --since 1h --config %s   # in another terminal: what its bots said", self, d.path("foundry.toml"))
	d.say("  %s init --repository URL#BRANCH   # begin a foundry of your own", self)
}
