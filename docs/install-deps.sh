#!/bin/sh
# Installs the Debian packages named, where that is possible: with apt-get, as
# root or through sudo without a password. Says what is missing otherwise; the
# tests that need it then say that they were skipped.
set -u
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
as_root=
if [ "$(id -u)" != 0 ]; then
	as_root="sudo -n"
	$as_root true 2>/dev/null || as_root=none
fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null; then
	echo "not installed, tests that need them are skipped:$missing" >&2
	exit 0
fi
echo "installing for the tests:$missing"
$as_root apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 update -qq >/dev/null 2>&1
install() {
	$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}
# All at once is quick; if one of them cannot be had, the others are.
install $missing && exit 0
for p in $missing; do
	install "$p" || echo "could not install $p: tests that need it are skipped" >&2
done
exit 0
