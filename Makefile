# Every target works on a fresh clone: what it needs is installed first, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 10
# Lines and branches that tests reach in their own process, in percent: less fails where COVERAGE=1 asks for it.
COVERED := 70

.DEFAULT_GOAL := help
.PHONY: help install wheel dev demo up test operation commands modules types soak check format bench docs screenshots lock licences sbom advisories clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: $(VENV)/.installed  ## what simtandem needs to run, pinned, in .venv: no development tools

dev: $(VENV)/.dev  ## what tests, checks and benchmarks need besides

SDK := tests/simtandem/emulator/requirements-sdk.txt
# The requirement files name every package, so nothing is resolved; each file is checked against its hash; and nothing is
# built from source, which would run build tools that no hash covers.
PINNED := install -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all:

# The pins are of one version of Python: another one would install what no test has seen, and fail later.
RIGHT_PYTHON := $(PYTHON) -c 'import sys; v = sys.version_info[:2]; v == (3, 11) or sys.exit("simtandem needs Python 3.11, and $(PYTHON) is %d.%d. Nothing was installed. Name it: make PYTHON=python3.11" % v)'

$(VENV)/.installed: requirements.txt requirements-build.txt pyproject.toml
	@$(RIGHT_PYTHON)
	@echo "Installing simtandem into $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip $(PINNED) -r requirements.txt
	@rm -rf $(VENV)/build
	@$(BIN)/python -m pip $(PINNED) --target $(VENV)/build -r requirements-build.txt
	@mkdir $(VENV)/build/wheel
	@PYTHONPATH=$(VENV)/build $(BIN)/python -c 'from hatchling.build import build_editable; build_editable("$(VENV)/build/wheel")'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-index --force-reinstall $(VENV)/build/wheel/*.whl
	@rm -rf $(VENV)/build
	@$(BIN)/python -m compileall -q simtandem flows tasks schemas
	@$(BIN)/python -m simtandem.prefect_server.database_template
	@$(BIN)/python -m simtandem.reports.compiled_templates
	@touch $@

wheel:  ## build/wheel/simtandem-….whl, for pipx or `uv tool install`: no checkout is needed where it is installed
	@$(RIGHT_PYTHON)
	@rm -rf build/wheel build/tools
	@mkdir -p build/wheel
	@$(PYTHON) -m pip $(PINNED) --target build/tools -r requirements-build.txt
	@PYTHONPATH=build/tools $(PYTHON) -c 'from hatchling.build import build_wheel; print("build/wheel/" + build_wheel("build/wheel"))'
	@rm -rf build/tools

$(VENV)/.dev: $(VENV)/.installed requirements-dev.txt $(SDK)
	@echo "Installing the development tools into $(VENV) (once) ..."
	@$(BIN)/python -m pip $(PINNED) -r requirements-dev.txt
	@$(BIN)/python tests/simtandem/emulator/emnify_sdk.py
	@touch $@

AUDIT := $(VENV)/audit/bin

$(VENV)/audit/.installed: requirements-audit.txt
	@$(PYTHON) -m venv $(VENV)/audit
	@$(AUDIT)/python -m pip $(PINNED) -r requirements-audit.txt
	@touch $@

demo: install  ## the whole job against the built-in emulator
	@$(BIN)/simtandem demo

up: install  ## Prefect server, deployments, schedules and a worker on this machine, until Ctrl-C
	@$(BIN)/simtandem up

test: dev  ## every test but those of the whole operation; COVERAGE=1 measures lines and branches
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/operation $(if $(COVERAGE),--cov --cov-fail-under=$(COVERED))

# The tests of `make test`, in two parts: those of whole commands, flows and hosts, which wait much ...
COMMANDS := tests/end_to_end tests/flows tests/tasks tests/stateful/test_hosts_under_fire.py tests/simtandem/carriers/test_block_tokens.py

commands: dev
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(COMMANDS)

# ... and all others, which take what time the cores have left beside those that wait.
modules: dev
	@nice -n 10 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/operation $(COMMANDS:%=--ignore %)

types: dev
	@nice -n 10 $(BIN)/mypy

operation: dev  ## tests of `simtandem up`: real server, workers and browser; about ten minutes
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/operation

soak: dev  ## runs, kills, undos and other clients in any order, for MINUTES (10); HOSTS=1: two hosts; SEED=n: one round again
	@$(BIN)/python -m tests.stateful.soak --minutes $(MINUTES) $(if $(HOSTS),--hosts) $(if $(SEED),--seed $(SEED)) $(if $(EXAMPLES),--examples $(EXAMPLES))

check: dev  ## format, lint, types and all tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory --jobs 4 --output-sync=target operation commands types modules

format: dev  ## put the code into its standard form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: dev  ## measure what is claimed in bench/README.md, again
	$(BIN)/python -m bench

$(VENV)/docs/.installed: requirements-docs.txt
	@$(PYTHON) -m venv $(VENV)/docs
	@$(VENV)/docs/bin/python -m pip $(PINNED) -r requirements-docs.txt
	@touch $@

docs: $(VENV)/docs/.installed  ## build the documentation site into build/site; a broken link is an error
	@NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict

screenshots: dev  ## renew the pictures in docs/images/ from the browser tests
	SIMTANDEM_TEST_DOCS=1 $(BIN)/python -m pytest tests/operation/test_browser.py

COMPILE := $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-header --no-emit-options --upgrade

lock: dev  ## renew the pinned requirements from pyproject.toml; then `make licences`
	$(COMPILE) --output-file requirements.txt pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
	$(COMPILE) --no-annotate --extra hosts --constraint requirements.txt --output-file requirements-hosts.txt pyproject.toml
	@printf 'editables\nhatchling\n' | $(COMPILE) --no-annotate --output-file requirements-build.txt -
	@printf 'pip-audit\ncyclonedx-bom\n' | $(COMPILE) --no-annotate --output-file requirements-audit.txt -
	@echo "mkdocs-material" | $(COMPILE) --no-annotate --output-file requirements-docs.txt -
	@echo "emnify-sdk" | $(COMPILE) --no-annotate --output-file $(SDK) -

licences: dev  ## write docs/licences.md: the licence of every package that is installed with simtandem
	@$(BIN)/python -m dependencies.licences

sbom: $(VENV)/audit/.installed  ## write build/sbom.cdx.json: the same packages as a CycloneDX list
	@mkdir -p build
	@$(AUDIT)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file build/sbom.cdx.json requirements.txt
	@echo build/sbom.cdx.json

advisories: $(VENV)/audit/.installed  ## look for known vulnerabilities of the pinned packages, for a minute at most
	@$(AUDIT)/python -m dependencies.advisories

clean:  ## remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
