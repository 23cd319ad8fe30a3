# What people do with this project. `make` alone lists it.
#
# A fresh machine needs python3 (3.11 or newer, with venv), make and a package index; all else goes into .venv.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

# A stamp carries its requirements' checksum, so a changed pin installs and an unchanged one costs nothing.
PRODUCT := $(VENV)/product-$(firstword $(shell cksum requirements.txt)).stamp
DEVELOPMENT := $(VENV)/development-$(firstword $(shell cat requirements.txt requirements-dev.txt | cksum)).stamp

.DEFAULT_GOAL := help
.PHONY: help demo run test bench chaos fuzz lint audit format manage screenshots

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

demo: $(PRODUCT) ## play marketplaces, the back office and its workers with demo data; make demo PORT=8080 moves it
	@exec $(BIN)/python -m backoffice.supervisor demo --port $(PORT)

run: $(PRODUCT) ## the back office and its workers with your .env, without demo data
	@exec $(BIN)/python -m backoffice.supervisor run --port $(PORT)

test: $(DEVELOPMENT) ## the whole test suite, on PostgreSQL; some of it on SQLite, too
	@exec $(BIN)/python -m tests $(ARGS)

bench: $(DEVELOPMENT) ## how fast it is, beside the physical limit; one alone: make bench NAME=claim
	@exec $(BIN)/python -m tests.bench $(NAME) $(ARGS)

chaos: $(DEVELOPMENT) ## kill everything while buyers buy, then compare both sides' books; make chaos ARGS="--seed 7"
	@exec $(BIN)/python -m tests.chaos $(ARGS)

fuzz: $(DEVELOPMENT) ## 10,000 hostile requests at the door; make fuzz ARGS="--requests 500 --seed 7"
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

lint: $(DEVELOPMENT) ## style, format, types, which way imports run, and risky calls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive backoffice marketplaces inventory orders

audit: $(DEVELOPMENT) ## known weaknesses of pinned packages, where the registry of them can be reached
	@exec $(BIN)/python -m tests.audit

format: $(DEVELOPMENT) ## bring the source into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

manage: $(PRODUCT) ## any management command, such as make manage ARGS="verify --json"; the demo's when there is no .env
	@if [ ! -f .env ] && [ -f var/demo.env ]; then set -a; . ./var/demo.env; set +a; fi; \
	exec $(BIN)/python manage.py $(ARGS)

screenshots: $(DEVELOPMENT) ## the pictures in docs/images, taken of the running demo with Chromium
	@exec $(BIN)/python -m tests.browser.screenshots --url http://127.0.0.1:$(PORT)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	{ echo "Python's venv is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(PRODUCT): $(BIN)/python requirements.txt
	@echo "Installing requirements.txt into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@rm -f $(VENV)/product-*.stamp && touch $@

$(DEVELOPMENT): $(BIN)/python requirements.txt requirements-dev.txt
	@echo "Installing requirements-dev.txt into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@rm -f $(VENV)/development-*.stamp && touch $@
