# INET Portal. `make run` starts the whole product on this machine; `make test` runs the whole suite. Needs Python 3.11 and nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DRILL_SEED ?= 2026
DRILL_RUNS ?= 1000
export DRILL_SEED DRILL_RUNS
.DEFAULT_GOAL := help
.PHONY: help run test check bench drill screenshots triage-model lock venv venv-test chromium

help:  ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: venv  ## Build .venv from the lock, then start everything (ARGS="--port 9000" hands on options of `inet up`)
	@exec $(BIN)/inet up $(ARGS)

test: venv-test chromium  ## The whole suite, browser tests included (ARGS="-k voucher" hands on options of pytest)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: venv-test  ## Lint, format, types, import contracts, migrations in step
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/app/test_migrations.py

bench: venv-test  ## Measure; prints a table and writes bench.json
	$(BIN)/python -m tests.bench

drill: venv-test  ## Fault drills; DRILL_SEED= and DRILL_RUNS= choose; writes drill.json
	$(BIN)/python -m tests.drill

screenshots: venv-test chromium  ## Pictures of the screens for the documentation
	$(BIN)/python -m tests.screenshots

triage-model: venv-test  ## Build the shipped triage model from our own sentences (the same bytes each time)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m services.tickets.triage.build

# No index address and no path may get into a lock, whatever this machine's pip is set up with.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(ARGS)
lock: venv-test  ## Pin all dependencies anew (ARGS="--upgrade" takes newer ones)
	$(COMPILE) --output-file requirements.lock pyproject.toml .ci/every-python.in
	$(COMPILE) --extra test --constraint requirements.lock --output-file requirements-test.lock pyproject.toml .ci/every-python.in

venv venv-test:
	@[ -n "$(PYTHON)" ] || { echo "INET needs Python 3.11 or newer, and there is no python3 here; install it and run make again." >&2; exit 1; }
	@"$(PYTHON)" .ci/build_venv.py $(if $(findstring test,$@),test,run)

chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian's chromium for the browser tests ..."; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; } >/dev/null && exit 0; \
	fi; \
	echo "No Chromium here, so browser tests are skipped; get one with: sudo apt-get install chromium"
