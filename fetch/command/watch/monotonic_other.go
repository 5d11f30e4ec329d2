//go:build !linux

package watch

func monotonic() int64 { return 0 }
