# Everything that one does with this project. `make help` lists it.
#
# The environment .venv is built once for each content of the requirements files. All paths are relative, so that the
# checkout may lie anywhere, also below a directory with spaces in its name.

PORT ?= 8000
HOST ?= 127.0.0.1
DATA ?=
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TESTS ?= tests
BENCH ?= ingest

RUNTIME := .venv/runtime-$(shell cksum < requirements.txt | cut -d' ' -f1)
DEVELOPMENT := .venv/development-$(shell cat requirements.txt requirements-dev.txt | cksum | cut -d' ' -f1)
CODE := app admin_views jobs migrations tests bench wsgi.py

.DEFAULT_GOAL := help
.PHONY: help setup run test sure lint types format bench torture chromium

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(DEVELOPMENT) ## Build the environment .venv with everything for work on the project

run: $(RUNTIME) ## Run the whole product: make run PORT=8000 DATA=var
	@[ ! -f .env ] || { ! grep -q "$$(printf '\r')" .env && sh -ec '. ./.env' > /dev/null; } \
	|| { echo "Mend .env: lines are NAME=value, 'quoted' where there are blanks or signs, without Windows line ends."; exit 1; }
	@set -a; [ ! -f .env ] || . ./.env; set +a; \
	exec .venv/bin/python -m app.embedded --host "$(HOST)" --port "$(PORT)" --data "$(or $(DATA),$${DATA_DIR:-var})"

test: $(DEVELOPMENT) chromium ## Run all tests, or some: make test TESTS=tests/domain
	.venv/bin/python -m pytest -n auto $(TESTS)

sure: lint types test ## Prove a change: style, types, import rules and all tests

bench: $(DEVELOPMENT) ## Measure: make bench BENCH=ingest
	.venv/bin/python -m bench.$(BENCH)

torture: $(DEVELOPMENT) ## Kill parts of the running product, again and again: make torture SEED=7
	.venv/bin/python -m tests.torture $(if $(SEED),--seed $(SEED))

lint: $(DEVELOPMENT)
	.venv/bin/python -m ruff check $(CODE)
	.venv/bin/python -m ruff format --check $(CODE)
	.venv/bin/lint-imports

types: $(DEVELOPMENT)
	.venv/bin/python -m mypy

format: $(DEVELOPMENT) ## Bring the code into shape
	.venv/bin/python -m ruff check --fix $(CODE)
	.venv/bin/python -m ruff format $(CODE)

# Browser tests need Debian's Chromium. Root gets it installed; others are told that those tests are skipped.
chromium:
	@if [ -x "$${CHROMIUM:-/usr/bin/chromium}" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "Installing Chromium for the browser tests"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium > /dev/null \
		|| echo "Chromium could not be installed: the browser tests are skipped (in CI they fail)."; \
	else \
		echo "Chromium is missing: the browser tests are skipped (apt-get install chromium)."; \
	fi

$(RUNTIME): requirements.txt
	@[ -n "$(PYTHON)" ] && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	|| { echo "Python 3.11 is needed. Say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Building .venv from requirements.txt (once)"
	@"$(PYTHON)" -m venv --clear .venv \
	|| { echo "Python's venv module is missing (Debian: apt-get install python3-venv)."; exit 1; }
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.txt
	@echo "Adding what requirements-dev.txt names to .venv (once)"
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@
