# Two commands do everything on a machine with Python >= 3.11 and cargo:
#   make demo    the main job on real data
#   make test    format, lint, types, Rust and Python tests
# They make their own environment in .venv; nothing else needs to be installed by hand.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
RUST := $(shell find rust -name '*.rs' -o -name 'Cargo.toml' 2>/dev/null) Cargo.toml $(wildcard Cargo.lock)

export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export PYO3_BUILD_EXTENSION_MODULE := 1
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport PYTHONPATH

##@ Use it
.PHONY: demo
demo: $(VENV)/.demo $(VENV)/.built ## From real prices to tracked, saved, reloaded models (two minutes)
	$(BIN)/tradewright demo

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Work on it
.PHONY: test
test: lint types rust-test py-test ## Everything that must hold: format, lint, types, Rust and Python tests

.PHONY: lint
lint: $(VENV)/.dev $(VENV)/.built ## Format and lint, Rust and Python, and the floors of the house
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

.PHONY: types
types: $(VENV)/.dev $(VENV)/.built ## mypy in strict mode, and the stubs against the compiled core
	$(BIN)/mypy
	$(BIN)/stubtest tradewright._core --mypy-config-file pyproject.toml

.PHONY: rust-test
rust-test: $(VENV)/.dev ## The Rust core's tests (nextest where it is installed)
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --locked -p tradewright-core; \
	else cargo test --locked -p tradewright-core --lib --tests; fi

.PHONY: py-test
py-test: $(VENV)/.dev $(VENV)/.built ## The Python tests
	$(BIN)/pytest -q -n auto --dist loadscope

.PHONY: bench
bench: $(VENV)/.dev $(VENV)/.built $(VENV)/.bench ## The benchmarks against peers; results go to benches/results
	cargo bench --locked -p tradewright-core --bench '*'
	$(BIN)/python benches/python/run.py

.PHONY: docs
docs: $(VENV)/.dev $(VENV)/.built ## Draw the pictures of the documentation anew, and run its code
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/make_loss_pictures.py
	$(BIN)/pytest -q tests/test_docs.py

.PHONY: format
format: $(VENV)/.dev ## Format Rust and Python
	cargo fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: wheel
wheel: $(VENV)/.dev ## The wheel that users get, in dist/
	$(BIN)/maturin build --profile wheel --locked --out dist

.PHONY: lock
lock: $(VENV)/.dev ## Record the versions of this environment as the ones every environment gets
	$(UV) pip freeze --exclude-editable --exclude tradewright | grep -v '^uv==' > constraints.txt

.PHONY: clean
clean: ## Remove the environment and every build
	rm -rf $(VENV) target dist demo-output
	find python -name '*.so' -delete

# --- the environment ------------------------------------------------------------------------------------------------

# The compiled core, installed in place. maturin is incremental: after a change it takes seconds.
$(VENV)/.built: $(RUST) pyproject.toml $(VENV)/.uv
	$(UV) pip install --quiet --constraint constraints.txt 'maturin>=1.9.4,<2'
	$(BIN)/maturin develop --release --locked --uv
	@touch $@

$(VENV)/.uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tradewright needs Python >= 3.11; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

# The libraries alone, so that a change of the core does not look at them again.
$(VENV)/.demo $(VENV)/.dev: $(VENV)/.%: pyproject.toml constraints.txt $(VENV)/.uv
	$(UV) pip install --quiet --constraint constraints.txt $$($(BIN)/python scripts/requirements.py $*)
	@touch $@

# The peers of the benchmarks, apart from what tradewright is tested with.
$(VENV)/.bench: benches/python/requirements.txt benches/python/requirements-alone.txt constraints.txt $(VENV)/.uv
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/bench
	$(UV) pip install --quiet --python $(VENV)/bench/bin/python --constraint constraints.txt \
		--requirement benches/python/requirements.txt
	$(UV) pip install --quiet --python $(VENV)/bench/bin/python --no-deps --requirement benches/python/requirements-alone.txt
	@touch $@
