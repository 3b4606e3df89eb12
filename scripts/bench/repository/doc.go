// Package repository measures what it costs to publish: distbot beside reprepro and aptly, all on the
// same packages, on the same disk, with Contents, and with metadata that is signed.
//
// The packages are small and as dpkg-deb makes them: members compressed by xz, five files in each. They are
// signed once, as signbot signs them, and made once: they stay in the cache folder, as do aptly with its
// repository, and distbot's repository of 100,000 packages for as long as distbot's program is the same.
//
// distbot runs as its own program on a bus that writes every message to disk. Its time begins when a signed
// message of a signed build is published, and ends when a new InRelease is on disk that verifies and leads to the
// package; so it has in it what the others leave to whoever calls them: the transport, the queue, and the
// signatures of .changes and packages. The repository of 100,000 is filled without the bus, by the same code in
// this process; what is measured then goes through the bus.
package repository
