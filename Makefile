# Every target works on a fresh clone: what it needs is installed first, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: help install demo up test operation soak check format bench screenshots lock clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: $(VENV)/.installed  ## create .venv with the pinned requirements

SDK := tests/simtandem/emulator/requirements-sdk.txt

$(VENV)/.installed: requirements.txt requirements-dev.txt pyproject.toml $(SDK)
	@echo "Installing simtandem into $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --constraint requirements.txt -r requirements-dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python tests/simtandem/emulator/emnify_sdk.py
	@touch $@

demo: install  ## the whole job against the built-in emulator
	@$(BIN)/simtandem demo

up: install  ## Prefect server, deployments, schedules and a worker on this machine, until Ctrl-C
	@$(BIN)/simtandem up

test: install  ## every test but those of the whole operation
	@$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/operation

operation: install  ## tests of `simtandem up`: real server, workers and browser; about eight minutes
	@$(BIN)/python -m pytest tests/operation

soak: install  ## runs, kills, undos and other clients in any order, for MINUTES (10); SEED=n runs one round again
	@$(BIN)/python -m tests.stateful.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(EXAMPLES),--examples $(EXAMPLES))

check: install  ## format, lint, types and all tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory test operation
	@$(MAKE) --no-print-directory soak EXAMPLES=200

format: install  ## put the code into its standard form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install  ## measure what is claimed in bench/README.md, again
	$(BIN)/python -m bench

screenshots: install  ## renew the pictures in docs/images/ from the browser tests
	SIMTANDEM_TEST_DOCS=1 $(BIN)/python -m pytest tests/operation/test_browser.py

lock: install  ## renew the pinned requirements from pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-header --no-emit-options --upgrade --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-header --no-emit-options --upgrade --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
	@echo "emnify-sdk" | $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-header --no-annotate --no-emit-options --upgrade --output-file $(SDK) -

clean:  ## remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
