# make demo and make test set themselves up; nothing else is needed but Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow lint format bench bench-detection clean

demo: $(STAMP)
	$(BIN)/xray-audit demo --output xray-audit-demo

test: $(STAMP)
	$(BIN)/python -m pytest

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow --timeout 1800

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-detection: $(STAMP)
	$(BIN)/python -m examples.benchmarks.detection

bench: $(STAMP)
	$(BIN)/python examples/benchmarks/engine.py

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --editable '.[cpu,demo,fast,torchscript]' --group dev
	touch $@

clean:
	rm -rf $(VENV) dist build xray-audit-demo xray-audit-report
