// Package gitrepotest makes git repositories and servers for tests, with the real git.
package gitrepotest
