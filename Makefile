SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help secured setup lock demo test test-unit test-integration test-e2e test-chaos chaos chaos-short prometheus fuzz fuzz-growth check format up down bench eval eval-gate train-stories schemas

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv and install the hash-locked requirements

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Dragoman needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "The virtual environment could not be created (Debian: apt-get install python3-venv)."; exit 1; }
	@echo "Installing the locked requirements into $(VENV) (a minute or two the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

lock: ## Resolve requirements/*.in again. Needs uv
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate requirements/runtime.in -o requirements/runtime.txt
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt

demo: setup ## Run the whole pipeline on five seed articles: start, replay, show, search, stop
	@$(BIN)/dragoman demo

up: setup ## Start everything and keep it running. Ctrl-C stops it
	@$(BIN)/dragoman up

down: setup ## Stop what `up --detach` started
	@$(BIN)/dragoman down

test: test-unit test-integration test-e2e ## Run unit, integration and end-to-end tests, without the kills

test-unit: setup ## Run the tests that need no server, on all cores
	@$(BIN)/python -m pytest -n auto --dist worksteal tests/unit

test-integration: setup ## Run the tests that each check one behaviour of one real system
	@$(BIN)/python -m pytest tests/integration

secured: setup ## Run the line on a Kafka and an Elasticsearch with TLS and logins, right and wrong ones
	@$(BIN)/python -m pytest tests/secured

test-e2e: setup ## Run the tests of the whole pipeline, without the kills
	@$(BIN)/python -m pytest tests/e2e --ignore tests/e2e/test_kill.py

test-chaos: setup ## Kill and restart the services of the pipeline under load. Nothing may be lost
	@$(BIN)/python -m pytest tests/e2e/test_kill.py

chaos: setup ## Break a real stack in many ways and count what was lost. CLASS=a,b ROUNDS=1 MINUTES= SEED=
	@$(BIN)/python -m tests.chaos $(if $(CLASS),--classes $(CLASS)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

chaos-short: setup ## Run a few classes of faults, and test the oracle of `make chaos`. Five minutes, more where one round takes long
	@$(BIN)/python -m tests.chaos --short $(if $(SEED),--seed $(SEED))

prometheus: setup ## Ask a real Prometheus what every panel and rule shows, healthy and in trouble. About four minutes
	@$(BIN)/python -m tests.panels

test-properties: setup ## Run property tests that take longer than a unit test: every order of arrival
	@$(BIN)/python -m pytest tests/properties

fuzz: setup ## Send hostile input to everything that reads bytes of strangers. EXAMPLES=1000 tries more, SEED=2 others
	@FUZZ_EXAMPLES=$(EXAMPLES) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest tests/fuzz --ignore tests/fuzz/test_growth.py

fuzz-growth: setup ## Measure the time of the readers for hostile input of growing size. Not in CI: it judges times
	@$(BIN)/python -m pytest tests/fuzz/test_growth.py

test-wheel: setup ## Test the wheel in a fresh environment: alone, with `embedded`, with `vectors`
	@$(BIN)/python -m pytest tests/wheel

coverage: setup ## Run unit tests with coverage by package. Fails below 88 % in total or 75 % in one package
	@$(BIN)/python -m tests.coverage

mutants: setup ## Apply small harmful changes. The unit tests must detect every one
	@$(BIN)/python -m tests.mutants

check: setup ## Check format, lint, types, import contracts and generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/python -m tools.schemas --check
	@$(BIN)/python -m tools.configuration --check
	@$(BIN)/python -m tools.index_reference --check
	@$(BIN)/python -m tools.kibana --check
	@$(BIN)/python -m tools.figures --check

format: setup ## Format the code and apply automatic fixes
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

artefacts-check: setup ## Rebuild committed files in a copy and check that they are identical
	@$(BIN)/python -m tools.check

schemas: setup ## Regenerate schemas/json, two pages in docs/ and the saved objects of Kibana
	@$(BIN)/python -m tools.schemas
	@$(BIN)/python -m tools.configuration
	@$(BIN)/python -m tools.index_reference
	@$(BIN)/python -m tools.kibana

figures: setup ## Copy the committed results into CHANGELOG.md
	@$(BIN)/python -m tools.figures

ifeq ($(PEER),quix)
bench: setup
	@$(BIN)/python -m benchmarks.speed.peer
else
bench: setup ## Measure articles/s, CPU and memory of each part, and as the work grows (PEER=quix: beside Quix Streams)
	@$(BIN)/python -m benchmarks.speed
	@$(BIN)/python -m benchmarks.speed.sizes
	@$(BIN)/python -m benchmarks.speed.growth
	@$(BIN)/python -m benchmarks.speed.growth --vectors
	@$(BIN)/python -m benchmarks.speed.growth --pages
	@$(BIN)/python -m benchmarks.speed.startup
endif

train-stories: setup ## Train the pair score of stories again, bit for bit. EDITS=file adds decisions of people
	@$(BIN)/python -m tools.story_weights $(if $(EDITS),--edits $(EDITS))

eval: setup ## Run the quality benchmarks on the available labelled sets
	@$(BIN)/python -m benchmarks.quality

eval-gate: setup ## Check quality on shipped data against its limits (one minute). Exit code 1 if a figure fell
	@$(BIN)/python -m benchmarks.quality.gate
