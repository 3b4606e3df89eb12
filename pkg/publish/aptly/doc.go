// Package aptly keeps signed apt repositories, with aptly's package model, database and package
// pool below, and a publisher of its own above.
//
// aptly reads packages, keeps what it has read (package database in goleveldb, file pool by
// SHA-256) and writes stanzas. Its publisher is not used: it renames index files one by one in
// random order, so that a process killed meanwhile leaves a mixture; it writes no Valid-Until; and
// it makes everything anew each time.
//
// # Parts
//
//	contents   reads what packages say of themselves
//	catalog    the packages of a suite, and which of them stay when others come
//	stock      the files of packages, in the pool and where they are served
//	metadata   index files and Release
//	dists      generations of them on disk, and which one is served
//	ledger     what is remembered: snapshots, what left, what content a version had
//	disk       changes of files that others see whole or not at all
//
// This package puts them together: it judges uploads and changes that people ask for, and publishes.
// What a publish costs follows what changes, and not what is there: judging looks at the names that an
// upload has, indexes are made of segments that stay as they are, and a snapshot is kept as the difference
// to the one before.
//
// # On disk
//
// The state folder holds lock, db (goleveldb) and pool (aptly's). What is served is below the
// output folder:
//
//	pool/<component>/<prefix>/<source>/<file>    packages, linked from aptly's pool
//	buildinfo/<component>/<prefix>/<source>/     how packages were built; outside the pool, never removed
//	dists/<codename>                             symbolic link to a generation
//	dists/.<codename>/<serial>/                  a generation: Release, InRelease, Release.gpg, indexes
//	dists/.<codename>/by-hash/                   index files by SHA-256, shared by the generations
//	<archive>.asc                                the public key
//
// # Publishing
//
// A generation is made whole beside the one that is served and comes to be by one rename of the
// symbolic link. Order: what is about to be made is noted; package files are linked, index files get their
// by-hash names, the generation is filled and signed; the list of packages is written to the database under
// the new serial; all that is synced; the link is switched. The link alone says which serial counts. A
// process killed anywhere therefore leaves the old state or the new, and what it left unfinished is
// removed by the next Open, which finds it in the note.
//
// A client that has fetched InRelease asks for index files by hash; those stay for Options.KeepIndexes
// after they were last listed. Package files stay as long as a snapshot that is kept has them, and for
// Options.Retain from then on.
//
// # Policy
//
// A version is in a codename with one content, for good: the SHA-256 of it, without signatures, is
// remembered also when the package has been removed. Lower versions are refused unless
// Suite.AllowDowngrade lets them in; then what is higher leaves the codename.
package aptly
