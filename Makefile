# `make` lists the targets. Needed: Rust (rustup), Go, git, make, curl and a C compiler.

export DEBIAN_FRONTEND := noninteractive
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
CARGO ?= cargo
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# Tools that are built once, beside the programs of the testbed.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/presign-operator
DENY_VERSION := 0.20.2
CARGO_DENY := $(CACHE)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
MDBOOK_VERSION := 0.5.4
MDBOOK := $(CACHE)/mdbook-$(MDBOOK_VERSION)/bin/mdbook
FUZZ_SECONDS ?= 60

# Debian's names of the system packages, each with a program that it brings. A target that
# needs more says so itself: `tools` is made once, for the target that was asked for.
PACKAGES := git:git curl:curl build-essential:cc
# What a node is made of, besides the programs that are built.
NODE_PACKAGES := containerd:containerd runc:runc buildah:buildah containernetworking-plugins:/usr/lib/cni/bridge \
  busybox-static:busybox iproute2:ip

# The stories mostly wait for servers, so more of them run at once than there are cores.
export RUST_TEST_THREADS ?= 8

.PHONY: help demo demo-cluster up test test-versions test-browser history soak soak-short ha-soak chaos chaos-short e2e \
  debug-image e2e-short e2e-csi csi-faults \
  fuzz bench bench-plots bench-sign bench-csi fmt lint doc crds manifests plots image \
  image-check release-dry-run release-check archive tools testbed node sessions prometheus deny \
  advisories workflows scripts book diagrams csi-sanity

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | \
	  awk -F ':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'

demo: tools ## Show the operator on a real control plane and a real S3 server
	@echo "make: the first run takes about 12 minutes on two cores: it builds the operator and Kubernetes; later runs take a minute" >&2
	@echo "make: step 1 of 3: the operator" >&2
	@$(CARGO) build --package presign-operator --bin presign-operator
	@echo "make: step 2 of 3: the servers" >&2
	@$(CARGO) run --quiet --package testbed -- build --demo
	@echo "make: step 3 of 3: the demo" >&2
	@$(CARGO) run --quiet --package testbed -- demo

demo-cluster: ## Show the operator on the cluster of your kubeconfig, after asking, and remove it again (TRY_IMAGE)
	@deploy/try-on-cluster

up: testbed ## Start an API server and an S3 server to try kubectl, until Ctrl-C
	@$(CARGO) run --quiet --package testbed -- up

test: PACKAGES += lua5.4:lua5.4 tmux:tmux $(NODE_PACKAGES)
test: lint deny doc book testbed prometheus sessions csi-sanity debug-image ## Check everything: format, lints, dependencies, docs, all tests
	tests/run-programs

# The last one is the pinned one. The control plane of each is built once, in about 8 minutes on two cores.
KUBERNETES_VERSIONS ?= 1.33 1.34 1.35 1.36 1.37
test-versions: testbed ## The contract and the cluster tests with older API servers (KUBERNETES_VERSIONS)
	@failed=; \
	for minor in $(KUBERNETES_VERSIONS); do \
	  other=$$minor; [ -d tests/testbed/go/kubernetes-$$minor ] || other=; \
	  echo "make: the tests with Kubernetes $$minor" >&2; \
	  PRESIGN_TESTBED_KUBERNETES=$$other $(CARGO) test --no-fail-fast --test contract --test cluster || failed+=" $$minor"; \
	done; \
	[ -z "$$failed" ] || { echo "make: the tests failed with Kubernetes$$failed" >&2; exit 1; }

test-browser: PACKAGES += chromium:chromium
test-browser: testbed ## Download and upload with headless Chromium
	$(CARGO) test --test signing -- --ignored browser:: web_page::

history: tools ## Hundreds of random histories of the controller over models of the API server and an STS (HISTORY_SEED, HISTORY_COUNT)
	$(CARGO) test --test history

ha-soak: testbed sessions ## Pause, disconnect, kill and roll out leaders for ten minutes (HA_MINUTES)
	$(CARGO) test --test cluster -- --ignored --nocapture ha::soak

