# `make` alone lists the targets. On a fresh Debian machine two do everything: `make demo`, `make test`.
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
READY := .venv/.ready
RECORDED := /var/tmp/surefoot-demo
BENCHMARKS = $(wildcard benchmarks/[a-z]*.py)

.PHONY: help setup demo test mesh check stories mutants audit lint format bench soak soak-stories soak-inputs chaos record image lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## install what everything else needs (.venv, Debian packages, servers); once
	@.ci/servers
	@echo "everything is in place"

demo: $(READY)  ## a good version promoted, a bad one rolled back, on real traffic; DEMO_ARGS="--bad crash"
	@$(BIN)/surefoot demo $(DEMO_ARGS)

test: lint  ## every check and every test, live servers included, with branch coverage
	@.ci/servers
	@.ci/test $(TEST_ARGS)

mesh: $(READY)  ## only the tests in a real mesh; TEST_ARGS="-k remove"
	@.ci/servers
	@.ci/mesh $(BIN)/python -m pytest tests/mesh $(TEST_ARGS) || { [ $$? = 77 ] && .ci/mesh --cure; exit 1; }

check: lint  ## what CI runs, except the tests that start real servers
	@.ci/test --ignore=tests/live -m "not live" $(TEST_ARGS)

stories: $(READY)  ## 1,000 seeded stories and every one of up to three events, each promise checked
	@$(BIN)/surefoot simulate --seed 1 --stories 1000 --keep-going
	@$(BIN)/surefoot simulate --short 3 --keep-going

mutants: $(READY)  ## twenty bugs, one at a time: after how many stories is each found?
	@$(BIN)/python tests/mutants/run.py $(MUTANTS)

audit: $(READY)  ## known vulnerabilities of the image's packages; needs a network for their database
	@.ci/audit

lint: $(READY)  ## style, types and import contracts; no tests
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo 'run `make format`'; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@said=$$($(BIN)/lint-imports --no-logo) || { echo "$$said"; exit 1; }
	@echo "style, types and import contracts hold"

format: $(READY)  ## format the code and apply safe fixes
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format

bench: $(READY)  ## run every benchmark, small; BENCH_ARGS=--full for the real sizes
	@missed=; for file in $(BENCHMARKS); do echo "== $$file"; \
	  $(BIN)/python $$file $(BENCH_ARGS) || missed="$$missed $$file"; done; \
	  [ -z "$$missed" ] || { echo "bars missed in:$$missed"; exit 1; }

soak: soak-stories soak-inputs chaos  ## 100,000 seeded stories (SOAK_ARGS="--stories 5000"), as many mangled inputs (SEED=2), chaos

soak-stories: $(READY)
	@$(BIN)/surefoot simulate --short --keep-going
	@$(BIN)/surefoot simulate --seed 1000000 --stories 100000 --keep-going $(SOAK_ARGS)

soak-inputs: $(READY)
	@SUREFOOT_INPUTS=100000 SUREFOOT_SEED=$(or $(SEED),1) $(BIN)/python -m pytest -n 2 --timeout 7200 tests/fuzz

chaos: $(READY)  ## real rollouts whose servers are stopped and killed; SEED=2 CHAOS_ARGS="--faults 2" for a short one
	@.ci/servers
	@$(BIN)/python -m tests.chaos.run --seed $(or $(SEED),1) $(CHAOS_ARGS)

record: $(READY)  ## record the notebooks' journals anew, after a change of the statistics; 90 s
	@rm -rf $(RECORDED) notebooks/data/demo.jsonl notebooks/data/experiment.jsonl
	@$(BIN)/surefoot demo --plain --seed 3 --folder $(RECORDED)
	@$(BIN)/surefoot log --journal $(RECORDED)/journal.db --export notebooks/data/demo.jsonl
	@$(BIN)/python -m tests.notebook.record notebooks/data/experiment.jsonl
	@$(BIN)/python tests/notebook/execute.py

image:  ## the container image, from a base by its digest; BASE="python:3.11-slim@sha256:..." IMAGE=NAME:TAG
	@BASE="$(BASE)" IMAGE="$(IMAGE)" .ci/image

lock: $(READY)  ## the image's packages by version and hash anew, proven by installing them
	@$(BIN)/python .ci/lock

clean:  ## remove the virtual environment and every cache
	@rm -rf .venv .coverage* .hypothesis .import_linter_cache .mypy_cache .ruff_cache

$(READY): pyproject.toml .ci/setup .ci/debian
	@.ci/setup && touch $@
