# make demo   the paper's comparison on the embedded videos, in some minutes
# make test   lint, type check and tests
# make test-video   the tests of one area, without lint: test-FOLDER for each folder of tests/ (agents, benchmarks, docs,
#     experiments, networks, outcomes, prediction, sb3, untrimmed, video), test-envs for the files beside those folders,
#     test-benchmark, -paper, -scratch, -start for the folders of tests/experiments, test-commands for the files there
# make test-all   the slow tests too: every id, every algorithm on every observation, killed and resumed runs
# make docs   the site, from docs/ and the docstrings, with the tutorials run; its first page is docs/_build/html/index.html
# make test-gpu   on a machine with a CUDA GPU: its tests, then the figures of docs/networks.md, in runs/gpu
# Each sets .venv up first, once.

PYTHON ?= python3
export OMP_WAIT_POLICY = passive  # spinning OpenMP threads make torch crawl when anything else runs
export MYPY_NUM_WORKERS = 2  # of versions that know it

FOLDERS = agents benchmarks docs experiments networks outcomes prediction sb3 untrimmed video
COMMANDS = benchmark paper scratch start
AREAS = $(FOLDERS) $(COMMANDS) commands envs

# Each file in one of the processes, as the files come: those that end the list are short.
PROCESSES ?= 2
PYTEST = OMP_NUM_THREADS=1 .venv/bin/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: demo docs test test-all test-gpu clean $(AREAS:%=test-%)

demo: .venv/ready
	.venv/bin/python -m experiments.demo $(ARGS)

test: TESTS = -m "not slow"
test test-all: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(PYTEST) $(TESTS) $(ARGS)

$(FOLDERS:%=test-%): PLACE = $(@:test-%=tests/%)
$(COMMANDS:%=test-%): PLACE = $(@:test-%=tests/experiments/%)
test-commands: PLACE = tests/experiments/test_*.py
test-envs: PLACE = tests/test_*.py
$(AREAS:%=test-%): .venv/ready
	$(PYTEST) -m "not slow" $(PLACE) $(ARGS)

docs: .venv/docs-ready
	.venv/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html

.venv/docs-ready: .venv/ready
	.venv/bin/pip install --quiet --editable ".[docs]"
	touch $@

test-gpu: .venv/ready
	.venv/bin/python -c "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 'make test-gpu: PyTorch finds no CUDA GPU on this machine')"
	.venv/bin/pytest -m gpu $(ARGS)
	mkdir -p runs/gpu
	for precision in bfloat16 float32; do \
		.venv/bin/python -m benchmarks.masked_inference --device cuda --precision $$precision --batch 8 32 128 \
			--json runs/gpu/masked_inference-$$precision.json || exit 1; \
		.venv/bin/python -m benchmarks.selection --device cuda --precision $$precision \
			--json runs/gpu/selection-$$precision.json || exit 1; \
	done
	.venv/bin/python -m benchmarks.training --device cuda --precision bfloat16 --json runs/gpu/training.json

.venv/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv runs
