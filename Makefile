# make demo and make test set themselves up; nothing else is needed but Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
# make test K=word runs the tests whose names hold the word.
K ?=
# Three for two processors: a third of a test's time is waiting for servers and processes.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 3 // 2)')

.PHONY: demo test coverage test-slow test-servers lint check format readme bench clean

demo: $(RUN)
	$(BIN)/xray-audit demo --output xray-audit-demo

# The command line is started some hundred times, and need not be compiled each time.
test coverage: export PYTHONDONTWRITEBYTECODE =
# With more workers than processors, threads of a library's own only wait for one another.
test coverage: export OMP_NUM_THREADS = 1
test: $(DEV)
ifeq ($(K),)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
else
	$(BIN)/python -m pytest -k '$(K)'
endif

# The same tests, a quarter slower, with the lines that they miss.
coverage: $(DEV)
	$(BIN)/python -m pytest --cov -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-slow: $(DEV)
	$(BIN)/python -m pytest -m slow --timeout 1800

# Each real server gets an environment of its own under the user's cache, made on the first run.
test-servers: $(DEV)
	$(BIN)/python -m pytest -m servers tests/servers --timeout 900

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m examples.documents --check --no-demo

check: lint test

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

readme: $(DEV)
	$(BIN)/python -m examples.documents

# make bench BENCH=name ARGS="..."; without a name it lists the benchmarks.
bench: $(DEV)
	$(BIN)/python -m examples.benchmarks $(BENCH) $(ARGS)

$(RUN): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[cpu,demo,fast]'
	touch $@

# PyTorch is only for the TorchScript adapter's tests, never for an audit of anything else.
$(DEV): $(RUN)
	$(BIN)/python -m pip install --quiet 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --editable '.[cpu,demo,fast,fleet,pdf,sigstore,sign,timestamp,torchscript]' --group dev
	touch $@

clean:
	rm -rf $(VENV) dist build xray-audit-demo xray-audit-report
