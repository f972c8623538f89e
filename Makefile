# The two commands that do all the set-up, on a machine that has Python 3.11 and a package index.
.DEFAULT_GOAL := help
.PHONY: help try test lint model release clean

# The first Python that is new enough; `make try PYTHON=/path/to/python` takes another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# What uv.lock names, and nothing else: every file is checked against the hash there.
LOCKED := UV_SYSTEM_CERTS=1 $(BIN)/uv sync --quiet --frozen --inexact
# uv takes seconds where pip's resolver takes minutes; where it cannot reach an index that pip can, pip does it.
UV := UV_SYSTEM_CERTS=1 $(BIN)/uv pip install --quiet --python $(BIN)/python
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 14

try: .venv/installed ## a real answer: from a provider whose key is set, else from a small model on this machine
	@$(BIN)/python scripts/first_answer.py

test: .venv/installed-test ## ruff, mypy and every test; some minutes
	@$(BIN)/python scripts/local_model.py install || echo "The tests that need a real model are skipped."
	@$(BIN)/python tests/sdks/install.py || echo "The tests that need an official SDK are skipped."
	@$(BIN)/python tests/chromium.py || echo "The tests that look at pages in a browser are skipped."
	@status=0; $(MAKE) --no-print-directory lint || status=1; \
	$(BIN)/python -m pytest -n auto --maxprocesses 4; code=$$?; \
	if [ $$code = 1 ]; then \
		echo "Once more what failed, alone: a test named here that passes now depends on the machine, and wants mending."; \
		$(BIN)/python -m pytest --last-failed; code=$$?; \
	fi; \
	[ $$code = 0 ] && exit $$status

lint: .venv/installed-test ## ruff and mypy
	@status=0; \
	echo "ruff check";    $(BIN)/ruff check --quiet . || status=1; \
	echo "ruff format";   $(BIN)/ruff format --quiet --check . || status=1; \
	echo "mypy --strict"; $(BIN)/mypy --no-error-summary || status=1; \
	echo "mypy --strict, as on Windows"; \
	$(BIN)/mypy --no-error-summary --platform win32 --cache-dir .mypy_cache/win32 || status=1; \
	exit $$status

model: .venv/installed ## serve the small model on 127.0.0.1:8080: mini-llm chat -m llamacpp/smollm2 "Hello"
	@$(BIN)/python scripts/local_model.py run

release: .venv/installed-test ## wheel, source archive and SBOM in dist/, from what is committed
	@rm -rf dist && mkdir -p dist/source && git archive HEAD | tar -x -C dist/source
	@$(BIN)/python -m build --no-isolation --outdir dist dist/source && rm -rf dist/source
	@$(BIN)/uv export --quiet --frozen --no-emit-project --format cyclonedx1.5 --output-file dist/sbom.cdx.json
	@cd dist && sha256sum *.whl *.tar.gz *.json | tee SHA256SUMS

clean: ## remove .venv and what the tools left
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist

.venv/uv:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed"; \
		echo "hint: make try PYTHON=/path/to/python3.12"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@$(PIP) uv || echo "No uv to be had: pip does it, and takes longer."
	@touch $@

.venv/installed: .venv/uv pyproject.toml
	@echo "Installing mini-llm"
	@$(LOCKED) 2>/dev/null || $(UV) --editable . 2>/dev/null || $(PIP) --editable .
	@touch $@

.venv/installed-test: .venv/installed pyproject.toml
	@echo "Installing what the tests need"
	@$(LOCKED) --extra test 2>/dev/null || $(UV) --editable '.[test]' 2>/dev/null || $(PIP) --editable '.[test]'
	@touch $@
