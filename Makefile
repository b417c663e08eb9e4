# All tasks of the project. `make help` lists them.
VENV ?= .venv
PYTHON ?= $(shell command -v $(VENV)/bin/python || command -v python3.11 || command -v python3.12 || echo python3)
BIN := $(VENV)/bin
# One process for each core, at most 4: each may start a Triton server. The tests of one file share what they start.
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile
ARGS ?=
UPGRADE ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast lint format lock audit bench clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: interpreter $(VENV)/.local ## Create the environment for `make run`

run: setup ## Start the platform on this machine: Triton, API, search, sample documents
	$(BIN)/phoserve up $(ARGS)

test: interpreter $(VENV)/.dev system ## Install the test dependencies and run all tests
	PATH="$(abspath $(BIN)):$$PATH" $(PYTEST) $(ARGS)

test-fast: $(VENV)/.dev ## Run the unit tests
	$(PYTEST) tests/unit $(ARGS)

lint: $(VENV)/.dev ## Check style, types, import rules and prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.prose

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Run benchmarks with plots; ARGS are passed to `phoserve bench`
	$(BIN)/phoserve bench $(ARGS)

lock: | $(VENV)/bin/python ## Lock the dependencies of pyproject.toml; UPGRADE=1 takes the newest versions
	$(BIN)/pip install --quiet "uv>=0.9" packaging
	UPGRADE=$(UPGRADE) $(BIN)/python -m deploy.lock

audit: | $(VENV)/bin/python ## Report known vulnerabilities of the locked dependencies; skipped without a network
	@$(PYTHON) -m venv $(VENV)/audit
	@-$(VENV)/audit/bin/pip install --quiet pip-audit==2.10.1
	@$(VENV)/audit/bin/pip-audit --disable-pip --require-hashes --progress-spinner off --format json \
	    --requirement requirements.txt | $(BIN)/python -m deploy.audit

clean: ## Remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Redis for the ingestion tests, PostgreSQL for the registry's, Chromium for the console's, Tesseract and a font for those of OCR.
# Without root, the script prints the command to run.
.PHONY: system
system:
	@deploy/system-packages.sh redis-server postgresql pgbouncer chromium tesseract-ocr tesseract-ocr-vie fonts-dejavu-core

$(VENV)/.local: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python deploy/locked.py local > $(VENV)/local.txt
	$(BIN)/pip install --quiet --no-deps --require-hashes -r $(VENV)/local.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

# torch is outside the lock: the right build (CPU, CUDA) depends on the machine.
$(VENV)/.dev: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python deploy/locked.py dev > $(VENV)/dev.txt
	$(BIN)/pip install --quiet --no-deps --require-hashes -r $(VENV)/dev.txt
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@ $(VENV)/.local

$(VENV)/bin/python: | interpreter
	$(PYTHON) -m venv $(VENV)

# Checked each time: Triton needs the interpreter's shared library, which Debian packages apart.
.PHONY: interpreter
interpreter:
	@deploy/system-packages.sh --python $(PYTHON)
