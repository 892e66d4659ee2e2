# Everything lives in .venv; outside the checkout only compiled code and tuned plans are kept, in the user's cache.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# A folder of its own, so that an empty or read-only HOME makes no difference.
PIP_INSTALL := $(PIP) install --quiet --require-hashes --only-binary :all:
PYTEST_WORKERS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: ui ui-build help install demo dev test lint types imports bench lock clean

help:
	@echo "make install   put cityloop and what it needs into $(VENV)"
	@echo "make demo      show the closed loop (ARGS=... are passed on)"
	@echo "make test      check style, types and imports, and run the tests (ARGS=... go to pytest)"
	@echo "make bench     run the benchmark (ARGS=... are passed on)"
	@echo "make ui        build the dashboard again and compare it with what is committed (needs npm)"
	@echo "make ui-build  build the dashboard into src/cityloop/web/static (needs npm)"
	@echo "make lock      pin the requirements again from pyproject.toml"
	@echo "make clean     remove $(VENV) and every cache"

install: $(VENV)/.installed
	@:

demo: install
	@$(BIN)/cityloop demo $(ARGS)

bench: install
	@$(BIN)/cityloop bench $(ARGS)

dev: $(VENV)/.dev-installed
	@:

test: lint types imports
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile $(ARGS)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .

types: dev
	$(BIN)/mypy

imports: dev
	$(BIN)/lint-imports --no-cache

lock: dev
	$(BIN)/python requirements/lock.py

# The page is committed as built, so users need no Node. Where npm is, the build is repeated and compared.
ui:
	@if command -v npm >/dev/null 2>&1; then \
	  if ! (cd ui && { [ -d node_modules ] || npm ci --ignore-scripts --silent; }); then \
	    echo "make ui: the packages cannot be fetched, so the built page is taken as it is"; exit 0; fi; \
	  (cd ui && npm run --silent types && npm run --silent check); \
	else echo "make ui: no npm here, so the built page is taken as it is (Debian: apt install npm)"; fi

ui-build:
	cd ui && npm ci --ignore-scripts --silent && npm run --silent types && npm run --silent build

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "make install: $(PYTHON) is missing or older than Python 3.11; name another: make install PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make install: $(PYTHON) has no venv; install it (Debian: apt install python3-venv) and run this again" >&2; \
	  exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

# The project itself is linked, not copied: a change of the source needs no second install.
$(VENV)/.installed: requirements/run.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) -r requirements/run.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
	@# Half a minute that the first run need not wait; where it cannot be, that run compiles and nothing is lost.
	@timeout 300 $(BIN)/cityloop doctor --warm >/dev/null 2>&1 || true
	@touch $@

$(VENV)/.dev-installed: requirements/dev.txt $(VENV)/.installed
	$(PIP_INSTALL) -r requirements/dev.txt
	@touch $@
