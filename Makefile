# Two commands do everything: `make demo` runs the main job for real, `make test` passes all tests.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE ?= $(or $(SLIPWAY_CACHE),$(HOME)/.cache/slipway)
DENY_VERSION := 0.20.2
TOOLS := $(CACHE)/tools
# setup.sh puts a Go there where the machine's own is too old.
export PATH := $(TOOLS)/go/bin:$(PATH)
# What tests and the demo start: built before they run, because cargo builds no binary of another package for a test.
BINARIES := cargo build --locked --workspace --all-targets
CONTROL_PLANE := tests/controlplane/build.sh
HELM := tools/helm.sh

.PHONY: help setup build generate image demo up down plane test lint deny bench sweep clean

help: ## Say what there is.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Install what is missing on this machine.
	@./setup.sh

build: ## Build the slipway command and the kubectl plugin.
	cargo build --locked -p slipway-cli -p slipway-tests --bin slipway --bin kubectl-slipway --bin plane

generate: ## Write what comes from code: crds/, contracts/, parts of charts/.
	cargo run --locked -q -p slipway-cli -- generate --root .

image: ## Build the image into target/image/slipway.tar, and look into it.
	@./setup.sh image
	SLIPWAY_IMAGE=$$(tools/image.sh) cargo test --locked --workspace --test image

demo: setup ## Tell the whole story on a real API server, from nothing.
	@examples/kubernetes/demo.sh

up: setup ## The same, and leave it running.
	@examples/kubernetes/demo.sh --keep

down: ## End what `make up` left running.
	@examples/kubernetes/demo.sh --down

plane: setup ## Run a control plane of one's own in the foreground.
	@$(BINARIES)
	@echo 'kubectl for it, in another terminal: target/debug/plane kubectl -- get nodes' >&2
	target/debug/plane up --dir .slipway/plane

test: setup ## Run all tests.
	@./setup.sh image
	@$(CONTROL_PLANE) >/dev/null
	@$(HELM) >/dev/null
	$(BINARIES)
	cargo test --locked --workspace --no-fail-fast

lint: setup ## Check form, lints, licences and sources.
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	# What only a trap calls looks unreachable to it.
	shellcheck -e SC2317 setup.sh .ci/run tools/*.sh tests/controlplane/build.sh examples/kubernetes/*.sh
	helm=$$($(HELM)); "$$helm" lint --strict charts/slipway
	@$(MAKE) --no-print-directory deny

deny:
	@[ -x $(TOOLS)/bin/cargo-deny ] || { \
	  echo 'cargo-deny is built once, which takes some minutes' >&2; \
	  cargo install --quiet --locked --version $(DENY_VERSION) --root $(TOOLS) cargo-deny; }
	$(TOOLS)/bin/cargo-deny --locked check --hide-inclusion-graph bans licenses sources

bench: setup ## Measure the ratios of docs/PERFORMANCE.md.
	@$(CONTROL_PLANE) >/dev/null
	cargo build --locked --release --workspace --bin bench --bin slipway --bin plane
	target/release/bench

sweep: setup ## Crash at every effect, then kill at random; SLIPWAY_RUNS, SLIPWAY_KILLS say how often.
	@$(CONTROL_PLANE) >/dev/null
	$(BINARIES)
	target/debug/sweep

clean: ## Remove what was built here; the caches stay.
	cargo clean
	rm -rf .slipway
