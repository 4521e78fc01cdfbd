# INET Portal. `make run` starts the whole product on this machine; `make test` runs the whole suite. Needs Python 3.11 and nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Many tests wait for processes that they have started: three workers keep two cores busy.
WORKERS ?= 3
DRILL_SEED ?= 2026
DRILL_RUNS ?= 1000
export DRILL_SEED DRILL_RUNS
.DEFAULT_GOAL := help
.PHONY: help run test deep check bench drill drill-cluster soak soak-console screenshots looks triage-model lock venv venv-test chromium servers audit sbom image

help:  ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: venv  ## Build .venv from the lock, then start everything (ARGS="--port 9000" hands on options of `inet up`)
	@exec $(BIN)/inet up $(ARGS)

test: venv-test chromium servers  ## The whole suite, browser tests included (ARGS="-k voucher" hands on options of pytest)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

deep: venv-test  ## The tests that draw their own examples, ten times as long
	INET_TESTS_DEEP=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --timeout 3600 $$(grep -rl "^from tests.depth" tests) $(ARGS)

check: venv-test  ## Lint, format, types, import contracts, migrations in step
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/app/test_migrations.py

bench: venv-test chromium  ## Measure; prints a table and writes bench.json
	$(BIN)/python -m tests.bench

drill: venv-test  ## Fault drills; DRILL_SEED= and DRILL_RUNS= choose; writes drill.json
	$(BIN)/python -m tests.drill

# Each of its payments meets some trouble, so it needs fewer.
drill-cluster: export DRILL_RUNS := $(if $(filter file,$(origin DRILL_RUNS)),300,$(DRILL_RUNS))
drill-cluster: venv-test  ## Fault drill of a cluster in network namespaces (root, nginx, pgbouncer); adds to drill.json
	$(BIN)/python -m tests.drill.cluster $(ARGS)

soak: venv-test  ## Two hours of payments and polls at a steady pace (ARGS="--minutes 20 --scale 0.5"); adds to drill.json
	$(BIN)/python -m tests.drill.soak $(ARGS)

soak-console: venv-test  ## Console pages: memory of one, what stays, how long the loop is held (ARGS="--opens 400 --minutes 1")
	$(BIN)/python -m tests.drill.console $(ARGS)

screenshots: venv-test chromium  ## Pictures of every page into screenshots/, and those of the help anew (walks of its jobs)
	$(BIN)/python -m tests.screenshots
	JOURNEY_PICTURES=1 $(BIN)/python -m pytest -q -n 0 --timeout 900 tests/browser/journeys

looks: venv-test chromium  ## axe-core on every page in light and dark, on a desk and on a phone (the tests take turns)
	INET_TESTS_EVERY_LOOK=1 $(BIN)/python -m pytest -q -n 0 tests/browser/test_accessibility.py

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

servers:  ## nginx, PgBouncer and Prometheus from Debian, for the tests that run them (root; nothing is left running)
	@missing=""; for one in nginx pgbouncer prometheus; do PATH=$$PATH:/usr/sbin command -v $$one >/dev/null || missing="$$missing $$one"; done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian's$$missing for the tests that run them ..."; \
		held=/usr/sbin/policy-rc.d; mine=; [ -e $$held ] || { printf '#!/bin/sh\nexit 101\n' >$$held && chmod +x $$held && mine=1; }; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing; } >/dev/null 2>&1; status=$$?; \
		[ -z "$$mine" ] || rm -f $$held; [ $$status = 0 ] && exit 0; \
	fi; \
	echo "Tests that run$$missing are skipped; get them with: sudo apt-get install$$missing"

audit: venv-test  ## Known weaknesses of what the lock pins (asks the advisory database)
	$(BIN)/pip-audit --require-hashes --disable-pip --progress-spinner off --requirement requirements.lock

sbom: venv-test  ## What the product is made of, as CycloneDX (sbom.json)
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json

image:  ## The container images (RELEASE=2026.11); needs a container engine
	@if docker info >/dev/null 2>&1; then \
		for target in inet nginx pgbouncer; do name=inet-$$target; [ $$target = inet ] && name=inet-portal; \
			docker build --target $$target --build-arg INET_RELEASE=$(or $(RELEASE),local) -t $$name:$(or $(RELEASE),local) . || exit 1; done; \
	else echo "No container engine answers here, so no image is built; deploy/try_dockerfile.py runs the Dockerfile's steps without one."; fi
