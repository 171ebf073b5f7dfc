# Every verb builds what it needs: .venv from the hash-checked locks in requirements/, then the project itself, editable.
# `make serve` installs only what serving needs; the first other verb adds the rest.

PYTHON ?= python3
ARGS   ?=
OUTPUT ?= client/taskruns/_generated

VENV := .venv
BIN  := $(VENV)/bin
RUN  := $(VENV)/.run
DEV  := $(VENV)/.dev

# The tests run the last release of Prefect 1 as well, in a Python of its time.
PREFECT1_VENV    := .venv-prefect1
PREFECT1_PYTHONS ?= $(PYTHON) python3.11 python3.10 python3.9

# The benchmarks compare the service with Prefect 3's server, which needs other releases of what we need.
PREFECT3_VENV := .venv-prefect3

# The tests with faults run PostgreSQL under Patroni, with etcd and HAProxy as Debian packages them.
PATRONI_VENV := .venv-patroni

# The tests open pages in a real browser, and PostgreSQL through a real pooler.
CHROMIUM  := $(VENV)/.chromium
PGBOUNCER := $(VENV)/.pgbouncer

# What the pages need of npm: the libraries that are copied into the service, and the checkers. Serving needs none of it.
UI       := service/taskruns_service/web/ui
UI_TOOLS := requirements/ui/node_modules
VENDOR   ?= $(UI)/vendor
UI_TYPES ?= $(UI)/openapi.d.ts
DOCS_VENDOR ?= service/taskruns_service/web/docs/vendor

PIP_INSTALL   := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
INSTALL_LOCK  := $(PIP_INSTALL) --require-hashes --requirement
# The build back end comes from the lock as well, so that nothing unpinned is fetched.
INSTALL_LOCAL := $(PIP_INSTALL) --no-build-isolation --editable

PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"
OURS    := --python-version 3.11

# The tests start hundreds of processes, each of which would compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve migrate test coverage attacks faults lint format types openapi client vendor screenshots bench bench-full lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(RUN) ## Start the service: make serve ARGS="--port 4300"
	$(BIN)/taskruns-service serve $(ARGS)

migrate: $(RUN) ## Bring the database of TASKRUNS_DATABASE_URL up to date
	$(BIN)/taskruns-service migrate $(ARGS)

test: $(DEV) $(PREFECT1_VENV)/.ready $(CHROMIUM) $(PGBOUNCER) ## Run all tests: make test ARGS="-k aggregate", or ARGS="-m 'not slow'"
	$(PYTEST) -m "not attack and not fault" $(ARGS)

# On SQLite alone: coverage's tracer loops for ever where greenlets end, in which SQLAlchemy runs what PostgreSQL is sent.
coverage: $(DEV) ## Print what the quick tests of the service cover, on SQLite
	$(PYTEST) tests/unit tests/store tests/api tests/security -m "not slow and not attack and not fault" \
		-k "not postgres and not replicas" --cov --cov-report term $(ARGS)

attacks: $(DEV) $(CHROMIUM) ## Run the long attacks on running services: make attacks ARGS="-k memory"
	$(BIN)/python -m pytest tests/security -m attack --timeout 900 $(ARGS)

faults: $(DEV) $(PGBOUNCER) $(PATRONI_VENV)/.ready ## Run everything through faults and print a table: make faults ARGS="--rounds 20 --seeds 50 --full"
	$(BIN)/python -m pytest tests/faults --promises $(ARGS)

lint: $(DEV) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(DEV) ## Mend what `make lint` can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(DEV) ## Check types, strictly; those of the pages where there is npm
	$(BIN)/mypy
	@command -v npm >/dev/null || { echo "There is no npm: the types of the pages are not checked." >&2; exit; }; \
	$(MAKE) --no-print-directory $(UI_TOOLS)/.ready && $(UI_TOOLS)/.bin/tsc --project $(UI)

openapi: $(DEV) ## Write openapi.json from the service's code
	$(BIN)/taskruns-service openapi --output openapi.json

# The generator formats with the `ruff` on the PATH, which must be the locked one.
client: $(DEV) ## Write the generated half of the client from openapi.json
	PATH="$(CURDIR)/$(BIN):$$PATH" openapi-python-client generate --path openapi.json --config client/generator.yaml \
		--custom-template-path client/templates --meta none --output-path "$(OUTPUT)" --overwrite --fail-on-warning

