#!/bin/sh
# Installs what was built: install.sh BINARY PREFIX [DESTDIR]
# `make install` and the Debian package both take their files from here, so
# that they hold the same ones. Builds nothing, and needs only what POSIX has
# and install.
set -eu
binary=$1 prefix=$2 root=${3:-}$2
# Where zsh looks for completions: Debian has a directory of its own.
: "${ZSH_COMPLETIONS:=share/zsh/site-functions}"
umask 022

put() { # FILE TARGET [MODE]
	install -d "${2%/*}"
	install -m "${3:-644}" "$1" "$2"
}

put "$binary" "$root/bin/mailhaul" 755
put docs/mailhaul.1 "$root/share/man/man1/mailhaul.1"
put docs/mailhaul.yaml.5 "$root/share/man/man5/mailhaul.yaml.5"
put fetch/command/completion.bash "$root/share/bash-completion/completions/mailhaul"
put fetch/command/completion.zsh "$root/$ZSH_COMPLETIONS/_mailhaul"
put fetch/command/completion.fish "$root/share/fish/vendor_completions.d/mailhaul.fish"

doc=$root/share/doc/mailhaul
for page in docs/*.md docs/config.schema.json CHANGELOG.md; do
	put "$page" "$doc/${page##*/}"
done
for file in docs/container/*; do
	put "$file" "$doc/container/${file##*/}"
done

# The units name the binary by its whole path, the one that it has now.
[ "$(uname -s)" = Linux ] || exit 0
install -d "$root/lib/systemd/system"
for unit in docs/*.service docs/*.timer; do
	to=$root/lib/systemd/system/${unit##*/}
	rm -f "$to" # the mode of an old one would stay
	sed "s,/usr/local/bin/mailhaul,$prefix/bin/mailhaul," "$unit" >"$to"
done
