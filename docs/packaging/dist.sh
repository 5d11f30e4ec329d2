#!/bin/sh
# Builds the archives of a release: dist.sh VERSION OUT OS/ARCH...
# Static binaries with the documents, the units and completion scripts, in the
# places where README.md and docs/packaging/install.sh look for them. The bytes depend on
# the source, the version and the Go release alone; SOURCE_DATE_EPOCH is the
# time of the files (default: that of the last commit).
set -eu
version=$1 out=$2
shift 2
: "${GO:=go}" "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export CGO_ENABLED=0 LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH
umask 022
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # OS ARCH FILE
	GOOS=$1 GOARCH=$2 GOAMD64=v1 "$GO" build -trimpath -buildvcs=false -tags urfave_cli_no_docs \
		-ldflags "-s -w -buildid= -X github.com/mailhaul/mailhaul/fetch/command.buildVersion=$version" -o "$3" .
}

# Windows opens .zip by itself; everything else has tar.
pack() { # NAME
	case $1 in
	*-windows-*)
		file=$1.zip
		"$GO" -C docs run ./packaging/zip "$(realpath "$out")/$file" "$work/$1"
		;;
	*)
		file=$1.tar.gz
		(cd "$work" && tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
			-cf - "$1") | gzip -9n >"$out/$file"
		;;
	esac
	made="$made $file"
	echo "$out/$file"
}

made=
for target in "$@"; do
	os=${target%/*} arch=${target#*/}
	name=mailhaul-$version-$os-$arch
	dir=$work/$name
	exe=mailhaul
	[ "$os" != windows ] || exe=mailhaul.exe
	mkdir -p "$dir/completion" "$dir/docs/packaging"
	build "$os" "$arch" "$dir/$exe"
	cp LICENSE CHANGELOG.md "$dir/"
	# The source is not there, so what leads to it is no link.
	sed 's/\[\([^]]*\)\](fetch\/[^)]*)/\1/g' README.md >"$dir/README.md"
	cp docs/*.md docs/mailhaul.1 docs/mailhaul.yaml.5 docs/config.schema.json docs/*.service docs/*.timer "$dir/docs/"
	cp -R docs/container docs/user "$dir/docs/"
	cp docs/packaging/README.md docs/packaging/install.sh "$dir/docs/packaging/"
	for shell in bash zsh fish; do
		cp "fetch/command/completion.$shell" "$dir/completion/mailhaul.$shell"
	done
	chmod 755 "$dir/$exe"
	pack "$name"
done
(cd "$out" && sha256sum -- $made >SHA256SUMS)
