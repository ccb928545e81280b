# Everything here works on a machine with Python 3.11 or newer, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
SOURCES := tftrain tests scripts
TWO_AT_A_TIME := --numprocesses=2 --dist=worksteal

.DEFAULT_GOAL := help
.PHONY: help train check test test-slow gradcheck bench fuzz audit lint format lock schema clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

train: $(INSTALLED) ## Train configs/diabetes.yaml
	$(BIN)/tftrain train configs/diabetes.yaml

check: ## Check all that continuous integration checks
	.ci/run

test: $(INSTALLED) ## Run the tests
	$(BIN)/pytest $(TWO_AT_A_TIME)

test-slow: $(INSTALLED) ## Run the tests that take minutes
	$(BIN)/pytest $(TWO_AT_A_TIME) -m slow

gradcheck: $(INSTALLED) ## Prove the gradients of every shipped config, as tests
	$(BIN)/pytest --tftrain-configs configs configs

bench: $(INSTALLED) ## Measure against JAX, PyTorch, Keras and others (about an hour); see docs/
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[bench]'
	$(BIN)/python -m scripts.bench $(if $(ROUNDS),--rounds $(ROUNDS))

fuzz: $(INSTALLED) ## Read 100,000 broken configs, 5,000 broken tables and the absurd ones
	$(BIN)/python -m scripts.attack.fuzz configs --cases 100000
	$(BIN)/python -m scripts.attack.fuzz tables --cases 5000
	$(BIN)/python -m scripts.attack.fuzz absurd

audit: $(INSTALLED) ## Look for known vulnerabilities of the locked packages (needs the internet)
	$(BIN)/uvx pip-audit@2.10.1 --strict \
		--requirement requirements.lock --require-hashes --disable-pip || { \
		echo "make audit: either a package named above has a known vulnerability (then: make lock)," \
		"or pip-audit or its list of vulnerabilities could not be reached from here."; exit 1; }

lint: $(INSTALLED) ## Check style and types
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

schema: $(INSTALLED) ## Write the JSON Schema that editors use for configs/
	$(BIN)/tftrain schema > configs/config.schema.json

lock: $(INSTALLED) ## Pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra tensorboard --universal \
		--python-version 3.11 --upgrade --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" --quiet \
		--output-file requirements.lock

clean: ## Remove the virtual environment, caches and build leftovers (runs/ stays)
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "tftrain needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation -e .
	@touch $@
