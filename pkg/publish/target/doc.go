// Package target copies the folder of a repository to where clients fetch it: object storage, another host.
//
// The folder is what pkg/publish/aptly writes: pool and buildinfo, and below dists for each codename a symbolic
// link to a generation, with index files by hash beside it. A target has no links: there each codename, and
// each second name of one, is a folder of files. Nor can it change many files at once, so the order keeps what
// clients see in agreement:
//
//  1. pool, buildinfo and what stands at the top
//  2. index files by hash
//  3. index files by name
//  4. Release and Release.gpg, then InRelease
//  5. removal of what the folder has no longer
//
// A client that has read InRelease finds all it names under hashes, whenever it asks. One that does not use hashes can,
// while step 3 and 4 last, find indexes that are newer than the Release file it has; it reports that and succeeds
// when it is run again.
//
// What a target has is kept in a list beside the repository's state, so that a push sends differences and asks
// for nothing; when a repository is opened, and once a day, the target is asked what of that it still has. Without
// the list everything is sent once more: names and sizes do not tell what foreign files hold. Files that were never
// pushed are never removed.
package target

import "context"

// File is a local file and the name that it has on the target: a path with slashes, not below a folder of its own.
type File struct {
	Name string
	Path string
}

// Target is a place that a repository is copied to. Its methods are not called concurrently.
type Target interface {
	// Put copies local files to the target. Each is there whole or as it was before; their order is open. It
	// may be called again for files that are there.
	Put(ctx context.Context, files []File) error
	// Remove removes files; one that is not there is no error.
	Remove(ctx context.Context, names []string) error
	// List returns the sizes in bytes of the files that are there, by name.
	List(ctx context.Context) (map[string]int64, error)
	// String names the target for people, without secrets.
	String() string
}
