// Package podman makes environments and runs instances of them with podman(1), rootless or as
// root. It implements environment.Provisioner and environment.Runtime.
//
// Images and containers live in a storage of their own below the cache folder, so nothing that
// somebody does with podman by hand is touched or disturbs. Nothing of how the host is set up has a
// part in an image: no configuration, keys, proxies, locale or umask.
//
// # Images
//
// A base image is what mmdebstrap(1) makes of a distribution's release, in the buildd variant,
// with a user "build" for building. An environment is a base brought up to date with the build
// dependencies of a package installed on top. Its key is the SHA-256 of the base's key and of the
// name, architecture and version of every package in it, so two packages with the same needs
// share one image.
//
// The answer to a request is remembered together with the SHA-256 of the Release files of all its
// sources. As long as those are unchanged the same request is answered without starting anything.
//
// A base whose release has changed serves until Tend has made it anew, with low priority, so no
// package waits for that. Within a limit of disk, Tend removes what has not been used for longest,
// but never an image that is in use, by a lock that ends with its process, or that is promised: the
// answer to a request stays until it has been run or for three days, what has been used for an hour.
//
// # Packages
//
// Package container calls podman, mirror looks at Release files, apt reads what apt says, oci carries
// images between hosts, index holds what is remembered and the locks, host tells what this host can do.
//
// # Folders
//
//	<cache>/containers     podman's storage, configuration and run-time state
//	<cache>/environments   remembered answers, Release files' hashes, times of use, locks
package podman
