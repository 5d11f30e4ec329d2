#!/bin/sh
# Builds a Debian package: deb.sh VERSION BINARY ARCH OUT
# BINARY is a Linux build for ARCH. Needs dpkg-deb and nothing else; the same
# input gives the same bytes.
set -eu
maintainer='The mailhaul authors <mailhaul@users.noreply.github.com>'
version=$1 binary=$2 arch=$3 out=$4
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

# Debian's versions begin with a digit: a commit is older than any release.
case $version in
v[0-9]*) deb=$(printf %s "${version#v}" | tr - +) ;;
[0-9]*.*) deb=$(printf %s "$version" | tr - +) ;;
*) deb=0~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d).$(printf %s "$version" | tr -c 'a-zA-Z0-9.+~\n' .) ;;
esac

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root" # mktemp makes it 0700, and it is the package's /
doc=$root/usr/share/doc/mailhaul
man=$root/usr/share/man

ZSH_COMPLETIONS=share/zsh/vendor-completions sh docs/packaging/install.sh "$binary" /usr "$root"
cat >"$doc/changelog" <<CHANGES
mailhaul ($deb) unstable; urgency=medium

  * Built from the upstream source; its changes are in CHANGELOG.md.

 -- $maintainer  $(date -R -u -d "@$SOURCE_DATE_EPOCH")
CHANGES
install -m 644 docs/packaging/copyright "$doc/copyright"
install -D -m 644 docs/packaging/lintian-overrides "$root/usr/share/lintian/overrides/mailhaul"
gzip -9n "$man"/man?/* "$doc/changelog"

mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<CONTROL
Package: mailhaul
Version: $deb
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$root/usr" | cut -f1)
Section: mail
Priority: optional
Recommends: ca-certificates
Suggests: default-mta | mail-transport-agent
Homepage: https://github.com/mailhaul/mailhaul
Description: fetch mail from POP3 servers, each message exactly once
 mailhaul makes one pass over POP3 mailboxes and ends: for cron, for a timer,
 or by hand to move a mailbox off a provider. It delivers into a Maildir, an
 mbox, an SMTP or LMTP server, or a command; a run that is cut off at any
 moment is completed by the next one, so that nothing is lost and nothing
 arrives twice in a Maildir or an mbox.
CONTROL
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$out"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/mailhaul_${deb}_$arch.deb" >/dev/null
echo "$out/mailhaul_${deb}_$arch.deb"
