# Each target makes and keeps its own virtual environment with plain python3 and pip.
PYTHON ?= python3
RUN_VENV := .venv/run
TEST_VENV := .venv/test
CHECK_VENV := .venv/check
CONFIG ?= config/default.toml
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

PROTO := proto/voicetrio/v1/worker.proto
PROTOC := $(CHECK_VENV)/bin/python -m grpc_tools.protoc --plugin=$(CHECK_VENV)/bin/protoc-gen-grpclib_python -Iproto
PY_FILES = $(shell git ls-files '*.py' ':!voicetrio/v1')

# Of `make simulate`: the seeds FIRST, FIRST + 1, ...
SEEDS ?= 10000
FIRST ?= 0

.PHONY: run test check bench simulate screenshots proto clean

run: $(RUN_VENV)/.installed
	$(RUN_VENV)/bin/python run.py --config $(CONFIG)

test: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/python -m pytest $(ARGS)

check: $(CHECK_VENV)/.installed
	$(CHECK_VENV)/bin/ruff check .
	$(CHECK_VENV)/bin/ruff format --check .
	$(CHECK_VENV)/bin/mypy
	$(CHECK_VENV)/bin/flake8-async --enable=ASYNC --disable=ASYNC9 --startable-in-context-manager=run $(PY_FILES)
	$(CHECK_VENV)/bin/lint-imports
	mkdir -p build/proto
	$(PROTOC) --python_out=build/proto --pyi_out=build/proto --grpclib_python_out=build/proto $(PROTO)
	for file in build/proto/voicetrio/v1/*; do cmp $$file voicetrio/v1/$$(basename $$file) || { echo "run: make proto"; exit 1; }; done

bench: $(RUN_VENV)/.installed
	$(RUN_VENV)/bin/voicetrio bench $(ARGS)

simulate: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

screenshots: $(TEST_VENV)/.installed
	$(TEST_VENV)/bin/python -m tests.browser.screenshots

proto: $(CHECK_VENV)/.installed
	$(PROTOC) --python_out=. --pyi_out=. --grpclib_python_out=. $(PROTO)

clean:
	rm -rf .venv build dist *.egg-info

$(RUN_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(RUN_VENV)
	$(RUN_VENV)/bin/python $(PIP_INSTALL) --editable .
	touch $@

$(TEST_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(TEST_VENV)
	$(TEST_VENV)/bin/python $(PIP_INSTALL) --editable '.[test]'
	touch $@

$(CHECK_VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(CHECK_VENV)
	$(CHECK_VENV)/bin/python $(PIP_INSTALL) --editable '.[check]'
	touch $@
