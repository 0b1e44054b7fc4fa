# Two commands set everything up: `make demo` and `make test`. Each makes .venv itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: install demo test lint bench wheel clean
.DEFAULT_GOAL := install

install: $(VENV)/.installed ## Make .venv with the command connected-apps-mcp

demo: install ## Show the main job on the embedded sandbox
	@$(BIN)/connected-apps-mcp demo

test: $(VENV)/.installed-dev ## Run the tests and measure their coverage
	$(BIN)/pytest --numprocesses=auto --dist=worksteal --cov --cov-report=term

lint: $(VENV)/.installed-dev ## Check style, types and layering
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-bench ## Measure what the server costs a model; OPENAPI=FILE adds a generated peer
	@$(BIN)/python benchmarks/tokens.py $(if $(OPENAPI),--openapi "$(OPENAPI)")

wheel: $(VENV)/.installed ## Build the wheel into dist/
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[bench]'
	@touch $@ $(VENV)/.installed
