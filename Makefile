# make demo   the paper's comparison on the embedded videos, in some minutes
# make test   lint, type check and tests
# make test-all   the slow tests too: every id, every algorithm on every observation, killed and resumed runs
# make docs   the site, from docs/ and the docstrings; its first page is docs/_build/html/index.html
# Each sets .venv up first, once.

PYTHON ?= python3
export OMP_WAIT_POLICY = passive  # spinning OpenMP threads make torch crawl when anything else runs

.PHONY: demo docs test test-all clean

demo: .venv/ready
	.venv/bin/python -m experiments.demo $(ARGS)

test: TESTS = -m "not slow"
test test-all: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pytest -n 2 --dist loadfile $(TESTS) $(ARGS)

docs: .venv/docs-ready
	.venv/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html

.venv/docs-ready: .venv/ready
	.venv/bin/pip install --quiet --editable ".[docs]"
	touch $@

.venv/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv runs