# The types of the pages are those of openapi.json.
vendor: $(DEV) $(UI_TOOLS)/.ready ## Copy the libraries of the pages into the service, and write the types of the API
	$(BIN)/python requirements/ui/vendor.py $(VENDOR) $(DOCS_VENDOR)
	$(UI_TOOLS)/.bin/openapi-typescript openapi.json --output $(UI_TYPES) 2>/dev/null

screenshots: $(DEV) $(CHROMIUM) ## Take the pictures of docs/ui.md, of a day that is made up
	$(BIN)/python -m tests.web.screenshots docs/ui

$(UI_TOOLS)/.ready: requirements/ui/package-lock.json
	cd requirements/ui && npm ci --ignore-scripts --silent
	@touch $@

bench: $(DEV) $(PREFECT3_VENV)/.ready ## Measure, and write docs/benchmarks.md: make bench ARGS="--help"
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-full: ## The same with 10,000,000 task runs as well, which takes hours
	$(MAKE) bench ARGS="--sizes 10000,100000,1000000,10000000 $(ARGS)"

# One resolution for all: the smaller locks take their versions from dev.lock.
lock: $(DEV) ## Resolve the locks again: make lock ARGS=--upgrade
	$(COMPILE) $(OURS) $(ARGS) --group dev --all-extras --output-file requirements/dev.lock pyproject.toml client/pyproject.toml
	$(COMPILE) $(OURS) --constraints requirements/dev.lock --output-file requirements/serve.lock pyproject.toml
	$(COMPILE) $(OURS) --constraints requirements/dev.lock --output-file requirements/build.lock --group build
	$(COMPILE) $(OURS) $(ARGS) --output-file requirements/prefect3.lock --group prefect3
	$(COMPILE) $(OURS) $(ARGS) --output-file requirements/patroni.lock --group patroni
	$(COMPILE) --python-version 3.9 $(ARGS) --output-file requirements/prefect1.lock --group prefect1

clean: ## Remove everything that make can build again
	rm -rf $(VENV) $(PATRONI_VENV) $(PREFECT1_VENV) $(PREFECT3_VENV) build dist client/dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/*/npm/node_modules $(UI_TOOLS)
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

# Where there is no such Python it makes nothing, and the tests that need it say so: they are skipped, or fail in CI.
$(PREFECT1_VENV)/.ready: requirements/prefect1.lock
	@for python in $(PREFECT1_PYTHONS); do \
		$$python -c 'import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 12))' 2>/dev/null || continue; \
		$$python -m venv --clear $(PREFECT1_VENV) && $(PREFECT1_VENV)/bin/python -m pip install --quiet \
			--disable-pip-version-check --no-deps --require-hashes --requirement $< && touch $@; \
		exit; \
	done; \
	echo "There is no Python 3.9, 3.10 or 3.11: prefect 1.4.1 is not tested." >&2

# Where it can be installed by itself, it is: on Debian, as root, as in a container.
$(CHROMIUM): $(DEV)
	@command -v chromium-headless-shell >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && apt-get update -qq \
			&& apt-get install -qq --yes --no-install-recommends chromium-headless-shell; } >/dev/null \
		|| { command -v chromium || command -v google-chrome; } >/dev/null \
		|| { echo "There is no Chromium: nothing is tested in a browser." >&2; exit; }; \
	touch $@

$(PGBOUNCER): $(DEV)
	@command -v pgbouncer >/dev/null || test -x /usr/sbin/pgbouncer \
		|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq --yes --no-install-recommends pgbouncer; } >/dev/null \
		|| { echo "There is no PgBouncer: nothing is tested through it." >&2; exit; }; \
	touch $@

$(PREFECT3_VENV)/.ready: requirements/prefect3.lock
	$(PYTHON) -m venv --clear $(PREFECT3_VENV)
	$(PREFECT3_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@

$(PATRONI_VENV)/.ready: requirements/patroni.lock
	$(PYTHON) -m venv --clear $(PATRONI_VENV)
	$(PATRONI_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@
