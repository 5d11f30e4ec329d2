#!/bin/sh
# Runs every fuzz target of the module for the time given, one after another.
set -eu
time=${1:-20s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() {
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 5x "$1" </dev/null >"$log" 2>&1 && status=0 || status=$?
	cat "$log"
	return $status
}

grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do
	dir=$(dirname "$file")
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r target; do
		echo "== $dir $target"
		tries=3
		until fuzz "$dir" "$target"; do
			# Go's fuzzer sometimes takes the end of its time for a failure. An
			# input that fails is always written down; if there is none, again.
			tries=$((tries - 1))
			[ $tries -gt 0 ] && grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log" || exit 1
			echo "== $dir $target, again: its time ran out in a call"
		done
	done
done
