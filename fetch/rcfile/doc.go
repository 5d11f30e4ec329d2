// Package rcfile reads other programs' configurations and lists of seen
// messages, and turns them into ours. What each program writes is known only to
// the package of its name below; this one holds what they share.
//
// Read parses a configuration and yields accounts, each with what was carried
// over, what means something else now, and what was left out, by file and
// line. Result.YAML prints them as a configuration that package config
// accepts. Result.Seen reads the lists of messages that the other program
// has fetched already, and Match says which messages of a server's listing
// they speak of. Format.Busy says whether the other program runs.
//
// Nothing in a file is executed, no file but those of the other program is
// read, nothing is written: secrets are returned beside the YAML, which names
// the files that the caller is to put them in.
package rcfile
