// Package remote lists the branches and tags of git repositories, and reads what a person writes to name
// a repository and some of them, see ParseSpec.
//
// Polling must be cheap, so heads over http and https are read in this process: version 2 of
// git's protocol asks for branches and tags only, version 0 is decoded by go-git, and the listing
// of a repository without a git server (dumb http) is a text file. A poll costs a millisecond or
// two and one kept connection, where starting the git program and its http helper costs ten times
// as much. Whatever this way cannot do is asked of the git program instead: other transports
// (ssh, git, files), and http answers that need what the operator has told git alone
// (credential helpers, .netrc, proxies and certificates of git's configuration).
package remote
