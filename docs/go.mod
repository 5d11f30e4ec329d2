// The benchmark, the soak test, the demo and what packs releases: programs
// that ship nothing. A module of their own keeps what they need out of ours.
module github.com/mailhaul/mailhaul/docs

go 1.26.0

require (
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/mailhaul/mailhaul v0.0.0
	golang.org/x/sys v0.50.0
)

replace github.com/mailhaul/mailhaul => ../
