# `make demo` and `make test` set up everything they need on a fresh machine: the virtual environment, the packages,
# the model. What is already there is kept. Variables: PYTHON (3.11 or later), VENV, MODEL, QUESTION.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
MODEL ?= qwen2.5-coder-1.5b
TEST_MODEL := qwen2.5-coder-0.5b
QUESTION ?= Which region has the most customers with status lost, and how many are they?

.PHONY: help demo test lint clean

help:
	@echo "make demo   ask the embedded model a question about a folder of data; the episode lands in demo/"
	@echo "make test   lint, types and every test, as the continuous integration does"
	@echo "make lint   lint and types only"
	@echo "make clean  remove the virtual environment, the demo's episodes and the tools' caches"

demo: $(BIN)/.demo
	$(BIN)/codeact models pull $(MODEL)
	mkdir -p demo
	$(BIN)/codeact run "$(QUESTION)" --model llamacpp:$(MODEL) --cwd notebooks/data \
		--out demo/episode-$$(date +%Y%m%d-%H%M%S).ipynb

test: $(BIN)/.test
	$(BIN)/codeact models pull $(TEST_MODEL)
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest

lint: $(BIN)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# A stamp is newer than pyproject.toml when the packages that it names are installed.
$(BIN)/.demo: pyproject.toml $(BIN)/.venv
	$(BIN)/python -m pip install --quiet --editable '.[local,demo]'
	touch $@

$(BIN)/.test: pyproject.toml $(BIN)/.venv
	$(BIN)/python -m pip install --quiet --editable '.[test,demo]'
	touch $@

$(BIN)/.venv:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; \
			"$$python" -m venv $(VENV) || { \
				echo "Making a virtual environment failed; on Debian: sudo apt-get install python3-venv" >&2; exit 1; }; \
			touch $@; exit 0; \
		fi; \
	done; \
	echo "No Python 3.11 or later was found; install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
