# `make demo` shows what featuremaps does, `make check` tries the quick tests, `make test` all, `make docs` builds the site.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Most of what the dependencies bring is never imported: what is, is compiled then, and kept.
INSTALL := -m pip install --quiet --no-compile --editable
export PYTHONDONTWRITEBYTECODE :=

QUICK := -m "not slow" tests/test_house.py tests/receptive_field tests/layers tests/rules tests/methods/test_cam.py \
	tests/methods/test_needs.py tests/runtime/test_record.py tests/runtime/test_capture.py tests/session tests/cli/test_app.py

.PHONY: demo check check-lowest test docs bench coverage-table evidence-truth worlds lint clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python $(INSTALL) .
	touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml
	$(BIN)/python $(INSTALL) ".[test]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(BIN)/python pyproject.toml
	$(BIN)/python $(INSTALL) ".[docs]"
	touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/featuremaps demo

# The engine, the rules and formulas, and the command line, without what is marked as slow.
check: $(VENV)/.installed-test lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal $(QUICK)

test: $(VENV)/.installed-test lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal --durations 10

# The same with the lowest versions that are declared, in an environment of its own; their libraries warn of newer ones.
check-lowest: pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct --editable ".[test]"
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest --numprocesses auto -W ignore::DeprecationWarning $(QUICK)

# Mypy's workers have some seconds to start, which a busy machine does not give them; then one process does it all.
lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPY_NUM_WORKERS=2 $(BIN)/mypy || MYPY_NUM_WORKERS=0 $(BIN)/mypy

# The documentation, with its tutorials run and its pictures made: build/docs/index.html. Nothing is fetched.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.surveys
	$(BIN)/python -m benchmarks.shortcuts

# Every answer tried on some 280 architectures; goes on where it stopped, and writes docs/coverage.md.
coverage-table: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.coverage.run

# Which measures put explanations in the true order, where it is known; goes on where it stopped, writes docs/evidence-truth.md.
evidence-truth: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.evidence_truth.run

# What a search for shortcuts finds in worlds whose shortcuts are known; goes on where it stopped, writes docs/shortcut-worlds.md.
worlds: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.worlds

clean:
	rm -rf $(VENV) build dist docs/generated featuremaps-demo
