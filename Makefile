# Every target makes .venv by itself and installs into it with the versions of constraints.txt.
SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/.installed
DOCS_STAMP := .venv/.docs-installed
MAX_MADDS ?= 150k

# Where the optional data sets lie beside the clone.
ifneq ($(wildcard ../shared/data),)
export TRUESHOT_DATA ?= $(abspath ../shared/data)
endif

.PHONY: install search test lint docs clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if [ ! -x $(BIN)/python ]; then \
	    for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 none; do \
	        if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	    done; \
	    if [ $$python = none ]; then \
	        echo "error: trueshot needs Python 3.11 or newer and python3 is older or absent: install one, or name it with make PYTHON=/path/to/python" >&2; \
	        exit 1; \
	    fi; \
	    $$python -m venv .venv || { \
	        rm -rf .venv; \
	        echo "error: $$python cannot make a virtual environment: install its venv module (python3-venv on Debian)" >&2; \
	        exit 1; \
	    }; \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $(STAMP)

search: $(STAMP)
	$(BIN)/trueshot search --data digits --max-madds $(MAX_MADDS) --out runs/digits --resume

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

# The site, in build/site; a link that leads nowhere fails.
docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html (its search needs a server: $(BIN)/mkdocs serve)"

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]' -c constraints.txt
	@touch $(DOCS_STAMP)

clean:
	rm -rf .venv build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
