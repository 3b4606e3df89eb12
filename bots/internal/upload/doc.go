// Package upload takes source packages that somebody has made and signed elsewhere, for "foundry upload"
// and for the incoming folders of sourcebot.
//
// What is given is a .changes, as dput sends it, or a .dsc alone. The file given has to be signed by an
// uploader, for it lists the hashes of all else; nothing but that file is read before its signature has
// been checked, and nothing of it is believed before. Only sources are taken: packages are built here.
//
// An upload goes through three steps, each of which may be done again at any time: Desk.Open reads and
// verifies what was given, Desk.Gather finds every file with the bytes that were promised, Desk.Announce
// stores them and publishes the source message. Its id says nothing of the bytes, so of each version of a
// package a codename takes the first that comes, once.
//
// A *bot.Failure says that the upload is refused, *Incomplete that a file is not there or not whole yet;
// any other error is trouble of this host that may pass.
package upload
