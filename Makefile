# ClassCord server. `make` lists what there is.
PYTHON ?= python3
VENV := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
BIN := $(VENV)/bin
# These are read only from the command line: WSL sets NAME to the machine's name, and other programs set PORT
TESTS = tests
NAME = classcord
PORT = 12345
IMAGE = classcord-server
FILE = build/classcord-server.tar.gz
ARGS =
BACKUP =
VOLUME =
PURGE =
DOCKER := CONTAINER='$(NAME)' PORT='$(PORT)' IMAGE='$(IMAGE)' FILE='$(FILE)' BACKUP='$(BACKUP)' sh deploy/docker.sh

# The targets that use each variable of the command line. Other targets refuse the variable.
venv := test test-functional test-deploy docker-test lint fmt bench attack picture
docker := docker-build docker-run docker-rollback docker-stop docker-logs docker-shell docker-check docker-test \
    docker-save docker-load docker-clean docker-backups docker-backups-off admin
used-PYTHON := run assemble $(venv)
used-PORT := run docker-run docker-rollback migrate-to-docker doctor
used-ARGS := run doctor attack admin
used-CLASSCORD_% := run docker-run docker-rollback
used-CLASSCORD_LANG := doctor
used-CLASSCORD_TEST_ADDR := test test-functional
used-TESTS := test test-deploy
used-PYTEST_ADDOPTS := test test-functional test-deploy docker-test
used-NAME := docker-run docker-rollback docker-stop docker-logs docker-shell docker-test docker-clean admin \
    docker-backups docker-backups-off migrate-to-systemd migrate-to-docker doctor
used-IMAGE := $(docker) migrate-to-systemd migrate-to-docker
used-FILE := docker-save docker-load
used-BACKUP := docker-run docker-rollback
used-VOLUME := docker-clean
used-PURGE := uninstall
used-DOCKER_HOST := $(docker)

goals := $(or $(MAKECMDGOALS),help)
takes := $(foreach used,$(filter used-%,$(.VARIABLES)),$(if $(filter $(goals),$($(used))),$(used:used-%=%)))
given := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
useless := $(filter-out $(takes),$(given))
ifneq ($(useless),)
$(error make $(goals) does not use $(firstword $(useless))=; it takes $(or $(subst %,...,$(addsuffix =,$(sort $(takes)))),no variables))
endif

# make prints "*** [...] Error N" after a command that failed. It looks like one more fault, so a line comes before it,
# in the language of the lines above: only the doctor speaks French
explanation := the reason is above; the next line is not another fault
explained = || { code=$$?; echo "make: $(explanation)" >&2; exit $$code; }

EVERY_CORE := --numprocesses auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help check-python run test test-functional test-deploy assemble lint fmt bench attack picture clean
.PHONY: docker-build docker-run docker-rollback docker-stop docker-logs docker-shell docker-check docker-test
.PHONY: docker-save docker-load docker-clean docker-backups docker-backups-off admin
.PHONY: install upgrade rollback uninstall migrate-to-systemd migrate-to-docker doctor

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: check-python ## start the server (PORT=2000 on another port, ARGS="--lang en" passes flags); Ctrl-C stops it
	@exec $(PYTHON) server.py $(if $(findstring command line,$(origin PORT)),--port '$(PORT)') $(ARGS)

test: $(VENV)/ready ## run all tests (PYTHON=python3.13 chooses the interpreter, TESTS=tests/unit some of them)
	$(BIN)/python -m pytest -m 'not lab' $(EVERY_CORE) $(TESTS)

test-functional: $(VENV)/ready ## run the functional tests, against CLASSCORD_TEST_ADDR=host:port if it is set
	$(BIN)/python -m pytest tests/functional

# without pytest's cache: root would own its files
test-deploy: TESTS = tests/deploy
test-deploy: $(VENV)/ready ## as root: run the tests of deploy/ in a lab with real Docker, systemd, ufw (TESTS=...)
	$(BIN)/python -m pytest -m lab -p no:cacheprovider --numprocesses 4 --dist loadfile --no-loadscope-reorder $(TESTS) \
		$(explained)

docker-build: ## build the image classcord-server
	@$(DOCKER) build $(explained)

docker-run: ## build if needed, start the container classcord, wait until it is healthy, print the addresses
	@$(DOCKER) run $(explained)

docker-rollback: ## start the image before again, which docker-run kept; a second time: go forward again
	@$(DOCKER) rollback $(explained)

docker-stop: ## stop the container and remove it; the data stays
	@$(DOCKER) stop $(explained)

docker-logs: ## show and follow the container's log; Ctrl-C ends that
	@trap ended=yes INT; $(DOCKER) logs || [ -n "$$ended" ] $(explained)

docker-shell: ## open a shell in the running container
	@$(DOCKER) shell $(explained)

# One word for the shell, whatever quotes, # and dollars are in it: the console splits it
line = $(if $(value ARGS),'$(subst ','\'',$(value ARGS))')
admin: ## open the console of the server in the container (ARGS="promote bob": one command)
	@$(DOCKER) admin $(line) $(explained)

