# ClassCord server. `make` lists what there is.
PYTHON ?= python3
VENV := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
BIN := $(VENV)/bin
TESTS ?= tests
# what the docker-* targets and doctor act on: make docker-run PORT=2000 NAME=second
NAME = classcord# whatever the environment says: WSL sets NAME to the machine's
PORT ?= 12345
IMAGE ?= classcord-server
FILE ?= build/classcord-server.tar.gz
DOCKER := CONTAINER='$(NAME)' PORT='$(PORT)' IMAGE='$(IMAGE)' FILE='$(FILE)' sh deploy/docker.sh

.DEFAULT_GOAL := help
.PHONY: help check-python run test test-functional test-deploy lint fmt bench clean
.PHONY: docker-build docker-run docker-stop docker-logs docker-shell docker-check docker-test
.PHONY: docker-save docker-load docker-clean
.PHONY: install upgrade uninstall migrate-to-systemd migrate-to-docker doctor

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: check-python ## start the server on port 12345 (ARGS="--port 2000" passes flags); Ctrl-C stops it
	@exec $(PYTHON) server.py $(ARGS)

test: $(VENV)/ready ## run all tests (PYTHON=python3.13 chooses the interpreter, TESTS=tests/unit a part)
	$(BIN)/python -m pytest -m 'not lab' $(TESTS)

test-functional: $(VENV)/ready ## run the functional tests, against CLASSCORD_TEST_ADDR=host:port if it is set
	$(BIN)/python -m pytest tests/functional

# without pytest's cache, which root would keep from you
test-deploy: TESTS = tests/deploy
test-deploy: $(VENV)/ready ## as root: run the tests of deploy/ in a lab with real Docker, systemd, ufw (TESTS=... a part)
	$(BIN)/python -m pytest -m lab -p no:cacheprovider --numprocesses 3 --dist loadfile $(TESTS)

docker-build: ## build the image classcord-server
	@$(DOCKER) build

docker-run: ## build if needed, start the container classcord, wait until it is healthy, print the addresses
	@$(DOCKER) run

docker-stop: ## stop the container and remove it; the data stays
	@$(DOCKER) stop

docker-logs: ## show and follow the container's log; Ctrl-C ends that
	@$(DOCKER) logs

docker-shell: ## open a shell in the running container
	@$(DOCKER) shell

docker-check:
	@$(DOCKER) check

docker-test: docker-check $(VENV)/ready ## run the functional tests against a container of its own
	@PYTEST='$(BIN)/python -m pytest' $(DOCKER) test

docker-save: ## write the image to FILE=build/classcord-server.tar.gz, to carry it to another machine
	@$(DOCKER) save

docker-load: ## read the image from FILE
	@$(DOCKER) load

docker-clean: ## remove the container and the image; VOLUME=yes removes the data too
	@VOLUME='$(VOLUME)' $(DOCKER) clean

install: ## as root: install to /opt/classcord, enable and start the systemd service
	@sh deploy/install.sh install

upgrade: ## as root: replace the installed files by these, and restart the service
	@sh deploy/install.sh upgrade

uninstall: ## as root: remove the service, keep the data (PURGE=yes: remove it too)
	@sh deploy/install.sh uninstall $(if $(PURGE),--purge)

migrate-to-systemd: ## as root: stop the container, carry its data to the systemd service, start that
	@CONTAINER='$(NAME)' IMAGE='$(IMAGE)' sh deploy/migrate.sh to-systemd

migrate-to-docker: ## as root: stop the systemd service, carry its data to the container, start that
	@CONTAINER='$(NAME)' PORT='$(PORT)' IMAGE='$(IMAGE)' sh deploy/migrate.sh to-docker

doctor: ## walk the way to the server hop by hop, and say what is broken (ARGS="--from-slam HOST")
	@sh deploy/doctor.sh --port '$(PORT)' --name '$(NAME)' $(ARGS)

# linters that are programs, which their packages don't bring to every processor
lint-with = if [ -x $(BIN)/$(1) ]; then set -x; $(BIN)/$(1) $(2); else echo "left out: no $(1) for this machine"; fi

lint: $(VENV)/ready ## check style, types and scripts
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(call lint-with,shellcheck,$$(git ls-files '*.sh' .ci/run))
	@$(call lint-with,hadolint,Dockerfile)
	@$(call lint-with,docker-compose,--file docker-compose.yml config --quiet)

fmt: $(VENV)/ready ## sort imports and mend what ruff can mend by itself
	$(BIN)/ruff check --fix .

bench: $(VENV)/ready ## measure speed beside other servers; needs gcc, takes minutes
	$(BIN)/python -m tests.bench

clean: ## remove what make made (not the data)
	rm -rf .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

check-python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "No interpreter is called $(PYTHON): sudo apt install python3-venv (Debian, Ubuntu), or PYTHON=..." >&2; exit 1; }
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
