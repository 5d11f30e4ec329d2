package pop3test

// TB is what a private server needs of its test: any testing.TB is one. A
// program that is no test, such as a benchmark, brings its own, whose Fatal,
// Fatalf and Skipf do not return.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}
