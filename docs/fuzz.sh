#!/bin/sh
# Runs every fuzz target of the module for the time given, one after another.
# Each package is built once, with coverage for the fuzzer, for all its targets.
set -eu
time=${1:-20s}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fuzz PACKAGE TARGET: inputs of interest go where `go test -fuzz` has them.
fuzz() {
	(cd "$1" && "$work/test" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" -test.fuzzminimizetime 5x \
		-test.fuzzcachedir "$(go env GOCACHE)/fuzz/$(go list .)") </dev/null >"$work/log" 2>&1 && status=0 || status=$?
	cat "$work/log"
	return $status
}

grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r dir; do
	go test -c -fuzz . -o "$work/test" "$dir"
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | while read -r target; do
		echo "== $dir $target"
		tries=3
		until fuzz "$dir" "$target"; do
			# Go's fuzzer sometimes takes the end of its time for a failure. An
			# input that fails is always written down; if there is none, again.
			tries=$((tries - 1))
			[ $tries -gt 0 ] && grep -q 'context deadline exceeded' "$work/log" && ! grep -q 'Failing input' "$work/log" || exit 1
			echo "== $dir $target, again: its time ran out in a call"
		done
	done
done