soak: testbed sessions ## Run edits, rotations, kills and faults for ten minutes (SOAK_MINUTES, SOAK_OBJECTS, SOAK_SEED)
	$(CARGO) test --test soak

soak-short: testbed sessions ## Run `make soak` for a minute with fewer objects
	SOAK_MINUTES=1 SOAK_OBJECTS=60 $(CARGO) test --test soak

chaos: testbed sessions ## Random events and faults in 20 namespaces, and invariants (CHAOS_MINUTES, CHAOS_SEED)
	$(CARGO) test --test chaos

chaos-short: testbed sessions ## Run `make chaos` for a minute in four namespaces
	$(CARGO) test --test chaos -- --short

debug-image: node ## Build an image around a debug binary, for the tests on a node
	@# Only the last step is static: what it is linked from is that of the other tests.
	$(CARGO) rustc --package presign-operator --bin presign-operator -- -Ctarget-feature=+crt-static -Cstrip=symbols
	deploy/build-image target/debug/presign-operator $(VERSION) target/e2e/presign-operator-$(VERSION).tar

e2e-short: debug-image ## Run `make e2e` for three minutes, with a debug binary and URLs of one minute (root)
	$(CARGO) test --test e2e -- --short

e2e-csi: debug-image ## Run only the tests of the CSI driver of `make e2e`, with a debug binary (root)
	$(CARGO) test --test e2e -- --csi
	$(CARGO) test --test e2e -- --csi --unprivileged

csi-faults: debug-image ## Half an hour of pods with CSI volumes while driver, kubelet, memory and Secrets fail (root; CSI_MINUTES)
	$(CARGO) test --test e2e -- --csi-faults

e2e: node archive ## Run chart, image and pods on a real node, for longer than a URL lives (root)
	$(CARGO) test --package testbed --test node
	$(CARGO) test --test e2e

fuzz: tools ## Throw far more random specs and bytes at parsing and signing (PROPTEST_CASES, FUZZ_SECONDS, FUZZ_SEED, FUZZ_COVERAGE=required)
	PROPTEST_CASES=$${PROPTEST_CASES:-20000} $(CARGO) test --test signing -- accepted:: refused::
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --test fuzz -- --nocapture
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --test csi -- --nocapture fuzz::
	@if ! cargo +nightly fuzz --version > /dev/null 2>&1; then \
	  echo "make: no coverage-guided run: it needs nightly Rust and cargo-fuzz (cargo install cargo-fuzz)" >&2; \
	  [ "$(FUZZ_COVERAGE)" != required ]; exit; \
	fi; \
	cd fuzz; for target in manifest object secret sign stored; do \
	  mkdir -p corpus/$$target; \
	  cargo +nightly fuzz run $$target corpus/$$target seeds/$$target -- -max_total_time=$(FUZZ_SECONDS); \
	done

bench: testbed sessions ## Measure a fleet beside a plain client (BENCH_OBJECTS, BENCH_SIGNERS, BENCH_SESSIONS, BENCH_NEIGHBOURS, BENCH_IDLE_SECONDS), and write docs/performance.md
	$(CARGO) bench --bench fleet -- --write

bench-plots: tools ## Draw the plots of docs/performance.md again from the figures in docs/performance
	$(CARGO) bench --profile dev --bench fleet -- --plots

bench-sign: tools ## Measure signing beside boto3, and write the table into docs/performance.md
	@test -x target/boto3/bin/python || { python3 -m venv target/boto3 && target/boto3/bin/pip install --quiet boto3; }
	$(CARGO) bench --bench sign -- --python $(CURDIR)/target/boto3/bin/python --write

bench-csi: node archive ## Measure the CSI driver and the start of its pods, and write docs/performance.md (root; CSI_TURNS)
	PRESIGN_BINARY=$(CURDIR)/out/presign-operator $(CARGO) test --test csi -- --ignored --nocapture measure::
	$(CARGO) test --test e2e -- --csi-bench

fmt: tools ## Format the code
	$(CARGO) fmt --all

