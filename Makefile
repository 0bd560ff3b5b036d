# What people and CI run. `make help` lists it.
#
# Builds are kept outside the checkout, so that a fresh clone is quick; target/ here holds reports alone.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/azureml-operator
export CARGO_TARGET_DIR ?= $(CACHE)/target

.DEFAULT_GOAL := help
.PHONY: help demo test e2e idle unit clients lint deny crds cluster prepare bench-emulator bench-dataset

help: ## Shows this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: prepare ## Shows the whole flow, from a file on the web to predictions (KEEP=1 leaves it running)
	cargo build --locked --workspace --bins
	@$(CARGO_TARGET_DIR)/debug/demo

test: ## Runs everything that a change can break; reports in target/ci
	scripts/test

e2e: prepare ## Runs the end-to-end tests; NAME=text chooses those with it in their name
	cargo test --locked --workspace --test e2e -- $(NAME)

idle: prepare ## Counts what 1,000 datasets and 100 endpoints at rest cost in a day of two minutes
	IDLE=full cargo test --locked --workspace --test e2e -- idle::a_day --nocapture

unit: prepare ## Runs unit and property tests
	cargo test --locked --workspace --lib --bins --tests

clients: prepare ## Runs Azure's own clients for Python against the emulator; NAME=text chooses scenarios
	scripts/clients $(if $(NAME),-k "$(NAME)")

lint: prepare ## Checks format and lints
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets --test e2e -- --deny warnings

deny: ## Checks licences and sources of dependencies
	scripts/deny

bench-dataset: prepare ## Measures the operator's memory while it copies a file of 2 GiB
	DATASET_BYTES=2147483648 cargo test --locked --workspace --test e2e -- a_large_file --nocapture

bench-emulator: prepare ## Prints how many requests a second the emulator answers while it holds 10,000 objects, and compares with 100
	cargo bench --locked --package azureml-emulator --bench throughput -- $(ARGS)

crds: prepare ## Generates crds/*.yaml from the types
	cargo run --locked --quiet --package azureml-crds --bin crdgen

cluster: prepare ## Builds the control plane that tests run against, where it is not built
	cargo build --locked --quiet --workspace --bins
	$(CARGO_TARGET_DIR)/debug/cluster build

prepare:
	@scripts/prepare
