// Package index makes large sorted index files, such as Packages and Contents of a Debian archive, that
// change a little at a time: what has not changed is neither compressed nor hashed again.
//
// A [File] is a set of records in order of their keys. It is an immutable value: [File.With] returns a new
// one that shares all but the changed parts, so whoever still holds the old one sees nothing of it.
//
// The records are cut into segments. Where a segment ends follows from hashes of the keys in it alone, so
// the same records give the same segments, and the same bytes, whatever has happened before. Each segment
// is compressed by itself, once: one member of a gzip file (RFC 1952, 2.2), one frame of a zstd file
// (RFC 8878, 3), one block of an xz stream (The .xz File Format 1.2.1, 2), all of which may follow one
// another in one legal file. The state of SHA-256 is kept at each end of a segment, so that only what lies
// behind a change is hashed again.
package index
