SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-unit test-integration test-e2e check format up down bench eval eval-gate train-stories schemas

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv and install the hash-locked requirements

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Dragoman needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "No virtual environment could be made (Debian: apt-get install python3-venv)."; exit 1; }
	@echo "Installing the locked requirements into $(VENV) (a minute or two the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

lock: ## Resolve requirements/*.in again (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate requirements/runtime.in -o requirements/runtime.txt
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt

demo: setup ## The whole pipeline on five seed articles: start, replay, show, search, stop
	@$(BIN)/dragoman demo

up: setup ## Start everything and stay (Ctrl-C stops it)
	@$(BIN)/dragoman up

down: setup ## Stop what `up --detach` started
	@$(BIN)/dragoman down

test: setup ## Unit, integration and end-to-end tests, on real Kafka and Elasticsearch where they need them
	@$(BIN)/python -m pytest tests/unit tests/integration tests/e2e

test-unit: setup ## Only the tests that need no server, on every core
	@$(BIN)/python -m pytest -n auto --dist worksteal tests/unit

test-integration: setup ## One behaviour of one real system each
	@$(BIN)/python -m pytest tests/integration

test-e2e: setup ## The pipeline as a whole, killed and restarted
	@$(BIN)/python -m pytest tests/e2e

test-properties: setup ## Properties that take longer than a unit test: every order of arrival
	@$(BIN)/python -m pytest tests/properties

test-wheel: setup ## The wheel in a fresh environment: alone, with `embedded`, with `vectors`
	@$(BIN)/python -m pytest tests/wheel

coverage: setup ## The unit tests with their coverage, by package; fails below 88 % in all or 75 % in one
	@$(BIN)/python -m tests.coverage

mutants: setup ## Small changes for the worse: the unit tests must see every one
	@$(BIN)/python -m tests.mutants

check: setup ## Format, lint, types, import contracts, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/python -m tools.schemas --check
	@$(BIN)/python -m tools.configuration --check
	@$(BIN)/python -m tools.figures --check

format: setup ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

artefacts-check: setup ## Make committed files again in a copy, and hold that they are the same
	@$(BIN)/python -m tools.check

schemas: setup ## Write schemas/json and docs/configuration.md again
	@$(BIN)/python -m tools.schemas
	@$(BIN)/python -m tools.configuration

figures: setup ## Write the committed results into CHANGELOG.md
	@$(BIN)/python -m tools.figures

bench: setup ## Articles/s, CPU and memory: each stage, each service, the whole pipeline
	@$(BIN)/python -m benchmarks.speed

train-stories: setup ## Train the pair score of stories again, bit for bit (EDITS=file adds what people decided)
	@$(BIN)/python -m tools.story_weights $(if $(EDITS),--edits $(EDITS))

eval: setup ## Quality on the labelled sets that are there
	@$(BIN)/python -m benchmarks.quality

eval-gate: setup ## A minute of quality on what ships, each figure held to its floor: 1 when one fell
	@$(BIN)/python -m benchmarks.quality.gate
