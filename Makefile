# `make help` lists the targets. Everything happens in .venv, in the versions of requirements/lock.txt.

BROKER ?= memory://
PYTEST_ARGS ?=
MINUTES ?= 30
TRIALS ?= 30
BENCH_ARGS ?=
FAULTS_ARGS ?=
FUZZ_ARGS ?=
DEBIAN ?= forky

# In the name of a stamp stands where it was made: a moved or copied folder is set up anew.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
RUN := .venv/run-$(HERE)
DEV := .venv/dev-$(HERE)
ECO := .venv/eco-$(HERE)
FUZZ := .venv/fuzz-$(HERE)
BIN := .venv/bin

.PHONY: help demo test test-rabbitmq-4 test-faults test-ctrl-c soak lint types layers check test-compose test-ecosystem test-wheel bench fuzz build golden docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: $(RUN) ## watch an agent learn; BROKER=amqp://user:password@host:5672/ for real processes over a real RabbitMQ
	@$(BIN)/gymbroker demo --broker "$(BROKER)"

test: $(DEV) ## the whole test suite, against memory:// and RabbitMQs that it starts itself; PYTEST_ARGS="-n0 -x -k word" for a few
	@tools/ensure-rabbitmq
	@echo "==> pytest"
	@$(BIN)/python -m pytest -n auto --dist loadfile -m "not compose and not ecosystem" $(PYTEST_ARGS)

test-rabbitmq-4: $(DEV) ## the same against RabbitMQ 4.3, fetched from Debian testing into a root of its own, DEBIAN=trixie: 4.0; for root on Debian or Ubuntu
	@bin=$$(tools/rabbitmq-4 $(DEBIAN)) && GYMBROKER_RABBITMQ_BIN="$$bin" $(MAKE) test

test-faults: $(DEV) ## faults injected into real processes, within 30 minutes: writes docs/faults.md; FAULTS_ARGS="--only F9 F1* --trials 20"
	@tools/ensure-rabbitmq
	@$(BIN)/python -m tests.faults $(FAULTS_ARGS)

test-ctrl-c: $(DEV) ## one Ctrl-C at random moments of every command; TRIALS=30 of each
	@tools/ensure-rabbitmq
	@$(BIN)/python -m tests.ctrl_c $(TRIALS)

soak: $(DEV) ## a long run under random faults: docs/soak.md anew; MINUTES=30
	@tools/ensure-rabbitmq
	@$(BIN)/python -m tests.soak $(MINUTES)

lint: $(DEV) ## style: ruff
	@echo "==> ruff check"
	@$(BIN)/python -m ruff check .

types: $(DEV) ## types: mypy --strict
	@echo "==> mypy"
	@$(BIN)/python -m mypy

layers: $(DEV) ## who may import whom: import-linter
	@echo "==> lint-imports"
	@$(BIN)/lint-imports

check: lint types layers test ## all of the four above

test-compose: $(DEV) ## docker-compose.yml for real, scaled; installs and starts a Docker engine if none runs and it may
	@tools/with-docker tools/with-base-images $(BIN)/python -m pytest -m compose tests/compose $(PYTEST_ARGS)

test-ecosystem: $(ECO) ## the libraries people train with (Stable-Baselines3, TorchRL, ...) and real envs (MuJoCo, Atari, ...); heavy
	@tools/ensure-rabbitmq
	@echo "==> pytest -m ecosystem"
	@$(BIN)/python -m pytest -m ecosystem tests/ecosystem $(PYTEST_ARGS)

test-wheel: build ## the wheel in an empty environment, with its dependencies from the package index
	@tools/test-wheel dist/*.whl

bench: $(DEV) ## how fast, beside the limit and the peers; BENCH_ARGS="--list", "--quick --only lockstep"; see bench/README.md
	@tools/ensure-rabbitmq
	@$(BIN)/python -m bench $(BENCH_ARGS)

fuzz: $(FUZZ) ## a million wrong inputs into all that reads what strangers send; FUZZ_ARGS="--list", "--only wire --inputs 9999"
	@$(BIN)/python -m fuzz $(FUZZ_ARGS)

build: $(DEV) ## dist/: the wheel and the sdist
	@echo "==> build"
	@rm -rf build dist && mkdir dist
	@$(BIN)/python -m build --no-isolation >dist/build.log 2>&1 || { cat dist/build.log; exit 1; }
	@ls dist

golden: $(DEV) ## tests/protocol/golden anew, after a change of the wire format, and what changed
	@$(BIN)/python -m tools.golden
	@git --no-pager diff --stat -- tests/protocol/golden

lock: $(DEV) ## write requirements/lock.txt anew after a change of pyproject.toml; LOCK_ARGS=--upgrade for newest versions
	@$(BIN)/python -m pip install --quiet --constraint requirements/lock.txt uv
	@tools/lock $(LOCK_ARGS)

docs: $(DEV) ## the state diagram of docs/protocol.md anew, after a change of protocol/rules.py
	@$(BIN)/python -m tools.diagram

clean: ## remove .venv and all that is made
	rm -rf .venv .bench .fuzz build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(RUN): requirements/lock.txt pyproject.toml
	@tools/venv plot
	@touch $@

$(DEV): requirements/lock.txt pyproject.toml
	@tools/venv test,lint
	@touch $@ $(RUN)

$(ECO): $(DEV) requirements/ecosystem.txt
	@echo "==> installing what the ecosystem tests need (some 1.5 GB, PyTorch for the CPU)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements/lock.txt --requirement requirements/ecosystem.txt
	@touch $@

$(FUZZ): $(DEV) requirements/fuzz.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/fuzz.txt
	@touch $@
