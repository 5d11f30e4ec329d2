package mbox

import "os"

// openTemp opens a temporary file; an open one cannot be removed here.
func openTemp(dir string) (*os.File, error) { return os.CreateTemp(dir, "mailhaul-*") }

func removeTemp(name string) error { return os.Remove(name) }
