# `make` alone explains itself. Needs git, make and Python 3.11 or newer with venv; uv is used where it is.
.DEFAULT_GOAL := help
.PHONY: help up setup test lint bench docs lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
# Byte code is what makes the next start fast; some shells forbid writing it.
unexport PYTHONDONTWRITEBYTECODE

ifdef UV
  INSTALL = VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --compile-bytecode
else
  INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

help:  ## This list
	@echo "monitoring_pipeline: watch data sources with Dagster"; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "First time: make up. Then: $(BIN)/busta --help"

up: setup  ## Install what is missing, write monitoring.yaml if there is none, and watch
	@test -e monitoring.yaml || $(BIN)/busta init --yes
	@$(BIN)/busta up

setup: $(VENV)/.installed  ## Make .venv with everything a running system needs

$(VENV)/.installed: requirements.lock pyproject.toml
	@echo "Installing into $(VENV) (a minute or so, once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) --no-deps --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml
	@echo "Installing into $(VENV), with what tests need ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.installed

lint: $(VENV)/.installed-dev  ## Style, types, floors, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

test: lint  ## Everything CI runs: lint, then the tests
	$(BIN)/pytest -n 3 --dist loadfile -q

bench: $(VENV)/.installed-dev  ## Every benchmark, a table each
	$(BIN)/python -m bench

docs: $(VENV)/.installed-dev  ## Write the generated pages of docs/ anew, and notebooks from their .py
	$(BIN)/python -m monitoring_pipeline.config.reference
	$(BIN)/python -m monitoring_pipeline.cli.reference > docs/cli.md
	$(BIN)/jupytext --quiet --to ipynb --update notebooks/*.py

lock:  ## Resolve the locks anew (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --extra dagster --extra amqp --extra grpc --extra mysql --extra analysis --group build \
		pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --all-extras --group build --group dev pyproject.toml -o requirements-dev.lock

clean:  ## Remove caches and builds (not .venv, not .busta)
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
