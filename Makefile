# Each target does its own set-up. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
# A separate project with its own environment: its dependencies must not get into the pipeline's.
DASHBOARD := dashboard
DASHBOARD_VENV := $(DASHBOARD)/.venv
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
# Never download an interpreter: Python 3.11 or later must be installed.
export UV_PYTHON_DOWNLOADS := never
# The interpreter of every environment; CI sets another one.
export UV_PYTHON ?= >=3.11
EXTRAS := --extra iceberg --extra mcp --extra serve --extra signed --extra xlsx
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock"

# The share of the cases of `make test-hard`.
SCALE := 1

# The interpreters of `make test-python`.
PYTHON := 3.12 3.13 3.14
LINTERS := .environments/linters/bin
SQL := pipelines/*/sql/*.sql

READERS := $(patsubst requirements/readers/%.in,%,$(wildcard requirements/readers/*.in))

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.runtime ## Run the whole job against the local sandbox, into data/demo, and show a first query
	@$(BIN)/milestones demo

.PHONY: test
test: $(VENV)/.dev $(DASHBOARD_VENV)/.dev ## Run every test: first the pipeline's, then the dashboard's in its own environment
	@failed=0; \
	$(BIN)/pytest -n auto || failed=1; \
	(cd $(DASHBOARD) && .venv/bin/pytest -n auto) || failed=1; \
	exit $$failed

.PHONY: test-hard
test-hard: $(VENV)/.dev ## Run the campaigns of docs/reliability.md and write their results there; resumes (SCALE=0.05: a twentieth of the cases)
	$(BIN)/python -m tests.hard --scale $(SCALE)

.PHONY: test-fast
test-fast: $(VENV)/.dev ## Run the pipeline's tests that are not marked slow: under a minute on two cores
	$(BIN)/pytest -n auto -m "not slow"

.PHONY: test-lowest
test-lowest: .environments/lowest/tests/.ready ## Run the fast tests with the lowest versions that pyproject.toml admits
	@$(UV) pip install --quiet --python .environments/lowest/tests/bin/python --no-deps --no-build-isolation --editable .
	.environments/lowest/tests/bin/pytest -n auto -m "not slow"

.PHONY: test-python
test-python: .uv-ready ## Run the fast tests with other interpreters, where they are installed (PYTHON=3.13, or a path)
	@for python in $(PYTHON); do \
	  found=$$($(UV) python find $$python 2>/dev/null) || { echo "no Python $$python here: skipped"; continue; }; \
	  environment=.environments/python/$$($$found -c 'import platform; print(platform.python_version())') || exit; \
	  echo "installing the locked environment into $$environment"; \
	  $(UV) venv --quiet --clear --python $$found $$environment && \
	  $(UV) pip install --quiet --compile-bytecode --python $$environment/bin/python --require-hashes -r requirements/dev.txt && \
	  $(UV) pip install --quiet --python $$environment/bin/python --no-deps --no-build-isolation --editable . && \
	  $$environment/bin/pytest -n auto -m "not slow" || exit; done

.PHONY: spark
spark: .environments/spark/.ready ## Install the extra spark into .environments/spark, for milestones rebuild --engine spark (needs Java 17)
	@$(UV) pip install --quiet --python .environments/spark/bin/python --no-deps --no-build-isolation --editable .

.PHONY: test-spark
test-spark: spark ## Run the tests of rebuilds on Spark, on this machine (needs Java 17)
	.environments/spark/bin/pytest tests/spark

# Debian starts both as services when it installs them; the test starts its own on free ports and stops them.
.PHONY: test-cluster
test-cluster: .environments/cluster/.ready $(VENV)/.dev ## Run a full sweep on a cluster of this machine: PostgreSQL, Redis, an S3 server, workers; at most 5 minutes
	@command -v redis-server >/dev/null && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
	  echo "installing Debian's postgresql and redis-server"; \
	  $(if $(filter 0,$(shell id -u)),,sudo) apt-get install --quiet --yes --no-install-recommends postgresql redis-server; }
	PYTHONPATH=$(CURDIR) timeout --signal=INT 300 .environments/cluster/bin/pytest tests/cluster
	$(BIN)/pytest tests/iceberg/test_postgres.py

.PHONY: coverage
coverage: $(VENV)/.dev ## Measure what the fast tests cover; fails below the floor in pyproject.toml
	$(BIN)/pytest -n auto -m "not slow" --cov --cov-report term:skip-covered

# DuckDB 1.2 has wheels for Python 3.11 to 3.13 only.
.PHONY: readers
readers: $(VENV)/.runtime $(READERS:%=.environments/readers/%/.ready) ## Run the recipes for other tools, each in its own environment (WRITE=1 writes their output)
	$(BIN)/python -m tools.recipes .environments/readers $(if $(WRITE),--write)

.PHONY: check
check: $(VENV)/.dev $(DASHBOARD_VENV)/.dev .environments/linters/.ready .environments/audit/.ready ## Check lint, format, types, imports, dependencies and their known vulnerabilities, SQL, workflows and container files, and load the Dagster definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd $(DASHBOARD) && .venv/bin/mypy
	PYTHONPATH=$(DASHBOARD) $(BIN)/lint-imports
	$(BIN)/deptry pipelines schemas sandbox tools
	cd $(DASHBOARD) && ../$(BIN)/deptry .
	$(LINTERS)/sqlfluff lint --disable-progress-bar $(SQL)
	$(LINTERS)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(LINTERS)/zizmor --offline --quiet .github
	$(LINTERS)/hadolint deploy/container/Containerfile deploy/kubernetes/Containerfile
	$(LINTERS)/check-jsonschema --builtin-schema vendor.compose-spec deploy/container/compose.yaml
	$(LINTERS)/check-jsonschema --schemafile deploy/kubernetes/values.schema.json deploy/kubernetes/values.yaml
	$(BIN)/dg check defs
	$(BIN)/python -m tools.audit .environments/audit/bin/pip-audit

.PHONY: mutation
mutation: .environments/mutation/.ready ## Run the mutants of the safety core that were not run yet, and write their score (PACKAGES=records, SAMPLE=200 of each, AGAIN=1 the survivors too, JOBS=1)
	.environments/mutation/bin/python -m tools.run_mutation $(JOBS:%=--jobs %) $(SAMPLE:%=--sample %) $(if $(AGAIN),--again) $(PACKAGES)

.PHONY: ui
ui: $(VENV)/.runtime ## Start Dagster's web server and daemon on loopback
	$(BIN)/milestones ui

.PHONY: dashboard
dashboard: $(VENV)/.runtime $(DASHBOARD_VENV)/.runtime ## Start the dashboard of the published data on loopback
	@$(BIN)/milestones dashboard

.PHONY: docs
docs: $(VENV)/.runtime ## Generate the data dictionary, the dbt sources, the cookbook's results, commands, settings and quoted figures
	$(BIN)/python -m tools.generate
	$(BIN)/python -m bench.scale_model

# To look at it: python3 -m http.server --bind 127.0.0.1 --directory build/site
.PHONY: site
site: .environments/site/.ready ## Build the documentation site into build/site; broken links and anchors fail it
	@# The theme advertises its successor in every build.
	NO_MKDOCS_2_WARNING=1 .environments/site/bin/mkdocs build --strict

.PHONY: screenshots
screenshots: $(VENV)/.runtime $(DASHBOARD_VENV)/.dev ## Take the dashboard's pictures in docs/images again, from a new demo (needs Chromium)
	@$(BIN)/milestones demo
	@cd $(DASHBOARD) && .venv/bin/python -m tests.screenshots ../data/demo ../docs/images

.PHONY: bench
bench: $(VENV)/.runtime $(DASHBOARD_VENV)/.dev .environments/bench/dlt/.ready .environments/bench/plot/.ready ## Measure whole runs next to a bare script and dlt, into bench/RESULTS.md
	$(BIN)/python -m bench.whole_runs

# `uv build` makes the wheel from the source distribution, so that this proves both.
.PHONY: wheel
wheel: $(VENV)/.runtime .environments/wheel/.ready ## Build the wheel, check its contents, install it elsewhere, run it in an empty folder
	@rm -rf dist
	@$(UV) build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist
	.environments/wheel/bin/check-wheel-contents dist/*.whl
	@echo "installing the wheel with its extras into .environments/installed"
	@$(UV) venv --quiet --clear --python $(BIN)/python .environments/installed
	@$(UV) pip install --quiet --compile-bytecode --python .environments/installed/bin/python --require-hashes \
	  -r requirements/extras.txt -r $(DASHBOARD)/requirements/runtime.txt
	@$(UV) pip install --quiet --compile-bytecode --python .environments/installed/bin/python --no-deps dist/*.whl
	.environments/installed/bin/python tools/try_wheel.py

.PHONY: lock
lock: .uv-ready ## Resolve the dependencies again into requirements/, with hashes
	$(LOCK) pyproject.toml --group build -o requirements/runtime.txt
	$(LOCK) pyproject.toml $(EXTRAS) -c requirements/runtime.txt -o requirements/extras.txt
	$(LOCK) pyproject.toml $(EXTRAS) --group dev -c requirements/extras.txt -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra spark --group build --group tests -c requirements/dev.txt -o requirements/spark.txt
	$(LOCK) pyproject.toml --extra cluster --group build --group tests -c requirements/dev.txt -o requirements/cluster.txt
	$(LOCK) $(DASHBOARD)/pyproject.toml -c requirements/dev.txt -o $(DASHBOARD)/requirements/runtime.txt
	$(LOCK) $(DASHBOARD)/pyproject.toml --group $(DASHBOARD)/pyproject.toml:dev -c requirements/dev.txt \
	  -c $(DASHBOARD)/requirements/runtime.txt -o $(DASHBOARD)/requirements/dev.txt
	$(LOCK) pyproject.toml --resolution lowest-direct -o requirements/lowest/runtime.txt
	$(LOCK) pyproject.toml --group build --group tests -c requirements/lowest/runtime.txt -o requirements/lowest/tests.txt
	$(LOCK) pyproject.toml requirements/mutation.in --group tests -c requirements/dev.txt -o requirements/mutation.txt
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	for other in audit kubernetes linters site wheel $(READERS:%=readers/%) bench/dlt bench/plot; do \
	  $(LOCK) requirements/$$other.in -o requirements/$$other.txt || exit; done

.PHONY: clean
clean: ## Remove environments, caches and the demo's data, but no other home
	rm -rf $(VENV) $(DASHBOARD_VENV) .uv .environments .hypothesis .import_linter_cache .coverage* build mutants data/demo {.,$(DASHBOARD)}/.{mypy,pytest,ruff}_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Install uv into a private folder if it is missing: with venv, or with pip alone where Debian lacks venv.
.PHONY: .uv-ready
.uv-ready:
	@command -v $(UV) >/dev/null || { \
	  echo "installing uv into .uv"; \
	  { python3 -m venv .uv 2>/dev/null && .uv/bin/pip install --quiet --require-hashes -r requirements/uv.txt; } \
	  || { rm -rf .uv && python3 -m pip install --quiet --target .uv --require-hashes -r requirements/uv.txt; } \
	  || { echo "make: needs python3 (3.11 or later) with venv or pip, and a package index" >&2; exit 1; }; }

# --clear: an environment of another lock or interpreter is not worth repairing.
$(VENV)/bin/python: | .uv-ready
	@$(UV) venv --quiet --clear $(VENV)

# Bytecode is compiled here once: where Python may not write .pyc files, every start would compile two thousand modules.
$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(VENV)/bin/python
	@echo "installing the locked environment into $(VENV)"
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: extras
extras: $(VENV)/.runtime ## Add the optional commands' packages: Iceberg, mcp, serve's calendar, signed requests, Excel files
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/extras.txt

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

$(DASHBOARD_VENV)/bin/python: | .uv-ready
	@$(UV) venv --quiet --clear $(DASHBOARD_VENV)

$(DASHBOARD_VENV)/.runtime: $(DASHBOARD)/requirements/runtime.txt $(DASHBOARD_VENV)/bin/python
	@echo "installing the dashboard's locked environment into $(DASHBOARD_VENV)"
	@$(UV) pip install --quiet --compile-bytecode --python $(DASHBOARD_VENV)/bin/python --require-hashes -r $<
	@# It imports pipelines.reading, which needs no package but DuckDB and pytz.
	@echo '$(CURDIR)' > "$$($(DASHBOARD_VENV)/bin/python -c 'import site; print(site.getsitepackages()[0])')/milestones.pth"
	@touch $@

$(DASHBOARD_VENV)/.dev: $(DASHBOARD)/requirements/dev.txt $(DASHBOARD_VENV)/.runtime
	@$(UV) pip install --quiet --compile-bytecode --python $(DASHBOARD_VENV)/bin/python --require-hashes -r $<
	@touch $@

.environments/%/.ready: requirements/%.txt | .uv-ready
	@echo "installing $* into .environments/$*"
	@$(UV) venv --quiet --clear .environments/$*
	@$(UV) pip install --quiet --compile-bytecode --python .environments/$*/bin/python --require-hashes -r $<
	@touch $@
