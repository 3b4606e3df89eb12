// Package podman makes environments and runs instances of them with podman(1), rootless or as
// root. It implements environment.Provisioner and environment.Runtime.
//
// What the host can do is found out, not assumed: which OCI runtime starts a container, which
// storage driver works, which limits the control groups enforce. The answers are kept for as long
// as the host is up. Nothing of the host's or the user's own podman configuration is read, and
// images and containers live in a storage of their own below the cache folder, so nothing that
// somebody does with podman by hand is touched or disturbs.
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
// # Instances
//
// The script of an instance is run by a shell that is process 1 of the instance. Its output comes
// through a pipe of its own, so nothing of it is buffered, lost or put in another order. Another
// pipe is held open by this process: when it closes, because the context has ended or this process
// was killed, process 1 kills everything in the instance, and the instance removes itself.
//
// # Folders
//
//	<cache>/containers     podman's storage, configuration and run-time state
//	<cache>/environments   remembered answers, Release files' hashes, locks
package podman
