# Each target does all of its own set-up: it makes .venv (Python 3.11 or newer) and installs what it needs.
# The first that runs and is new enough; a name on the PATH alone may be a shim without a Python behind it.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PARITY := .venv-parity
DIST_VENV := .venv-dist
WORKERS ?= 2
export TF_CPP_MIN_LOG_LEVEL ?= 2

define venv
@test -n "$(PYTHON)" || { echo "keras_ssl needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
$(PYTHON) -m venv $(1)
endef

.PHONY: dist docs notebooks docs-serve new demo test test-slow test-long test-parity test-all api bench mutants check format methods clean

$(VENV)/installed: setup.py
	$(call venv,$(VENV))
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/python scripts/demo.py $(DEMO_FLAGS)

# What a change needs of the suite, unless GATE_ALL=1: see CONTRIBUTING.md. Tests that start other backends themselves,
# and those in which no backend takes part, run once, under TensorFlow.
define on_both_backends
KERAS_BACKEND=tensorflow $(BIN)/python -m pytest --gate=changed -n $(WORKERS) --dist worksteal -m $(1) $(PYTEST_FLAGS)
KERAS_BACKEND=jax $(BIN)/python -m pytest --gate=changed -n $(WORKERS) --dist worksteal -m $(1) $(PYTEST_FLAGS)
endef

# All that is quick, under twenty minutes on two cores: each half begins no test after QUICK_MINUTES. GATE_ALL=1, and
# QUICK_MINUTES=0, set no limit.
QUICK_MINUTES ?= $(if $(filter-out 0,$(GATE_ALL)),0,9)
test: export GATE_MINUTES := $(QUICK_MINUTES)
test: $(VENV)/installed-test
	$(call on_both_backends,"not slow and not long and not parity")

# What takes more than five seconds: whole runs, killed processes, several devices, pages in a browser.
test-slow: $(VENV)/installed-test
	$(call on_both_backends,"slow and not long and not parity")

# Every method learns, and every method on more devices: with GATE_ALL=1 more than an hour.
test-long: $(VENV)/installed-test
	$(call on_both_backends,long)

# The whole suite: some two hours. Whoever runs it commits tests/last_full_run.json, which says when it passed.
test-all: $(VENV)/installed-test $(PARITY)/installed
	PARITY_PYTHON=$(PARITY)/bin/python $(BIN)/python -m tests.selection.full_run --workers=$(WORKERS)

# The public names and their signatures, as tests/api.txt has them: changes of it are changes for users.
api: $(VENV)/installed-test
	$(BIN)/python -m tests.api

# Side by side with other projects, each in an environment of its own: half an hour on two cores that do nothing else.
bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/bench.py $(BENCH_FLAGS)

# How many small changes of the library its own tests notice: see scripts/mutants.py. Twenty minutes for sixty.
mutants: $(VENV)/installed-test
	KERAS_BACKEND=tensorflow $(BIN)/python scripts/mutants.py $(MUTANTS_FLAGS)

# PyTorch stays in an environment of its own, which only writes files: the suite needs none.
$(PARITY)/installed: tests/parity/requirements.txt
	$(call venv,$(PARITY))
	$(PARITY)/bin/python -m pip install --quiet -r tests/parity/requirements.txt
	@touch $@

# Checkpoints that PyTorch writes give the features that it gives: a minute.
test-parity: $(VENV)/installed-test $(PARITY)/installed
	PARITY_PYTHON=$(PARITY)/bin/python KERAS_BACKEND=tensorflow $(BIN)/python -m pytest tests/parity $(PYTEST_FLAGS)

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python scripts/methods.py --check

# The documentation's site in build/site; a warning is an error. `make docs-serve` shows it and follows changes.
$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	@touch $@

docs: $(VENV)/installed-docs
	DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/properdocs build --strict --quiet

# The two guides for newcomers as notebooks with outputs; a test fails where a notebook is older than its guide.
notebooks: $(VENV)/installed
	$(BIN)/python scripts/notebooks.py

docs-serve: $(VENV)/installed-docs
	DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/properdocs serve

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

methods: $(VENV)/installed-test
	$(BIN)/python scripts/methods.py

# The three files of a new method, to be filled: make new METHOD=FooBar FAMILY=masked
new: $(VENV)/installed
	$(BIN)/python scripts/new_method.py --method=$(METHOD) --family=$(FAMILY)

# A wheel and an sdist in dist/, checked as an index would: make dist HOMEPAGE=https://... says where the project lives.
dist:
	$(call venv,$(DIST_VENV))
	$(DIST_VENV)/bin/python -m pip install --quiet build twine
	rm -rf dist
	KERAS_SSL_HOMEPAGE=$(HOMEPAGE) $(DIST_VENV)/bin/python -m build --outdir dist .
	$(DIST_VENV)/bin/twine check --strict dist/*

clean:
	rm -rf $(VENV) $(PARITY) $(DIST_VENV) build dist *.egg-info
