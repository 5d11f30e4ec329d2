#!/bin/sh
# Fuzzes over night: usage fuzznight.sh [MINUTES [WORKERS]].
# Runs each fuzz target of the module in turn, at most ten minutes at a time,
# round after round until the time is over. The corpus stays in testdata/corpus
# beside each target, and the next night continues from it. An input that fails
# is written to testdata/fuzz, where `go test` runs it; the other targets go on,
# and the exit status is 1.
set -eu
minutes=${1:-480}
workers=${2:-$(nproc)}
end=$(($(date +%s) + minutes * 60))
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
trap 'exit 130' INT TERM

grep -r --include='*_test.go' '^func Fuzz' . | sed -n 's|^\(.*\)/[^/]*:func \(Fuzz[A-Za-z0-9_]*\)(.*|\1 \2|p' | sort >"$bin/targets"
slice=$((minutes * 60 / $(wc -l <"$bin/targets")))
[ $slice -le 600 ] || slice=600
[ $slice -gt 0 ] || slice=1

program() { echo "$bin/$(echo "$1" | tr / _).test"; }

for dir in $(cut -d' ' -f1 "$bin/targets" | uniq); do
	go test -c -fuzz=. -o "$(program "$dir")" "$dir"
done

# Runs one target. One with an input that fails is out for the rest of the night.
# A failure without such an input is the end of the target's time, or a machine
# that is too busy for it: the next round tries again.
fuzz() {
	(cd "$1" && exec nice "$(program "$1")" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$3s" -test.fuzzminimizetime 5x \
		-test.fuzzcachedir testdata/corpus -test.parallel "$workers") </dev/null >"$bin/log" 2>&1 && return
	cat "$bin/log"
	if grep -q 'Failing input' "$bin/log"; then echo "$1 $2" >>"$bin/failed"; fi
}

touch "$bin/failed"
round=0
while [ "$(date +%s)" -lt $end ] && ! cmp -s "$bin/targets" "$bin/failed"; do
	round=$((round + 1))
	while read -r dir target; do
		left=$((end - $(date +%s)))
		[ $left -gt 0 ] || break
		grep -qx "$dir $target" "$bin/failed" && continue
		fuzz "$dir" "$target" $((left < slice ? left : slice))
		echo "round $round $dir $target: $(grep 'fuzz: elapsed' "$bin/log" | tail -n1)"
	done <"$bin/targets"
done
[ ! -s "$bin/failed" ] || { echo "failed, with the input under testdata/fuzz:"; cat "$bin/failed"; exit 1; }
