# Every task of the project; `make help` lists them.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast lint format lock bench clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.local ## Make the environment that `make run` needs

run: setup ## Start everything on this machine: Triton, API, search, sample documents
	$(BIN)/phoserve up $(ARGS)

test: $(VENV)/.dev system ## Install what the tests need and run them all
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest $(ARGS)

test-fast: $(VENV)/.dev ## The unit tests only
	$(BIN)/python -m pytest tests/unit $(ARGS)

lint: $(VENV)/.dev ## Style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Benchmarks with plots; ARGS are those of `phoserve bench`
	$(BIN)/phoserve bench $(ARGS)

lock: $(VENV)/.dev ## Resolve and lock every dependency anew
	deploy/lock.sh $(BIN)/pip-compile

clean: ## Remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Redis for the ingestion tests, Chromium for the console's; installed where we may, named where we may not.
.PHONY: system
system:
	@deploy/system-packages.sh redis-server chromium

$(VENV)/.local: requirements/local.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements/local.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

# torch stands outside the lock: which build is right (CPU, CUDA) depends on the machine.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@ $(VENV)/.local

$(VENV)/bin/python:
	@deploy/system-packages.sh --python $(PYTHON)
	$(PYTHON) -m venv $(VENV)