lint: PACKAGES += shellcheck:shellcheck
lint: tools workflows scripts ## Check the format, and run clippy, actionlint and shellcheck
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@# All targets but those that are no part of cargo test.
	$(CARGO) clippy --test soak --test chaos --test history --test e2e -- -D warnings

# It runs shellcheck on the commands of the workflows, too.
workflows: PACKAGES += shellcheck:shellcheck
workflows: tools ## Check .github/workflows with actionlint
	@actionlint=$$($(CARGO) run --quiet --package testbed -- locate actionlint) && "$$actionlint"

scripts: PACKAGES += shellcheck:shellcheck
scripts: tools ## Check the shell scripts with shellcheck
	@git ls-files .ci deploy benches tests | while read -r file; do \
	  ! head -n 1 "$$file" | grep -q '^#!.*sh$$' || printf '%s\0' "$$file"; \
	done | xargs -0 shellcheck

# Advisories need a database from GitHub; without it the rest is checked, and that is said.
deny: tools $(CARGO_DENY) ## Check the licences, sources and advisories of dependencies
	@$(CARGO_DENY) --log-level error check --hide-inclusion-graph licenses bans sources
	@if $(CARGO_DENY) --log-level error fetch db > /dev/null 2>&1; then \
	  $(CARGO_DENY) --log-level error check --disable-fetch --hide-inclusion-graph advisories || \
	    echo "make: the advisories above fail no build that passed before: update what they name" >&2; \
	else \
	  echo "make: advisories were not checked: https://github.com/RustSec/advisory-db cannot be reached" >&2; \
	fi

advisories: tools $(CARGO_DENY) ## Fail if a dependency has a known vulnerability
	@$(CARGO_DENY) --log-level error check --hide-inclusion-graph advisories

# Built once, without optimisation: it runs for seconds.
$(CARGO_DENY):
	@echo "make: building cargo-deny $(DENY_VERSION) (once; later runs find it in the cache)" >&2
	@$(CARGO) install --quiet --locked --debug cargo-deny@$(DENY_VERSION) --root $(dir $(patsubst %/,%,$(dir $@)))

doc: tools ## Build the documentation of the code
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace

crds: tools ## Generate deploy/crds.yaml and the chart's copy from the code
	@$(CARGO) run --quiet --package presign-operator -- crd > deploy/.crds.yaml || { rm -f deploy/.crds.yaml; exit 1; }
	@mv deploy/.crds.yaml deploy/crds.yaml
	@cp deploy/crds.yaml charts/presign-operator/files/crds.yaml

manifests: crds testbed ## Generate what is made from others: deploy/install.yaml, the tables and reference pages of the docs
	@PRESIGN_WRITE_MANIFESTS=1 $(CARGO) test --quiet --test chart -- generated:: identities:: > /dev/null
	@PRESIGN_WRITE_MANIFESTS=1 $(CARGO) test --quiet --test plugin --test docs -- generated:: > /dev/null

plots: testbed prometheus ## Draw the dashboard's queries into docs/images
	@PRESIGN_WRITE_PLOTS=1 $(CARGO) test --quiet --test chart every_panel_can_be_drawn > /dev/null

image: PACKAGES += buildah:buildah
image: archive ## Build the image around a static binary, and its list of components, into out/
	deploy/list-components out/presign-operator-$(VERSION).cdx.json

archive: tools
	@echo "make: the release binary takes about 10 minutes on two cores; its last crate is linked for 2 of them without output" >&2
	deploy/build-static out/presign-operator
	deploy/build-image out/presign-operator $(VERSION) out/presign-operator-$(VERSION).tar

# The cross compiler and the emulator are those for the other architecture than this machine's. The C++
# compiler brings the C library, which that of C only recommends.
ifeq ($(filter aarch64 arm64,$(shell uname -m)),)
CROSS := g++-aarch64-linux-gnu:aarch64-linux-gnu-g++ qemu-user-static:qemu-aarch64-static
else
CROSS := g++-x86-64-linux-gnu:x86_64-linux-gnu-g++ qemu-user-static:qemu-x86_64-static
endif

