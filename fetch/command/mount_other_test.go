//go:build !linux

package command

import "github.com/rogpeppe/go-internal/testscript"

func cmdMount(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("no tmpfs here") }

func canMount() bool { return false }
