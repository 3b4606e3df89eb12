// Package git runs the git program on repositories that others write. It holds what can be said of
// such a repository without reading it: which URLs may be used and which of that may be shown, how branches and
// commits are named, and what can be wrong, as sentinels with hints.
//
// The program sees what the operator has configured where it talks to a remote repository
// (credential helpers, proxies, ssh), and nothing of it where it reads what was fetched. It
// never asks at a terminal, runs no hooks, and ends with its context.
package git
