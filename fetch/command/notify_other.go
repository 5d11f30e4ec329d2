//go:build !linux

package command

func monotonic() int64 { return 0 }
