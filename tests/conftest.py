"""What many tests share: an event loop, and homes and stores that nothing else uses."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from rutter_ap_server.clock import FixedClock
from rutter_ap_server.store.engine import Store
from support.seeded import empty_store
from support.store_rows import START

# Collecting takes half as long, and so does every process a test starts, when compiled modules are kept.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What a test writes need not outlive a power cut, and most tests would wait for the disk longer than they run.
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 2 * 1024**3
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN:
    os.environ.setdefault("TMPDIR", str(MEMORY))
    tempfile.tempdir = None

# What day it is must not depend on where a test runs; the sandbox's books are in UTC.
os.environ["TZ"] = "UTC"
if sys.platform != "win32":
    time.tzset()

# A shell starts what runs in its background deaf to Ctrl-C, and every process of a test would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine must not fail a property. In CI the same examples are tried every time, at home new ones are sought.
settings.register_profile("home", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("home"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")

# What `make quick` leaves out: state machines, walks over everything, and whatever starts processes or a database.
SLOW = (
    "card/",
    "cassettes/",
    "cli/test_approvers.py",
    "cli/test_connections.py",
    "cli/test_demo.py",
    "cli/test_edited_and_served.py",
    "cli/test_edited_stores.py",
    "cli/test_home.py",
    "cli/test_proposals.py",
    "cli/test_screen.py",
    "cli/test_verifying.py",
    "cli/test_watching.py",
    "cli/test_what_a_person_sees.py",
    "completion/",
    "connections/",
    "crash/",
    "docs/",
    "doctor/",
    "documents/test_files.py",
    "examples/",
    "guard/test_approvers.py",
    "guard/test_bill_changes.py",
    "guard/test_booked_sums.py",
    "guard/test_bound_documents.py",
    "guard/test_bound_releases.py",
    "guard/test_credit_writes.py",
    "guard/test_dates.py",
    "guard/test_declined_in_other_words.py",
    "guard/test_documents.py",
    "guard/test_doubts_under_attack.py",
    "guard/test_enemy_machine.py",
    "guard/test_large_vendors.py",
    "guard/test_listing.py",
    "guard/test_long_calls.py",
    "guard/test_looking_again.py",
    "guard/test_machine.py",
    "guard/test_loosened_by_hand.py",
    "guard/test_many_bills.py",
    "guard/test_nothing_sent.py",
    "guard/test_one_way_out.py",
    "guard/test_payment_runs.py",
    "guard/test_power_cuts.py",
    "guard/test_read_your_writes.py",
    "guard/test_record_writes.py",
    "guard/test_recovering.py",
    "guard/test_redating_bills.py",
    "guard/test_refused_and_booked.py",
    "guard/test_releasing.py",
    "guard/test_remembered_documents.py",
    "guard/test_resending.py",
    "guard/test_resuming_runs.py",
    "guard/test_runs_among_others.py",
    "guard/test_runs_and_processes.py",
    "guard/test_runs_under_attack.py",
    "guard/test_sending.py",
    "guard/test_statements.py",
    "guard/test_submitting_bills.py",
    "guard/test_sums.py",
    "guard/test_tidied_texts.py",
    "guard/test_tiers_and_refusals.py",
    "guard/test_twin_vendors.py",
    "guard/test_unlisted_payments.py",
    "guard/test_unlisted_records.py",
    "guard/test_vendor_history.py",
    "guard/test_vendor_names.py",
    "guard/test_vendor_writes.py",
    "guard/test_voiding.py",
    "guard/test_waiting.py",
    "guard/test_what_a_release_takes.py",
    "guard/test_what_may_be_booked.py",
    "guard/test_what_voids_a_release.py",
    "guard/test_whose_record.py",
    "guard/test_written_unasked.py",
    "install/test_bundle.py",
    "journeys/",
    "mutation/",
    "notices/test_odd_channels.py",
    "prompts/test_walking.py",
    "reads/test_attachments.py",
    "reads/test_big_ledger_benchmark.py",
    "reads/test_payables.py",
    "reads/test_payables_copy.py",
    "reads/test_unlisted.py",
    "reads/test_unusable_records.py",
    "resources/",
    "rutter/test_benchmark.py",
    "rutter/test_tour.py",
    "sandbox/test_books_machine.py",
    "sandbox/test_concurrency.py",
    "sandbox/test_faults.py",
    "sandbox/test_faulty_bodies.py",
    "sandbox/test_spec.py",
    "sandbox/test_webhooks.py",
    "serving/",
    "stdio/",
    "store/test_concurrency.py",
    "store/test_edits_by_hand.py",
    "store/test_migrations.py",
    "store/test_policy_in_force.py",
    "store/test_postgres.py",
    "store/test_runs_under_the_guard.py",
    "store/test_under_the_guard.py",
    "surface/test_accounts.py",
    "surface/test_by_tool.py",
    "surface/test_rows.py",
    "web/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is slow, so that which tests are is read in one place."""
    folder = Path(__file__).parent
    for item in items:
        if item.path.relative_to(folder).as_posix().startswith(SLOW) or "postgres" in item.name:
            item.add_marker("slow")
    # What one worker must do alone comes first: at the end the others would wait for it.
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.fixture
def anyio_backend() -> str:
    """The loop the program itself runs on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own RUTTER_* settings must never reach a test."""
    for name in list(os.environ):
        if name.startswith("RUTTER_"):
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of this test's own."""
    return tmp_path / "home"


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands until the test moves it."""
    return FixedClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: FixedClock) -> Iterator[Store]:
    """An open store."""
    opened = Store(f"sqlite:///{empty_store(tmp_path).rename(tmp_path / 'ap.db')}", clock)
    yield opened
    opened.close()
