# The verbs of this project. `make` alone lists them. Everything lives in .venv and node_modules.
PYTHON ?= python3.13
VENV := .venv
RUN := $(VENV)/bin/python
SOURCES := function_app.py functions shared cli sandbox bench tests

.PHONY: help setup demo sandbox test test-slow proof storm without check bench bench-agenda bench-letters docs lock

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(VENV)/.ready  ## install everything into .venv and node_modules

$(VENV)/.ready: requirements-dev.txt package.json package-lock.json
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "Installing Python packages into $(VENV) (a minute the first time)"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@echo "Installing Azurite into node_modules"
	@$(RUN) -m sandbox.azurite --install
	@touch $@

demo: setup  ## watch a cohort of joiners get their passes, on this machine alone
	@./firstpass demo

sandbox: setup  ## start the stand-ins and the app, and keep them until Ctrl-C
	@./firstpass sandbox

test: setup  ## prove it: unit, then everything else, the longest first
	$(RUN) -m pytest tests/unit
	$(RUN) -m pytest -n 4 --dist loadfile --no-loadscope-reorder tests/acceptance tests/contract tests/faults tests/sandbox tests/cli tests/life tests/house

test-slow: setup  ## every time zone for five years, whole weeks, later kills, many letters, some pairs of faults (five minutes)
	$(RUN) -m pytest -n 2 --dist loadfile -m slow tests/faults tests/acceptance tests/contract tests/slow

proof: setup  ## the long proofs: every schedule of two faults, any history, bad input at volume (an hour on two cores)
	$(RUN) -m pytest -n auto --dist worksteal -m exhaustive tests/faults

storm: setup  ## real processes killed under load, and a burst of events (five minutes)
	$(RUN) -m pytest -m storm tests/faults

without: setup  ## take each protection away and see that tests notice
	$(RUN) -m tests.faults.without

check: setup  ## ruff, basedpyright, import-linter
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/basedpyright
	$(VENV)/bin/lint-imports

bench: setup  ## joiners per second and CPU per joiner, through the real processes
	$(RUN) -m bench.flow

docs: setup  ## write the pages that are made from the code
	$(RUN) -m tests.house.generated
	$(RUN) -m tests.house.picture

bench-agenda: setup  ## what a sweep of the agenda costs when 100,000 other rows wait (a minute)
	$(RUN) -m bench.agenda

bench-letters: setup  ## what replaying 10,000 dead letters costs beside moving them (ten minutes)
	$(RUN) -m bench.letters

lock: setup  ## pin the newest versions that pyproject.toml allows
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header --upgrade pyproject.toml -o requirements.txt
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
