# Each target makes and keeps its own virtual environment with plain Python and pip: see scripts/install.sh. PYTHON chooses
# with which; empty: the one that is there, or else the first of PATH that can be used.
PYTHON ?=
RUN_VENV := .venv/run
TEST_VENV := .venv/test
CHECK_VENV := .venv/check
CONFIG ?= config/default.toml

PROTO := proto/voicetrio/v1/worker.proto
PROTOC := $(CHECK_VENV)/bin/python -m grpc_tools.protoc --plugin=$(CHECK_VENV)/bin/protoc-gen-grpclib_python -Iproto
PY_FILES = $(shell git ls-files '*.py' ':!voicetrio/v1')

# Of `make simulate`: the seeds FIRST, FIRST + 1, ...
SEEDS ?= 10000
FIRST ?= 0

.PHONY: run test check bench simulate screenshots proto clean FORCE

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

# Made again for another Python, and where an installation was broken off: the script looks, each time, for milliseconds.
$(RUN_VENV)/.installed: FORCE
	@scripts/install.sh $(RUN_VENV) . $(PYTHON)

$(TEST_VENV)/.installed: FORCE
	@scripts/install.sh $(TEST_VENV) '.[test]' $(PYTHON)

$(CHECK_VENV)/.installed: FORCE
	@scripts/install.sh $(CHECK_VENV) '.[check]' $(PYTHON)

FORCE:
