# Every command sets up what it needs. `make help` lists them.
SHELL := /bin/sh
PYTHON ?= $(shell sh deploy/find-python.sh)
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
SECONDS_TO_RUN ?=
JSON ?=
BUS ?=
DEMO = -m cli.main demo $(if $(SECONDS_TO_RUN),--seconds $(SECONDS_TO_RUN)) $(if $(JSON),--json)
export UV_NO_PROGRESS = 1

.PHONY: help setup demo pulsar test faults check format lint types contracts unit coverage bench schemas lock clean
.DEFAULT_GOAL := help

help: ## List the commands
	@awk 'BEGIN{FS=":.*## "} /^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment from the lock file

$(STAMP): requirements.lock pyproject.toml deploy/setup.sh deploy/find-python.sh
	@PYTHON="$(PYTHON)" sh deploy/setup.sh $(VENV)
	@touch $(STAMP)

demo: $(STAMP) ## Watch a simulated desk trade (SECONDS_TO_RUN=20 ends by itself, JSON=1 for a JSON summary, BUS=pulsar on a Pulsar)
ifeq ($(BUS),pulsar)
	@$(PY) -m runtime.pulsar_server -- sh -c 'exec $(PY) $(DEMO) --bus-url "$$EXECMON_BUS_URL"'
else
	@$(PY) $(DEMO)
endif

pulsar: $(STAMP) ## Run a Pulsar broker on loopback until Ctrl-C (needs Java and Maven)
	@$(PY) -m runtime.pulsar_server

test: $(STAMP) ## Run every test
	@$(PY) -m pytest

faults: $(STAMP) ## Run the fault tests with outages of 30 s
	@FAULT_SECONDS=30 $(PY) -m pytest tests/faults

check: $(STAMP) format lint types contracts coverage ## Format, lint, types, import contracts, tests with coverage

format: $(STAMP)
	@$(VENV)/bin/ruff format --check .

lint: $(STAMP)
	@$(VENV)/bin/ruff check .

types: $(STAMP)
	@$(VENV)/bin/pyright

contracts: $(STAMP)
	@$(VENV)/bin/lint-imports

coverage: $(STAMP)
	@sh deploy/coverage.sh $(VENV)

bench: $(STAMP) ## Run every benchmark and print its figures
	@$(PY) -m benchmarks

schemas: $(STAMP) ## Write docs/schemas (JSON schemas, AsyncAPI) from the types
	@$(PY) -m deploy.make_schemas

lock: $(STAMP) ## Resolve the dependencies anew into requirements.lock
	@$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	  --group dev pyproject.toml --output-file requirements.lock

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache .hypothesis .coverage*
