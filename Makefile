# Two commands set everything up: `make demo` and `make test`. Each makes .venv itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Tests often wait, so that a core has work for two.
WORKERS = $$($(BIN)/python -c 'import os; print(2 * (os.cpu_count() or 1))')

.PHONY: install demo test test-page test-all lint types docs page pictures manifests bench bench-speed wheel bundle packages release-check clean
.DEFAULT_GOAL := install

install: $(VENV)/.installed ## Make .venv with the command connected-apps-mcp
	@echo "The command is $(abspath $(BIN))/connected-apps-mcp; 'make demo' shows it at work."

demo: $(VENV)/.installed ## Show the main job on the embedded sandbox
	@$(BIN)/connected-apps-mcp demo

test: $(VENV)/.installed-dev ## Run the tests that need no browser, and a part of each long random series
	@echo "Running the tests: about six minutes on two cores, less on more."
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal --ignore=tests/page

test-page: $(VENV)/.installed-page ## Run the tests of the page, in Chromium
	@echo "Running the tests of the page: about four minutes on two cores, less on more."
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal tests/page

test-all: $(VENV)/.installed-page ## Measure the coverage of the tests, and run each series whole and the tests of the page
	@echo "Running the tests and measuring their coverage: about ten minutes on two cores, less on more."
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal --ignore=tests/page --cov --cov-report=term
	@echo "Running each series whole, and the tests of the page: about ten minutes on two cores, less on more."
	WHOLE_TESTS=1 $(BIN)/pytest --numprocesses=$(WORKERS) --dist=worksteal -m "series or page"

lint: types types-win32 types-darwin ## Check style, types and layering
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev
	$(BIN)/mypy

types-%: $(VENV)/.installed-dev
	$(BIN)/mypy --platform $* --cache-dir .mypy_cache/$* server tools

docs: $(VENV)/.installed-docs ## Write the generated parts of the documents, and build the site into site/
	@PYTHONPATH=packaging $(BIN)/python docs/generate.py
	@$(BIN)/zensical build --strict --clean

page: $(VENV)/.installed ## Build the page of the server, with npm
	@echo "Building the page: some seconds, and a minute more at first."
	@npm install --prefix page --no-package-lock --no-audit --no-fund --silent
	@$(BIN)/python packaging/build_page.py

pictures: $(VENV)/.installed-page ## Take the pictures of the console in the documents, in Chromium
	@WRITE_PICTURES=1 $(BIN)/pytest --quiet tests/page/test_pictures.py

manifests: $(VENV)/.installed ## Write the files that describe the project to registries and clients
	@$(BIN)/python packaging/manifests.py

bench: $(VENV)/.installed-bench ## Measure what the server costs a model; OPENAPI=FILE adds a generated peer
	@$(BIN)/python benchmarks/tokens.py $(if $(OPENAPI),--openapi "$(OPENAPI)")

bench-speed: $(VENV)/.installed-bench ## Measure how fast the server is beside its peers; ARGS="--quick" takes a minute
	@$(BIN)/python benchmarks/speed.py $(ARGS)

wheel: $(VENV)/.installed ## Build the wheel into dist/
	@echo "Building the wheel: some seconds."
	@$(PIP) wheel --no-deps --wheel-dir dist .

bundle: wheel ## Build the bundle for Claude Desktop into dist/
	@echo "Installing the official tool for bundles from npm: some seconds."
	@npm install --prefix packaging/node --no-package-lock --no-audit --no-fund --silent
	@$(BIN)/python packaging/bundle.py

packages: $(VENV)/.installed-release ## Build the sdist and the wheel into dist/, and check them
	@echo "Building the packages: some seconds."
	@rm -rf dist
	@$(BIN)/python -m build --installer uv >/dev/null
	@$(BIN)/python -m twine check --strict dist/*

release-check: $(VENV)/.installed ## Say what stands in the way of a release
	@$(BIN)/python packaging/release.py

clean: ## Remove .venv, dist and site
	rm -rf $(VENV) dist site

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	@echo "Making $(VENV), a Python environment of its own: some seconds."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing connected-apps-mcp and what it needs into $(VENV): a minute, or more on a slow network."
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing what the checks and tests need into $(VENV): a minute or two, once."
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-page: $(VENV)/.installed-dev
	@echo "Installing what drives Chromium into $(VENV): a minute, once."
	@$(PIP) install --constraint constraints.txt --editable '.[dev,page]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing what the benchmarks need into $(VENV): a minute or two, once."
	@$(PIP) install --constraint constraints.txt --editable '.[bench]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-release: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing what builds and checks packages into $(VENV): a minute, once."
	@$(PIP) install --constraint constraints.txt --editable '.[release]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing what builds the site into $(VENV): a minute, once."
	@$(PIP) install --constraint constraints.txt --editable '.[docs]'
	@touch $@ $(VENV)/.installed
