# Every command a developer needs. `make demo` and `make test` work on a machine with only Python 3.11 to 3.13, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REAL := .real
OPA_VERSION := $(shell cat tests/real/opa/VERSION)
SPIRE_VERSION := $(shell cat tests/real/spiffe/VERSION)
CHARTS := $(REAL)/charts
SPIRE := $(REAL)/spire/$(SPIRE_VERSION)
OPA := $(REAL)/opa/$(OPA_VERSION)/opa
INSTALLED := $(VENV)/.installed
JSON ?=
DB ?= sqlite
ON_DB := $(if $(filter postgres,$(DB)),$(BIN)/python -m authz_devkit.demo.postgres)
ONLY ?=
SECONDS_ ?= 600
SEED ?=
TESTS ?= tests
# What `make coverage` runs: the unit layer, the attacks on tokens and certificates, which have their "no", and commands and policies that
# need a process or a network; and sidecars, whose processes are measured, too, for what only they reach.
COVERED := tests/unit tests/attacks/test_jwt_attacks.py tests/attacks/test_peer_attacks.py \
  tests/processes/cli tests/processes/policy tests/processes/control_plane \
  tests/integration/test_check_online.py tests/integration/test_opa_server.py tests/integration/test_candidate_policy.py \
  tests/integration/test_denylist.py tests/integration/test_opa_decision_log.py
# Minutes of sidecars more, without which CI holds the floors of SAMPLE.
COVERED_TOO ?= tests/integration/test_policy_bundles.py tests/integration/test_token_exchange.py tests/integration/test_cli.py
IDP ?= development
MODULE := src/authz_service/envoy/libdecision_cache.so
ON_NEWEST ?= tests/unit tests/rego tests/processes
# The newest interpreter that runs; pyenv's need not be the one that is switched on.
NEWEST ?= $(shell for minor in 13 12; do \
  for found in python3.$$minor $$HOME/.pyenv/versions/3.$$minor.*/bin/python; do \
    "$$found" -c 'import ssl, sqlite3' 2>/dev/null && echo "$$found" && exit; done; done)

# Where it is set, each process of pytest rewrites each test anew: five seconds for each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := demo
.PHONY: help covered module fuzz-module demo up dist site sbom test unlinted-test test-newest on-newest test-rego test-explain bench-rego lint audit format bench torture mutate install requirements filter clean opa test-opa spire test-spiffe postgres test-postgres test-redis test-networks test-helm test-real keycloak test-keycloak

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1	\2/p' Makefile | sort | while IFS="$$(printf '\t')" read -r name text; do \
	  printf '%-14s ' "$$name"; echo "$$text" | fold -s -w 64 | sed '2,$$s/^/               /'; done

demo: $(INSTALLED)  ## run the whole mesh, play the spec's flows and the security matrix, and end (IDP=keycloak, DB=postgres: on the real ones)
	@$(ON_DB) $(BIN)/authz-dev demo --idp $(IDP) $(if $(JSON),--json $(JSON))

up: $(INSTALLED)  ## run the whole mesh until Ctrl-C, with lines to try
	@$(ON_DB) $(BIN)/authz-dev up --idp $(IDP)

keycloak: $(INSTALLED)  ## bring Keycloak by Maven, once, and serve the example's realms with it until Ctrl-C
	@$(BIN)/authz-dev keycloak --realms examples/three_zones/realms

test-keycloak: $(INSTALLED)  ## every test that needs an identity provider, with Keycloak as the provider
	@$(BIN)/authz-dev keycloak --install-only
	$(BIN)/python -m pytest tests/integration tests/attacks tests/keycloak --idp keycloak

test: lint unlinted-test  ## lint, types, layers, then every test

unlinted-test: $(INSTALLED) $(MODULE)  # most of them wait: for tokens that end, for processes that come back
	$(BIN)/python -m pytest -n 2 $(TESTS)

covered:  # what CI need not run once more
	@echo $(COVERED)

coverage: $(INSTALLED)  ## the unit layer and some more, and whether each folder's branches are reached as promised (tests/coverage/floors.py)
	$(BIN)/python -m pytest -n 2 -m "not ended_by_signal" $(COVERED) $(COVERED_TOO) --cov --cov-report=json:.coverage.json
	@$(BIN)/python -m tests.coverage .coverage.json $(if $(COVERED_TOO),,--sample)

test-newest:  ## the unit tests and the demo on the newest Python that is here (NEWEST=python3.x names another)
	@newest="$(NEWEST)"; if test -z "$$newest"; then echo "not tried: there is no Python newer than 3.11 here"; else \
	  $(MAKE) on-newest NEWEST="$$newest"; fi

