# Two commands: `make test` and `make reproduce [PROFILE=smoke|default|full]`. Each makes .venv where it is missing or
# older than what it is made from. Another interpreter: make PYTHON=/path/to/python3.12

PYTHON ?= python3
PROFILE ?= default
BIN := .venv/bin
STAMP := .venv/made

# Small batched factorizations are fastest on one BLAS thread; the number is read when NumPy is imported.
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: test reproduce venv clean

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --doctest-modules tests ntklora

reproduce: $(STAMP)
	$(BIN)/ntklora reproduce --profile $(PROFILE)

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "ntklora needs Python 3.11 or newer and found none at '$(PYTHON)': make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version): about a minute"
	@$(PYTHON) -m venv .venv || { echo "the venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
