// Package rcfile reads other programs' configurations and lists of seen
// messages, and converts them. Each program has a package below this one, which
// knows its files; this package holds what they share.
//
// Read parses a configuration and returns its accounts. Their notes say, by file
// and line, which options were carried over, changed or dropped. Result.YAML prints them as a configuration that package config
// accepts. Result.Seen reads the lists of messages that the other program
// has fetched already, and Match finds their entries in a server's listing.
// Format.Busy reports whether the other program runs.
//
// The package executes nothing from these files, reads no other files, and
// writes nothing. It returns secrets apart from the YAML; the caller writes them
// to the files that the YAML names.
package rcfile
