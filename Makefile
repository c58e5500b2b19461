# chatpush: every chore by one word. `make demo` and `make test` need nothing but Python 3.11 and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help install install-dev servers demo demo-trading test check bench screenshots lock widget clean

help:
	@echo "make demo         start the shop, its console and chatpush (needs no key and no network afterwards)"
	@echo "make demo-trading start a trading desk with live quotes and alerts, on a simulated market"
	@echo "make test         install what tests need and run them all"
	@echo "make check        ruff, mypy --strict, architecture, committed assets"
	@echo "make bench        measure, and write docs/performance.md"
	@echo "make screenshots  take docs/images/ anew from the running demo"
	@echo "make widget       build the browser widget (needs Node)"
	@echo "make lock         pin dependencies anew"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chatpush needs Python 3.11 or newer")'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || deploy/system-packages venv
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ $(RUN_STAMP)

install: $(RUN_STAMP)

install-dev: $(DEV_STAMP)

servers:
	@deploy/system-packages servers

demo: install
	$(BIN)/python -m examples.shop.demo $(DEMO)

demo-trading: install
	$(BIN)/python -m examples.trading.demo $(DEMO)

test: install-dev servers
	$(BIN)/python -m pytest -q -n 2 --dist loadfile $(TESTS)

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy chatpush plugins examples tests bench
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/widget/test_build.py

bench: install-dev
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-build-isolation -e ".[bench]"
	$(BIN)/python -m bench $(BENCH)

screenshots: install-dev servers
	$(BIN)/python -m tests.screenshots
	$(BIN)/python -m tests.trading_screenshots

widget:
	cd chatpush/web/widget && npm ci --no-audit --no-fund && npm run build

LOCK := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-emit-options \
	--no-annotate --no-header --allow-unsafe --extra postgres --extra apns --extra apprise --extra pdf --extra build
lock: install-dev
	$(LOCK) -o requirements.lock pyproject.toml
	$(LOCK) --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .demo .demo-trading .pytest_cache .mypy_cache .ruff_cache .hypothesis
