#!/bin/sh
# Unpacks Debian's packages of POP3 servers that conflict with each other and
# with Dovecot's below a private directory, each with what it needs and this
# machine lacks. Nothing is installed: the tests start the servers from there.
# Each argument is PACKAGE or PACKAGE+MORE; the directory is named PACKAGE.
set -u
if [ "$(id -u)" = 0 ]; then
	cache=/var/cache
else
	cache=${XDG_CACHE_HOME:-$HOME/.cache}
fi
top=${MAILHAUL_SERVERS:-$cache/mailhaul/servers}

# needed PACKAGE...: they and what an installation would bring.
needed() {
	{
		printf '%s\n' "$@"
		apt-get -s install --no-install-recommends "$@" 2>/dev/null | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
	} | sort -u
}

# unpack DIRECTORY PACKAGE...
unpack() {
	work=$(mktemp -d) || return 1
	dir=$1
	shift
	(
		set -e
		cd "$work"
		mkdir debs root
		chmod 755 . root
		cd debs
		apt-get -o Acquire::Retries=3 download $(needed "$@") >/dev/null 2>&1
		for deb in *.deb; do dpkg -x "$deb" ../root; done
		mkdir -p "$top"
		rm -rf "$top/$dir"
		mv ../root "$top/$dir"
	)
	status=$?
	rm -rf "$work"
	return $status
}

# lists fetches the lists of packages again, if that is possible.
lists() {
	as_root=
	[ "$(id -u)" = 0 ] || as_root="sudo -n"
	$as_root apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 update -qq >/dev/null 2>&1
}

for set in "$@"; do
	dir=${set%%+*}
	packages=$(echo "$set" | tr + ' ')
	[ -d "$top/$dir" ] && continue
	if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
		echo "not unpacked, tests that need it are skipped: $dir" >&2
		continue
	fi
	echo "unpacking for the tests: $packages"
	unpack "$dir" $packages || { lists && unpack "$dir" $packages; } ||
		echo "could not unpack $dir: tests that need it are skipped" >&2
done
exit 0