on-newest:  # not by `ifeq`, for which each call of make would look for it, for a second
	$(MAKE) install VENV=.venv-newest PYTHON=$(NEWEST)
	.venv-newest/bin/python -m pytest $(ON_NEWEST) -n 2
	$(MAKE) demo VENV=.venv-newest

lint: $(INSTALLED)  ## style, static security check, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: .venv-audit/.installed  ## known vulnerabilities of what is pinned, by PyPI's own list (needs pypi.org; not part of lint)
	@status=0; .venv-audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
	  -r requirements/runtime.txt -r requirements/devkit.txt -r requirements/dev.txt 2> .venv-audit/said || status=1; \
	tail -n 1 .venv-audit/said >&2; test $$status = 0 || grep -q '^Found ' .venv-audit/said || echo "the audit is not done:\
	 PyPI's list, https://pypi.org/pypi/NAME/VERSION/json, was not reached (a mirror of PyPI may have none)" >&2; exit $$status

sbom: .venv-audit/.installed  ## what the product is made of, as CycloneDX into dist/ (the pinned packages, with their hashes)
	@mkdir -p dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .venv-audit/bin/python -W ignore -m cyclonedx_py requirements --output-reproducible \
	  --pyproject pyproject.toml --output-file dist/authz-service.cdx.json requirements/runtime.txt
	@echo "dist/authz-service.cdx.json"

.venv-audit/.installed: requirements/audit.txt
	@test -x .venv-audit/bin/python || $(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/audit.txt
	@touch $@

format: $(INSTALLED)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## figures as ratios against the same Envoy without authorisation; JSON=FILE writes them
	@$(BIN)/python -m bench $(if $(JSON),--json $(JSON))

bench-rego: $(INSTALLED)  ## what a policy costs, beside the real OPA where `make opa` built it
	@$(BIN)/python -m bench.rego $(if $(JSON),--json $(JSON))

torture: $(INSTALLED)  ## every attack and fault of docs/security.md at full size, 42 minutes at most; JSON=FILE writes it, ONLY=A3,F1 picks
	@$(BIN)/python -m tests.torture $(if $(JSON),--json $(JSON)) $(if $(ONLY),--only $(ONLY))

mutate: $(INSTALLED)  ## break the product in one place at a time: the tests must see each; JSON=FILE writes it, ONLY=word picks
	@$(BIN)/python -m tests.mutate $(if $(JSON),--json $(JSON)) $(if $(ONLY),--only $(ONLY))

# The parts that users run in place of ours: fetched into $(REAL), tested over real connections. `make test` needs none.
opa: $(OPA)  ## the real OPA, built by Go from its module (the first time takes minutes)

$(OPA):
	@command -v go >/dev/null || { echo "the real OPA is built from its Go module: install Go" >&2; exit 1; }
	@echo "building OPA $(OPA_VERSION) into $(REAL) …"
	@CGO_ENABLED=0 GOBIN=$(abspath $(dir $@)) go install github.com/open-policy-agent/opa@$(OPA_VERSION)

test-opa: $(INSTALLED) $(OPA)  ## our Rego against the real OPA: its own cases, our cases, a sample of test-rego, its server and bundles
	$(BIN)/python -m pytest tests/real/opa

test-rego: $(INSTALLED) $(OPA)  ## our Rego and the real OPA, asked the same by the hundred thousand (SECONDS_=600, SEED=…); prints what differs
	$(BIN)/python -m tests.differential --seconds $(SECONDS_) $(if $(SEED),--seed $(SEED))

test-explain: $(INSTALLED)  ## authz explain and the running mesh, asked the same 10,000 random requests (SEED=…); prints what differs
	$(BIN)/python -m tests.support.explain_agrees 10000 $(SEED)

spire: $(SPIRE)/spire-server  ## the real SPIRE, built by Go and a C compiler from its module (the first time takes minutes)

# As the tools of a module made for it: `go install …@version` needs more of the module's proxy than some mirrors have.
$(SPIRE)/spire-server:
	@command -v go >/dev/null || { echo "the real SPIRE is built from its Go module: install Go and a C compiler" >&2; exit 1; }
	@echo "building SPIRE $(SPIRE_VERSION) into $(SPIRE) …"
	@mkdir -p $(SPIRE)/build
	@cd $(SPIRE)/build && rm -f go.mod go.sum && go mod init spire && \
	  go get -tool $(foreach part,agent server,github.com/spiffe/spire/cmd/spire-$(part)@$(SPIRE_VERSION)) && \
	  CGO_ENABLED=1 GOBIN=$(abspath $(SPIRE)) go install -ldflags "-s -w" tool

test-spiffe: $(INSTALLED) $(SPIRE)/spire-server  ## certificates from the socket of a real SPIRE agent, which is killed meanwhile
	$(BIN)/python -m pytest tests/real/spiffe

# As the tools of a module made for it, as SPIRE is; promtool's module can be built in no other way.
$(CHARTS)/promtool:
	@command -v go >/dev/null || { echo "Helm, kubeconform and promtool are built from their Go modules: install Go" >&2; exit 1; }
	@echo "building Helm, kubeconform and promtool into $(CHARTS) …"
	@mkdir -p $(CHARTS)/build && cd $(CHARTS)/build && grep /cmd/ $(CURDIR)/tests/real/charts/VERSIONS | while read -r module version; do \
	  rm -f go.mod go.sum && go mod init tools && go get -tool "$$module@$$version" && \
	  CGO_ENABLED=0 GOBIN=$(abspath $(CHARTS)) go install -ldflags "-s -w" tool || exit 1; done

$(CHARTS)/schemas: tests/real/charts/prepare.py tests/real/charts/VERSIONS | $(INSTALLED)
	@$(BIN)/python -m tests.real.charts.prepare $(CHARTS) && touch $@

test-helm: $(INSTALLED) $(CHARTS)/promtool $(CHARTS)/schemas  ## charts and alarms by Helm, kubeconform and promtool, which Go builds (minutes, once)
	$(BIN)/python -m pytest tests/real/charts

postgres: $(INSTALLED)  ## a fresh PostgreSQL until Ctrl-C; prints its DATABASE_URL
	@$(BIN)/python -m authz_devkit.demo.postgres

test-postgres: $(INSTALLED)  ## the demo services' tests on PostgreSQL, and its death in the middle of the work
	$(BIN)/python -m pytest tests/real/postgres

test-redis: $(INSTALLED)  ## replicas that share their tokens in a real Redis, which is killed and stopped meanwhile
	$(BIN)/python -m pytest tests/real/redis

test-networks: $(INSTALLED)  ## the mesh across the specification's six networks, as network namespaces (needs root and iproute2)
	$(BIN)/python -m pytest tests/real/networks

test-real: test-helm test-networks test-redis test-spiffe test-opa test-postgres test-keycloak  ## everything that runs against the real parts

dist: $(INSTALLED)  ## both wheels into dist/: the same commit makes the same bytes
	@rm -rf dist build && mkdir -p build/sources dist
	@umask 022 && git archive HEAD | tar -x -C build/sources && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	  $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --wheel-dir dist \
	  ./build/sources ./build/sources/devkit
	@rm -rf build && cd dist && sha256sum *.whl | tee SHA256SUMS

site: .venv-site/.installed  ## the documentation as a site, into dist/site/VERSION; a link that leads nowhere is an error (needs pypi.org)
	@NO_MKDOCS_2_WARNING=1 .venv-site/bin/mkdocs build --strict --config-file site/mkdocs.yml \
	  --site-dir $(CURDIR)/dist/site/$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -1)

