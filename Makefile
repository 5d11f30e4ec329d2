# mailhaul: build, try, test. `make demo` and `make test` need nothing but Go
# and, for the tests with real servers, Debian packages that they install.

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
# The tag; without one (or without git) the newest version in CHANGELOG.md.
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null || sed -n 's/^[^ ]* \[\([0-9][^]]*\)\].*/v\1/p' CHANGELOG.md | sed 1q)
FUZZTIME ?= 20s

export CGO_ENABLED = 0
LDFLAGS = -s -w -X github.com/mailhaul/mailhaul/fetch/command.buildVersion=$(VERSION)
PACKAGES = dovecot-pop3d dovecot-imapd dovecot-lmtpd dovecot-submissiond dovecot-gssapi postfix procmail maildrop krb5-kdc krb5-admin-server krb5-user libkrb5-dev gcc libc6-dev \
	fetchmail mpop getmail6 fdm python3 socat tmux zsh fish mandoc lintian systemd prometheus buildah slurm-wlm

# They conflict with each other and with dovecot-pop3d: unpacked, not installed.
PRIVATE = popa3d courier-pop courier-imap cyrus-pop3d+sasl2-bin cyrus-imapd+sasl2-bin+cyrus-pop3d \
	cyrus-caldav+cyrus-imapd+sasl2-bin+cyrus-pop3d exim4-daemon-light

.PHONY: build demo test crash fuzz fuzz-night bench soak powerloss lint install uninstall dist deb manual clean deps

build:
	$(GO) build -trimpath -tags urfave_cli_no_docs -ldflags "$(LDFLAGS)" -o mailhaul .

# Demo, benchmark, soak test: programs of a module of their own, docs/go.mod.
DOCS = $(GO) -C docs run

demo: build
	$(DOCS) ./demo "$(CURDIR)/mailhaul"

# The real servers and receivers that the tests run privately.
deps:
	@sh docs/install-deps.sh $(PACKAGES)
	@sh docs/private-servers.sh $(PRIVATE)

# What the tests write does not outlive them: in memory, where there is room and
# programs may run, they wait for no disk. They mostly wait, and so run eight at
# a time. With the tag, the deliverers' tests are all those without it, and more.
MEMORY := $(if $(TMPDIR),,$(shell grep -qs ' /dev/shm .*noexec' /proc/mounts || \
	df -Pk /dev/shm 2>/dev/null | awk '$$4 > 4000000 && $$6 == "/dev/shm" { print "TMPDIR=/dev/shm" }'))
TEST = $(MEMORY) $(GO) test -vet off -timeout 20m -parallel 8

test: deps build
	$(GO) vet ./...
	$(TEST) $$($(GO) list ./... | grep -v /mailhaul/deliver)
	$(TEST) -tags faults -run 'Crash|Order|Mutation|Fault' ./fetch
	$(TEST) -tags faults ./deliver/...
	@$(INTEROP)

# OAuth2 with a real provider, POP3 with Inbucket, containers: each in a module of its own.
INTEROP = for m in oauth/interop fetch/pop3/interop docs/container; do ( cd $$m; \
	if $(GO) list -deps -test ./... >/dev/null; then $(GO) vet ./... && $(TEST) -timeout 5m ./...; \
	elif [ "$$MAILHAUL_REQUIRE_ALL" = 1 ]; then echo "FAIL $$m: its modules cannot be had"; exit 1; \
	else echo "SKIPPED $$m: its modules cannot be downloaded"; fi ) || exit 1; done

# Every fault point, and every fault point of the recovery after it.
crash:
	MAILHAUL_CRASH=full $(TEST) -count=1 -timeout 30m -tags faults -run 'Crash|Order|Mutation|Fault' -v ./fetch
	$(TEST) -count=1 -tags faults ./deliver/...

fuzz:
	sh docs/fuzz.sh $(FUZZTIME)

# The same over night: NIGHT minutes, each target in turn.
NIGHT ?= 480
fuzz-night:
	sh docs/fuzznight.sh $(NIGHT)

bench: build
	$(DOCS) ./bench "$(CURDIR)/mailhaul"

# Ten minutes of bad luck under loop; Q=1 for one minute.
soak: deps build
	$(DOCS) ./soak "$(CURDIR)/mailhaul" $(if $(Q),1,10)

# The power fails, on real file systems: needs root. See docs/design.md.
POWERTIME ?= 10m
powerloss: build
	@sh docs/install-deps.sh e2fsprogs xfsprogs btrfs-progs
	$(GO) build -tags faults -o dist/mailhaul-faults .
	$(DOCS) ./powerloss -time $(POWERTIME) -proof "$(CURDIR)/dist/mailhaul-faults" $(POWERFLAGS) "$(CURDIR)/mailhaul"

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags faults ./...
	cd docs && $(GO) vet ./...
	for os in windows darwin freebsd; do GOOS=$$os $(GO) vet ./... || exit 1; done
	! command -v mandoc >/dev/null || mandoc -Tlint -W warning docs/*.1 docs/*.5

# Builds only what is not there: root, who installs, often has no Go, and git
# tells root nothing of another user's tree.
install:
	@test -x mailhaul || $(MAKE) build
	sh docs/packaging/install.sh mailhaul "$(PREFIX)" "$(DESTDIR)"

# Configuration, state and mail stay.
uninstall:
	sh docs/packaging/install.sh --remove "$(PREFIX)" "$(DESTDIR)"

# Static binaries for each system, with checksums: the same bytes each time.
DIST = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 freebsd/amd64 freebsd/arm64 windows/amd64 windows/arm64
dist:
	GO="$(GO)" sh docs/packaging/dist.sh $(VERSION) dist $(DIST)

# A Debian package of this machine's architecture; DEB_ARCH=arm64 for the other.
DEB_ARCH ?= $(shell $(GO) env GOARCH)
deb:
	GOOS=linux GOARCH=$(DEB_ARCH) $(GO) build -trimpath -buildvcs=false -tags urfave_cli_no_docs -ldflags "$(LDFLAGS) -buildid=" -o dist/mailhaul-$(DEB_ARCH) .
	sh docs/packaging/deb.sh $(VERSION) dist/mailhaul-$(DEB_ARCH) $(DEB_ARCH) dist

# The lists of options and keys in the manual pages, and the JSON Schema.
manual:
	MAILHAUL_UPDATE=1 $(GO) test -run 'TestManualIsCurrent|TestSchemaFileIsCurrent' ./fetch/command

clean:
	rm -rf mailhaul dist
	$(GO) clean -testcache
