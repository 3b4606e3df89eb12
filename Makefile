# Everything a developer does with this tree; "make help" lists it.
#
# Where there is no make yet: sudo scripts/setup

PREFIX   ?= /usr/local
DESTDIR  ?=
FUZZTIME ?= 10s
# How often "make bench" runs what it measures.
RUNS     ?= 3

# Go's own installer puts it where PATH does not look.
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin

# Git tells Go nothing about a checkout that belongs to another account, and "make" is not to fail
# there; the programs carry a version of their own.
export GOFLAGS := -buildvcs=false $(GOFLAGS)

PROGRAMS := foundry watchbot sourcebot provisionbot buildbot signbot distbot

.PHONY: help build test check lint fuzz bench demo install clean deb
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## build all programs into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ $(PROGRAMS:%=./bots/%)

demo: ## set the machine up, build, and watch a package go from git to apt
	scripts/setup
	@$(MAKE) --no-print-directory build
	bin/foundry demo

test: ## run all tests
	@scripts/test

check: lint ## what must pass before a change goes in: lint, and short tests with the race detector
	scripts/setup --check
	CGO_ENABLED=1 go test -race -short -timeout=10m ./...

lint: ## formatting, vet, staticcheck, layers, generated files, scripts
	scripts/lint

fuzz: ## run each fuzz target for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME)

bench: ## measure foundry beside plain tools, RUNS (3) times
	scripts/setup --bench
	@$(MAKE) --no-print-directory build
	go run ./scripts/bench -runs $(RUNS)

# Does not build: it is mostly root who installs.
install: ## install what "make build" has made into DESTDIR/PREFIX (/usr/local)
	@test -x bin/foundry || { echo "install: no programs in bin/" >&2; echo "hint: make build" >&2; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(PROGRAMS:%=bin/%) $(DESTDIR)$(PREFIX)/bin/

deb: ## build a Debian package of foundry into bin/
	scripts/setup --deb
	scripts/deb

clean: ## remove what the targets above have made in this tree
	rm -rf bin
