// Package gitrepo keeps mirrors of git repositories that others write, and hands out their commits,
// signatures, files and trees.
//
// # Terms
//
// A head is a branch or a tag and the commit it points at. Branches are named as they are
// ("debian/sid"), tags with "tags/" before their name ("tags/v1"). A mirror is a bare repository on this
// host that follows one remote repository, and has as much of it as was asked for, see Mirror.
//
// # What is done by whom
//
// Package mirror fetches, and this one reads what was fetched. Package remote lists the heads of a repository, for
// polling, and knows how a person names repository and heads. Package git runs the git program, and
// holds what all have in common: which URLs may be used, and what can be wrong with a repository.
//
// Objects are fetched and read by the git program. go-git holds pack indexes and objects in
// memory, has no dumb http, no partial fetches, no attributes for exports, and knows neither
// ssh_config nor credential helpers; a run of git takes two milliseconds and checks the hash of
// every object it receives. What is read from a commit is hashed once more here with go-git's
// collision-detecting SHA-1.
//
// # Guarantees
//
// Remote repositories, local ones included, are foreign. Their hooks are not run and their
// configuration is not believed beyond what git itself allows when serving a fetch; only http, https,
// ssh, git and local paths are spoken; URLs, branches and paths that git or ssh could take for
// options are refused; an exported tree stays within its folder. What stands for a user or a
// password in a URL is handed to git by environment, and is in no error and no process list. All
// waiting has a limit.
//
// Mirrors may be used by any number of processes at a time, and one that was killed in the middle
// of a fetch leaves a mirror that the next fetch repairs or makes anew.
//
// It needs git 2.31 or newer (Debian 12 has 2.39).
package gitrepo
