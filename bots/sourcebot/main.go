// Sourcebot makes source packages of commits: it watches commits and publishes on sources.
//
// For each commit it fetches exactly that commit, checks who signed it, finds out for which
// codenames its branch is built, makes or finds the orig tarball, and runs dpkg-source. The result
// is one source package per codename, made once for all architectures.
//
// What it writes depends on the commit alone: dates come from the commit and never from the clock,
// so the same commit gives the same bytes at any time and on any host with the same programs.
//
// The repository is not trusted. No code of the package is run: debian/rules is for the buildbot.
// What dpkg-source and pristine-tar would follow out of the tree, or run, is refused before they
// see it; see guard.go and delta.go.
package main

import (
	"os"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
)

func main() {
	os.Exit(bot.Main(definition(), wire.Connect, os.Args[1:]))
}
