# ClassCord server. `make` lists what there is.
PYTHON ?= python3
VENV := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
BIN := $(VENV)/bin
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help check-python run test test-functional lint fmt bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: check-python ## start the server on port 12345 (ARGS="--port 2000" passes flags); Ctrl-C stops it
	@exec $(PYTHON) server.py $(ARGS)

test: $(VENV)/ready ## run all tests (PYTHON=python3.13 chooses the interpreter, TESTS=tests/unit a part)
	$(BIN)/python -m pytest $(TESTS)

test-functional: $(VENV)/ready ## run the functional tests, against CLASSCORD_TEST_ADDR=host:port if it is set
	$(BIN)/python -m pytest tests/functional

lint: $(VENV)/ready ## check style, types and scripts
	$(BIN)/ruff check .
	$(BIN)/mypy
	git ls-files -z '*.sh' .ci/run | xargs -0 -r $(BIN)/shellcheck

fmt: $(VENV)/ready ## sort imports and mend what ruff can mend by itself
	$(BIN)/ruff check --fix .

bench: $(VENV)/ready ## measure speed beside other servers; needs gcc, takes minutes (redis-server and ngircd where installed)
	$(BIN)/python -m tests.bench

clean: ## remove what make made (not the data)
	rm -rf .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

check-python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "No interpreter is called $(PYTHON): sudo apt install python3 (Debian, Ubuntu), or PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or later is needed, $(PYTHON) is older: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }

# Debian and Ubuntu ship Python without venv; the message says how to get it
$(VENV)/ready: pyproject.toml | check-python
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "The venv module is missing: sudo apt install python3-venv (Debian, Ubuntu)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@
