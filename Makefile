# Every command a developer needs. `make demo` and `make test` work on a machine with only Python 3.11+, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
JSON ?=
ONLY ?=

.PHONY: demo up test unlinted-test lint format bench torture install requirements clean

demo: $(INSTALLED)  ## run the whole mesh, play the spec's flows and the security matrix, and end
	@$(BIN)/authz-dev demo $(if $(JSON),--json $(JSON))

up: $(INSTALLED)  ## run the whole mesh until Ctrl-C, with lines to try
	@$(BIN)/authz-dev up

test: lint unlinted-test  ## lint, types, layers, then every test

unlinted-test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## figures as ratios against the same Envoy without authorisation; JSON=FILE writes them
	@$(BIN)/python -m bench $(if $(JSON),--json $(JSON))

torture: $(INSTALLED)  ## every attack and fault of docs/security.md at full size, 40 minutes at most; JSON=FILE writes it, ONLY=A3,F1 picks
	@$(BIN)/python -m tests.torture $(if $(JSON),--json $(JSON)) $(if $(ONLY),--only $(ONLY))

install: $(INSTALLED)

$(INSTALLED): requirements/dev.txt pyproject.toml
	@echo "installing into $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit("authz-service needs Python 3.11 or newer; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

requirements: $(INSTALLED)  ## pin anew after a change of pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --strip-extras --allow-unsafe \
	  --output-file requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --strip-extras --allow-unsafe \
	  --extra devkit --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
