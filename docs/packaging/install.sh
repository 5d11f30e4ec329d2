#!/bin/sh
# Installs what was built: install.sh BINARY PREFIX [DESTDIR]
# Removes it again: install.sh --remove PREFIX [DESTDIR]
# `make install` and the Debian package both take their files from here, so
# that they hold the same ones; it also works in an unpacked archive. Builds
# nothing, and needs only what POSIX has and install.
set -eu
binary=$1 prefix=$2 root=${3:-}$2
# Where zsh looks for completions: Debian has a directory of its own.
: "${ZSH_COMPLETIONS:=share/zsh/site-functions}"
umask 022

put() { # FILE TARGET [MODE]
	if [ "$binary" = --remove ]; then
		rm -f "$2"
		return
	fi
	install -d "${2%/*}"
	install -m "${3:-644}" "$1" "$2"
}

changed() { # FILE TARGET SED-OPTION...: a changed copy
	from=$1 to=$2
	shift 2
	rm -f "$to" # the mode of an old one would stay
	[ "$binary" != --remove ] || return 0
	install -d "${to%/*}"
	sed "$@" "$from" >"$to"
}

completion=fetch/command/completion
[ -e $completion.bash ] || completion=completion/mailhaul # of an archive

put "$binary" "$root/bin/mailhaul" 755
put docs/mailhaul.1 "$root/share/man/man1/mailhaul.1"
put docs/mailhaul.yaml.5 "$root/share/man/man5/mailhaul.yaml.5"
put $completion.bash "$root/share/bash-completion/completions/mailhaul"
put $completion.zsh "$root/$ZSH_COMPLETIONS/_mailhaul"
put $completion.fish "$root/share/fish/vendor_completions.d/mailhaul.fish"

doc=$root/share/doc/mailhaul
for page in docs/*.md docs/config.schema.json CHANGELOG.md; do
	put "$page" "$doc/${page##*/}"
done
for file in docs/container/*; do
	put "$file" "$doc/container/${file##*/}"
done
# The pages are beside it there. What is elsewhere, or not there, is no link.
changed README.md "$doc/README.md" -e 's/, see \[LICENSE\](LICENSE)//' \
	-e 's/\[\([^]]*\)\](fetch\/[^)]*)/\1/g' -e 's/\[\([^]]*\)\](docs\/mailhaul[^)]*)/\1/g' -e 's/\[\([^]]*\)\](docs\/packaging[^)]*)/\1/g' \
	-e 's/](docs\//](/g' -e 's/man -l docs\/mailhaul.1/man mailhaul/'

# The units name the binary by its whole path, the one that it has now.
if [ "$(uname -s)" = Linux ]; then
	for unit in docs/*.service docs/*.timer; do
		changed "$unit" "$root/lib/systemd/system/${unit##*/}" -e "s,/usr/local/bin/mailhaul,$prefix/bin/mailhaul,"
	done
	for unit in docs/user/*.service; do
		changed "$unit" "$root/lib/systemd/user/${unit##*/}" -e "s,/usr/local/bin/mailhaul,$prefix/bin/mailhaul,"
	done
fi

if [ "$binary" = --remove ]; then
	for dir in "$doc/container" "$doc"; do
		[ ! -d "$dir" ] || rmdir "$dir" 2>/dev/null || echo "$dir is not empty: it stays"
	done
fi
