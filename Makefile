# The two commands: `make parity` and `make test`. Both set up what is missing first.
# FRAMEWORKS=torch (or a list with commas) sets up and tests those alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
FRAMEWORKS ?= $(shell "$(PYTHON)" -c "from restoration.process import frameworks as f; print(*f.FRAMEWORKS, sep=',')")
EXTRAS ?= $(FRAMEWORKS),dev
VENV := .venv
BIN := $(VENV)/bin
comma := ,
READY := $(VENV)/.ready-$(subst $(comma),-,$(EXTRAS))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: parity test goldens seeds lint workflows format bench wheel clean

parity: $(READY)
	$(BIN)/parity run mimo_unet mimo_unet_plus --frameworks $(FRAMEWORKS)

test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --frameworks $(FRAMEWORKS)

# Nightly, hours: the golden models that `make test` leaves out, or compares the outputs of, as their
# metadata says (docs/golden-files.md); environments that are made from nothing; all models on many
# seeds.
goldens: $(READY)
	$(BIN)/parity run --golden $$($(BIN)/python -m tests.parity.goldens nightly outputs)
	$(BIN)/python -m pytest -m goldens
	$(MAKE) seeds

seeds: $(READY)
	$(BIN)/parity run --seeds 1-20,26

lint: $(READY) workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Files that run elsewhere: their schemas, and what is unsafe in them.
workflows: $(READY)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/zizmor --offline --quiet --strict-collection --persona pedantic .github action.yml .pre-commit-config.yaml
	$(BIN)/pre-commit validate-config

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Measures every model: two hours. Tables of an earlier measurement: benchmarks/models.py --help.
bench: $(READY)
	$(BIN)/python benchmarks/models.py --json benchmarks/figures.json --markdown docs/speed.md

wheel: $(READY)
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) runs dist

# Made once: three frameworks, about 1.3 GB to download, one to five minutes.
$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Python 3.11 is needed, $(PYTHON) is another: make PYTHON=/path/to/python3.11"; exit 3; }
	@echo "setting up $(VENV): $(EXTRAS) (once, one to five minutes)"
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@
