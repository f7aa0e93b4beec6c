# `make` = test + lint, with the tools of the active environment.
PYTHON ?= python

.PHONY: all test lint smoke stubs benchmarks clean

all: test lint

test:
	$(PYTHON) -m pytest
	$(PYTHON) -m pytest --doctest-modules automl_ad

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	lint-imports --no-cache

stubs:
	bash protos/generate.sh

smoke: ## the wheel in a clean environment, then a one-minute search
	rm -rf build dist .venv-smoke
	$(PYTHON) -m pip wheel --no-deps -w dist .
	$(PYTHON) -m venv .venv-smoke
	.venv-smoke/bin/pip install -q dist/automl_ad-*.whl
	.venv-smoke/bin/automl-ad --help
	.venv-smoke/bin/automl-ad search --demo --time-budget 1m --output .venv-smoke/study

benchmarks: ## each prints ratios; BENCHMARKS.md says what the figures were
	for file in tests/benchmarks/bench_*.py; do echo "== $$file"; $(PYTHON) $$file || exit 1; done
