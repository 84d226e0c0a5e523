# Every target works as the first command on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One more than there are processors: a fifth of the time, a test waits for a process of its own.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

.PHONY: demo test quick check bench record crash soak mutants conformance bundle lock fix docs screens clean

# The pinned set, each file checked by its hash; the project itself is linked, with nothing fetched beside the lock.
$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	$(BIN)/rutter-ap demo

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# For while one works: lint, types and the fast tests, within a minute.
quick: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/docs.py --check
	PYTHONPATH=tests $(BIN)/python scripts/surface.py --check
	$(BIN)/python scripts/currencies.py --check

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Renews the pins from pyproject.toml; needs uv on the PATH. The lock names no index, only hashes.
lock:
	uv pip compile pyproject.toml --group dev --extra postgres --universal --python-version 3.11 --generate-hashes \
	  --upgrade --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

bench: $(READY)
	$(BIN)/python benchmarks/run.py

# From the sandbox over HTTP, or from Rutter itself when RUTTER_CLIENT_ID and its companions are set.
record: $(READY)
	$(BIN)/python -m pytest tests/cassettes --record

conformance: $(READY)
	$(BIN)/python tests/conformance/run.py
	$(BIN)/python tests/conformance/inspector.py

bundle: $(READY)
	$(BIN)/python scripts/bundle.py

# Renews what is generated: docs/reference.md from the program itself, docs/surface.md from the rows that tests prove, the
# currencies from ISO 4217's lists.
docs: $(READY)
	$(BIN)/python scripts/currencies.py
	$(BIN)/python scripts/docs.py
	PYTHONPATH=tests $(BIN)/python scripts/surface.py

# Takes the pictures of the desk in docs/images anew; needs Chromium. What they look like differs with the fonts.
screens: $(READY)
	$(BIN)/python scripts/desk_screens.py

# Kills or suspends the server at random moments, 200 times, with faults on and a ledger that lags; once more, shorter,
# with a limit that is soon used up. The books must agree afterwards, and hold every limit.
crash: $(READY)
	PYTHONPATH=tests $(BIN)/python tests/crash/campaign.py --kills 200

# Many assistants at once, five minutes on SQLite and two on PostgreSQL, with faults on; the books must agree afterwards,
# and memory and open files must not have grown. Then an enemy at every place, and every promise must hold after each step.
soak: $(READY)
	PYTHONPATH=tests $(BIN)/python tests/soak/soak.py --seconds 300
	PYTHONPATH=tests $(BIN)/python tests/soak/soak.py --seconds 120 --postgres
	PYTHONPATH=tests $(BIN)/python tests/soak/enemy.py --steps 20000
	PYTHONPATH=tests $(BIN)/python tests/soak/enemy.py --steps 2000 --postgres

# Changes the code that money depends on, one small change at a time, to see whether a test notices: a part in about ten
# minutes (PART=authorize), or all of them. FUNCTION= narrows it down, AGAIN=1 to those that lived the last time; WORKERS=
# is how many at once.
mutants: $(READY)
	PYTHONPATH=tests $(BIN)/python tests/mutation/run.py $(PART) $(if $(FUNCTION),--function $(FUNCTION)) $(if $(AGAIN),--again) $(if $(WORKERS),--workers $(WORKERS))