.venv-site/.installed: requirements/site.txt
	@test -x .venv-site/bin/python || $(PYTHON) -m venv .venv-site
	@.venv-site/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/site.txt
	@touch $@

install: $(INSTALLED) $(MODULE)

$(INSTALLED): requirements/dev.txt pyproject.toml devkit/pyproject.toml
	@echo "installing into $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "authz-service runs on Python 3.11, 3.12 and 3.13; set PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable ./devkit
	@touch $@

module: $(MODULE)  ## compile the decision cache, which Envoy loads, of its source, src/envoy_module

$(MODULE): $(wildcard src/envoy_module/*.[ch]) src/envoy_module/build.py | $(INSTALLED)
	@$(BIN)/python src/envoy_module/build.py $@

fuzz-module: $(INSTALLED)  ## bytes of any kind for what the decision cache reads (SECONDS_=600, SEED=…): by libFuzzer where clang is
	@$(BIN)/python -m tests.module.fuzz $(SECONDS_) $(SEED)

requirements: $(INSTALLED)  ## pin anew after a change of pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --strip-extras --allow-unsafe \
	  --output-file requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --strip-extras --allow-unsafe \
	  --extra redis --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt pyproject.toml devkit/packages.in
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --strip-extras --allow-unsafe \
	  --constraint requirements/dev.txt --output-file requirements/devkit.txt pyproject.toml devkit/packages.in
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --strip-extras --allow-unsafe \
	  --output-file requirements/audit.txt requirements/audit.in
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --strip-extras --allow-unsafe \
	  --output-file requirements/site.txt requirements/site.in

filter: $(INSTALLED)  ## make the filter that Envoy runs, of its source, stream_watch.wat
	@cd src/authz_service/envoy && $(CURDIR)/$(BIN)/python -c 'import pathlib, wasmtime; \
	  pathlib.Path("stream_watch.wasm").write_bytes(wasmtime.wat2wasm(pathlib.Path("stream_watch.wat").read_text()))'

clean:
	rm -rf $(VENV) .venv-newest .venv-audit .venv-site $(REAL) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
