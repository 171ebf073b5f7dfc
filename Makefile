# Every verb builds what it needs: .venv from the hash-checked locks in requirements/, then the project itself, editable.
# `make serve` installs only what serving needs; the first other verb adds the rest.

PYTHON ?= python3
ARGS   ?=
OUTPUT ?= client/taskruns/_generated

VENV := .venv
BIN  := $(VENV)/bin
RUN  := $(VENV)/.run
DEV  := $(VENV)/.dev

PIP_INSTALL   := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
INSTALL_LOCK  := $(PIP_INSTALL) --require-hashes --requirement
# The build back end comes from the lock as well, so that nothing unpinned is fetched.
INSTALL_LOCAL := $(PIP_INSTALL) --no-build-isolation --editable

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve migrate test lint format types openapi client bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(RUN) ## Start the service: make serve ARGS="--port 4300"
	$(BIN)/taskruns-service serve $(ARGS)

migrate: $(RUN) ## Bring the database of TASKRUNS_DATABASE_URL up to date
	$(BIN)/taskruns-service migrate $(ARGS)

test: $(DEV) ## Run all tests: make test ARGS="-k aggregate"
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 $(ARGS)

lint: $(DEV) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(DEV) ## Mend what `make lint` can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(DEV) ## Check types, strictly
	$(BIN)/mypy

openapi: $(DEV) ## Write openapi.json from the service's code
	$(BIN)/taskruns-service openapi --output openapi.json

# The generator formats with the `ruff` on the PATH, which must be the locked one.
client: $(DEV) ## Write the generated half of the client from openapi.json
	PATH="$(CURDIR)/$(BIN):$$PATH" openapi-python-client generate --path openapi.json --config client/generator.yaml \
		--custom-template-path client/templates --meta none --output-path "$(OUTPUT)" --overwrite --fail-on-warning

bench: $(DEV) ## Measure: make bench ARGS="--help"
	$(BIN)/python -m tests.benchmarks $(ARGS)

# One resolution for all: the smaller locks take their versions from dev.lock.
lock: $(DEV) ## Resolve the locks again: make lock ARGS=--upgrade
	$(COMPILE) $(ARGS) --group dev --all-extras --output-file requirements/dev.lock pyproject.toml client/pyproject.toml
	$(COMPILE) --constraints requirements/dev.lock --output-file requirements/serve.lock pyproject.toml
	$(COMPILE) --constraints requirements/dev.lock --output-file requirements/build.lock --group build

clean: ## Remove everything that make can build again
	rm -rf $(VENV) build dist client/dist .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/*/npm/node_modules
	find service client tests -type d -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(RUN): $(BIN)/python pyproject.toml requirements/build.lock requirements/serve.lock
	$(INSTALL_LOCK) requirements/build.lock --requirement requirements/serve.lock
	$(INSTALL_LOCAL) .
	@touch $@

# dev.lock holds all that the smaller locks hold, so it answers for them too.
$(DEV): $(BIN)/python pyproject.toml client/pyproject.toml requirements/dev.lock
	$(INSTALL_LOCK) requirements/dev.lock
	$(INSTALL_LOCAL) . --editable client
	@touch $(RUN) $@