docker-check:
	@$(DOCKER) check $(explained)

docker-test: docker-check $(VENV)/ready ## run the functional tests against a new container
	@PYTEST='$(BIN)/python -m pytest' $(DOCKER) test $(explained)

docker-save: ## write the image to FILE=build/classcord-server.tar.gz, to carry it to another machine
	@$(DOCKER) save $(explained)

docker-load: ## read the image from FILE
	@$(DOCKER) load $(explained)

docker-clean: ## remove the container and its images; VOLUME=yes removes the data too
	@VOLUME='$(VOLUME)' $(DOCKER) clean $(explained)

docker-backups: ## as root: let systemd copy the container's data each hour from now on
	@$(DOCKER) backups $(explained)

docker-backups-off: ## as root: end that; the copies stay
	@$(DOCKER) backups-off $(explained)

install: ## as root: install to /opt/classcord, enable and start the systemd service
	@sh deploy/install.sh install $(explained)

upgrade: ## as root: replace the installed files with these, and restart the service
	@sh deploy/install.sh upgrade $(explained)

rollback: ## as root: go back to the version before the last upgrade (a second time: forward again)
	@sh deploy/install.sh rollback $(explained)

uninstall: ## as root: remove the service, keep the data (PURGE=yes: remove it too)
	@sh deploy/install.sh uninstall $(if $(PURGE),--purge) $(explained)

migrate-to-systemd: ## as root: stop the container, carry its data to the systemd service, start that
	@CONTAINER='$(NAME)' IMAGE='$(IMAGE)' sh deploy/migrate.sh to-systemd $(explained)

migrate-to-docker: ## as root: stop the systemd service, carry its data to the container, start that
	@CONTAINER='$(NAME)' PORT='$(PORT)' IMAGE='$(IMAGE)' sh deploy/migrate.sh to-docker $(explained)

ifeq ($(filter en% En% eN% EN%,$(CLASSCORD_LANG)),)
doctor: explanation := la raison est plus haut ; la ligne suivante n'est pas une autre panne
endif
doctor: ## walk the way to the server hop by hop, and say what is broken (ARGS="--from-slam HOST")
	@sh deploy/doctor.sh --port '$(PORT)' --name '$(NAME)' $(ARGS) $(explained)

TSC := tests/web/node_modules/.bin/tsc
# These linters are programs; their packages don't have them for every processor.
lint-with = if [ -x $(BIN)/$(1) ]; then set -x; $(BIN)/$(1) $(2); else echo "left out: no $(1) for this machine"; fi

lint: $(VENV)/ready ## check style, types and scripts
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(call lint-with,shellcheck,$$(git ls-files '*.sh' .ci/run))
	@$(call lint-with,hadolint,Dockerfile)
	@$(call lint-with,docker-compose,--file docker-compose.yml config --quiet)
	@if [ -x $(TSC) ]; then set -x; $(TSC) -p tests/web/jsconfig.json; \
		else echo "left out: no tsc for the page: sudo apt install nodejs npm, then npm ci --prefix tests/web"; fi

assemble: check-python ## put the code that scripts share into those that are copied alone
	@$(PYTHON) deploy/assemble.py

fmt: $(VENV)/ready ## sort imports, and fix the faults that ruff can fix
	$(BIN)/ruff check --fix .

bench: $(VENV)/ready ## measure speed beside other servers; needs gcc, takes minutes (ARGS="--only chat")
	$(BIN)/python -m tests.bench $(ARGS)

attack: $(VENV)/ready ## attack a server in every known way, print what others notice (ARGS="--only flooder")
	$(BIN)/python -m tests.hostile.attack $(ARGS) $(explained)

picture: $(VENV)/ready ## take the picture of the page for README.md anew; needs Chromium
	$(BIN)/python -m pytest tests/web/test_room.py -k test_everybody_reads_everybody
	cp build/pictures/room.png docs/room.png

clean: ## remove what make made (not the data)
	rm -rf .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis build tests/web/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

is-new := import sys; sys.exit(sys.version_info < (3, 10))
check-python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "No interpreter is called $(PYTHON): sudo apt install python3-venv (Debian, Ubuntu), or PYTHON=..." >&2; \
		false; } $(explained)
	@$(PYTHON) -c '$(is-new)' || { for other in /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
		if $$other -c 'import sqlite3; $(is-new)' 2>/dev/null; then hint="type make $(MAKECMDGOALS) PYTHON=$$other"; break; fi; done; \
		echo "Python 3.10 or later is needed, $(PYTHON) is older:" \
			"$${hint:-sudo apt install python3 (Debian 12, Ubuntu 22.04 or later), or make docker-run}" >&2; false; } $(explained)

# Debian and Ubuntu ship Python without venv; the message says how to get it
$(VENV)/ready: pyproject.toml | check-python
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "The venv module is missing: sudo apt install python3-venv (Debian, Ubuntu)" >&2; false; } $(explained)
	$(PYTHON) -m venv --clear $(VENV) $(explained)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' $(explained)
	$(BIN)/python -m pip install --quiet --group dev $(explained)
	@touch $@
