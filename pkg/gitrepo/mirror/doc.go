// Package mirror keeps bare repositories on this host that follow remote ones, and fetches into them what is asked for
// and no more.
//
// A mirror is shallow: the first fetch of a branch brings one commit with its tree, later ones what was added since. Questions
// about history (IsAncestor, MergeBase) fetch as much of it as it takes to be sure of the answer. Servers that can do
// neither, such as folders behind a plain web server, are mirrored whole, branch by branch.
//
// Partial clones, which fetch single files when they are read, are not used: few git servers allow them unless told to, and what
// is read from a mirror must not depend on whether the server answers at that moment.
//
// Mirrors may be used by any number of processes at a time, and one that was killed in the middle
// of a fetch leaves a mirror that the next fetch repairs or makes anew.
package mirror