release-dry-run release-check: PACKAGES += buildah:buildah skopeo:skopeo $(CROSS)
release-dry-run: tools ## Build every file of a release twice into out/release, run and compare them, publish nothing
	@HELM=$${HELM:-$$($(CARGO) run --quiet --package testbed -- locate helm)} && export HELM && \
	  deploy/build-release out/release && RELEASE_AGAIN=true deploy/check-release out/release

release-check: tools ## Run `make release-dry-run` once, with binaries that are built already (RELEASE_BINARIES)
	@HELM=$${HELM:-$$($(CARGO) run --quiet --package testbed -- locate helm)} && export HELM && \
	  deploy/build-release out/release && deploy/check-release out/release

image-check: PACKAGES += buildah:buildah
image-check: testbed ## Build the binary in two folders, and compare; weigh the image, and time its start
	deploy/check-image out/presign-operator
	PRESIGN_BINARY=$(CURDIR)/out/presign-operator $(CARGO) test --test chart start:: -- --ignored --nocapture

diagrams: PACKAGES += graphviz:dot
diagrams: tools ## Draw docs/diagrams/*.dot as SVG into docs/images
	@deploy/draw-diagrams

book: tools $(MDBOOK) ## Build the site of the documentation into out/book
	@MDBOOK=$(MDBOOK) deploy/build-book out/book
	@PRESIGN_BOOK=$(CURDIR)/out/book $(CARGO) test --quiet --test docs -- --ignored site:: > /dev/null

$(MDBOOK):
	@echo "make: building mdbook $(MDBOOK_VERSION) (once; later runs find it in the cache)" >&2
	@$(CARGO) install --quiet --locked --debug mdbook@$(MDBOOK_VERSION) --no-default-features --features search \
	  --root $(dir $(patsubst %/,%,$(dir $@)))

# Builds the servers once, where one can see it: without them on the first test's clock.
testbed: tools
	@$(CARGO) run --quiet --package testbed -- build

csi-sanity: tools ## Build csi-sanity once, for the tests of the CSI driver
	@$(CARGO) run --quiet --package testbed -- locate csi-sanity > /dev/null

# Only its programs, out of the package: installed, it would run as a server.
prometheus: tools
	@if command -v promtool > /dev/null && command -v prometheus > /dev/null; then exit 0; fi; \
	test ! -x target/prometheus/usr/bin/promtool || exit 0; \
	echo "make: unpacking prometheus into target/prometheus" >&2; \
	[ "$$(id -u)" != 0 ] || apt-get update > /dev/null; \
	mkdir -p target/prometheus && cd target/prometheus && \
	apt-get download prometheus 2> /dev/null && dpkg-deb --extract prometheus_*.deb . || { \
	  echo "make: missing: prometheus and promtool on the PATH (Debian's package prometheus)" >&2; \
	  exit 1; \
	}

node: PACKAGES += $(NODE_PACKAGES)
node: tools ## Install and build what the testbed's node needs (root)
	@$(CARGO) run --quiet --package testbed -- build --node

sessions: tools ## Build SeaweedFS once, for the tests of sessions
	@$(CARGO) run --quiet --package testbed -- build --sessions

# What is missing is installed where that is possible without asking, and named elsewhere.
# No package starts a service by that (policy-rc.d).
tools:
	@command -v $(CARGO) > /dev/null || { echo "make: no cargo on the PATH: install Rust from https://rustup.rs" >&2; exit 1; }
	@missing=""; \
	for package in $(PACKAGES); do \
	  command -v "$${package#*:}" > /dev/null || missing+=" $${package%:*}"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	install="apt-get update && apt-get install --yes --no-install-recommends ca-certificates$$missing"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "make: installing what is missing:$$missing" >&2; \
	  if [ ! -e /usr/sbin/policy-rc.d ]; then \
	    trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
	    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d; \
	  fi; \
	  eval "$$install" >&2; \
	else \
	  echo "make: missing:$$missing. On Debian or Ubuntu: sudo sh -c '$$install'" >&2; \
	  exit 1; \
	fi
