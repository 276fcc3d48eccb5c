# The two commands: `make parity` and `make test`. Both set up what is missing first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: parity test goldens seeds lint format bench clean

parity: $(VENV)/.ready
	$(BIN)/parity run mimo_unet mimo_unet_plus

test: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Nightly: the golden models that `make test` leaves out, or compares the outputs of, as their
# metadata says (docs/golden-files.md), then all models on many seeds.
goldens: $(VENV)/.ready
	$(BIN)/parity run --golden $$($(BIN)/python -m tests.parity.goldens nightly outputs)
	$(MAKE) seeds

seeds: $(VENV)/.ready
	$(BIN)/parity run --seeds 1-20,26

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/models.py

clean:
	rm -rf $(VENV) runs

# Made once: three frameworks, about 1.3 GB to download, one to five minutes.
$(VENV)/.ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 is needed, $(PYTHON) is another: make PYTHON=/path/to/python3.11"; exit 3; }
	@echo "setting up $(VENV): PyTorch, Jittor and MindSpore (once, one to five minutes)"
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[torch,jittor,mindspore,dev]'
	@touch $@
