// Package aptly keeps signed apt repositories, with aptly's package model, database and package
// pool below, and a publisher of its own above.
//
// aptly reads packages, keeps what it has read (package database in goleveldb, file pool by
// SHA-256) and writes stanzas. Its publisher is not used: it renames index files one by one in
// random order, so that a process killed meanwhile leaves a mixture; it writes no Valid-Until; and
// it makes everything anew each time.
//
// What uploads say of themselves is read by package contents, the index files and Release are made by
// package metadata, and both reach the disk by way of package disk.
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
// symbolic link. Order: the list of packages is committed to the database under the new serial;
// package files are linked; index files get their by-hash names; the generation is filled; the
// link is switched. The link alone says which serial counts. A process killed anywhere therefore
// leaves the old state or the new, and what it left unfinished is removed by the next Open.
//
// A client that has fetched InRelease asks for index files by hash; those stay for a day after
// they were last listed. Package files stay for Options.Retain after they were dropped from their
// suite.
package aptly
