"""The setting of time zones: what it takes, what it says is wrong, and whose date is today because of it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rutter_ap_server.app import App
from rutter_ap_server.clock import Clock, FixedClock
from rutter_ap_server.settings import SettingsError, read_settings
from rutter_ap_server.time_zones import read_time_zones
from support.seeded import practice_home

BERLIN, TOKYO, NEW_YORK = (ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Tokyo", "America/New_York"))
EASTMOST, WESTMOST = ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")


def error_of(value: str) -> str:
    with pytest.raises(SettingsError) as failed:
        read_settings({"RUTTER_AP_TIME_ZONE": value})
    return failed.value.message


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("", None),
        ("Europe/Berlin", BERLIN),
        (" Europe/Berlin , Other = Asia/Tokyo ", BERLIN),
        ("Europe/Berlin, NORTHWIND =Asia/Tokyo", TOKYO),
        ("Europe/Berlin, 1f2e=Asia/Tokyo", TOKYO),
        ("1f2e=Asia/Tokyo, Northwind=Europe/Berlin", TOKYO),
        ("Northwind=Asia/Tokyo", TOKYO),
        ("Europe/Berlin, North=Asia/Tokyo", BERLIN),
    ],
)
def test_a_company_has_its_own_zone_or_the_one_of_all(text: str, zone: ZoneInfo | None) -> None:
    assert read_settings({"RUTTER_AP_TIME_ZONE": text}).time_zones.of("1f2e", "Northwind") == zone


def test_a_name_may_hold_commas_and_equals_signs() -> None:
    zones = read_time_zones("America/New_York, Acme, Inc.=Europe/Berlin, a=b=Asia/Tokyo")

    assert zones.of("c1", "acme, inc.") == BERLIN
    assert zones.of("c2", "A=B") == TOKYO
    assert zones.of("c3", "Inc.") == NEW_YORK


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("Mars/Olympus", "entry 1 of 1 (Mars/Olympus) is not a time zone"),
        ("America", "entry 1 of 1 (America) is not a time zone"),
        ("/etc/passwd", "entry 1 of 1 is not a time zone"),
        ("../Europe/Berlin", "entry 1 of 1 is not a time zone"),
        ("UTC, Northwind=Nowhere", "entry 2 of 2 (Nowhere) is not a time zone"),
        ("UTC, Northwind=", "entry 2 of 2 is not a time zone"),
        ("UTC, =Asia/Tokyo", "entry 2 of 2 names no company"),
        ("UTC, Northwind", "entry 2 of 2 (Northwind) is not COMPANY=ZONE"),
        ("UTC, Asia/Tokyo, N=UTC", "entry 2 of 3 (Asia/Tokyo) is not COMPANY=ZONE"),
        ("UTC,", "entry 2 of 2 is not COMPANY=ZONE"),
        ("UTC, N=UTC, n=Asia/Tokyo", "entry 3 of 3 names a company that already has a zone"),
    ],
)
def test_what_cannot_be_used_is_named(value: str, named: str) -> None:
    assert error_of(value).startswith(f"RUTTER_AP_TIME_ZONE: {named}")


@given(st.text(alphabet="abcXYZ0189/=,_- \x00é", min_size=1, max_size=40).filter(str.strip))
def test_whatever_it_holds_it_is_taken_or_refused(value: str) -> None:
    with suppress(SettingsError):
        zones = read_settings({"RUTTER_AP_TIME_ZONE": value}).time_zones
        assert zones.default or zones.own


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    assert "4711" not in error_of("UTC, N=secret-4711") + error_of("token-4711")


@pytest.mark.parametrize(
    ("instant", "east", "west"),
    [
        (datetime(2026, 3, 1, 9, 59, tzinfo=UTC), date(2026, 3, 1), date(2026, 2, 28)),
        (datetime(2026, 3, 1, 10, 0, tzinfo=UTC), date(2026, 3, 2), date(2026, 2, 28)),
        (datetime(2026, 3, 1, 12, 0, tzinfo=UTC), date(2026, 3, 2), date(2026, 3, 1)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), date(2027, 1, 1), date(2026, 12, 31)),
    ],
)
def test_a_day_begins_at_midnight_where_the_company_is(instant: datetime, east: date, west: date) -> None:
    clock = FixedClock(instant)

    assert clock.in_zone(EASTMOST).today() == east
    assert clock.in_zone(WESTMOST).today() == west
    assert clock.in_zone(EASTMOST).now() == instant
    assert clock.today() == instant.date()


def test_a_zoned_clock_moves_with_the_clock_it_is_of() -> None:
    clock = FixedClock(datetime(2026, 3, 28, 22, 30, tzinfo=UTC))
    berlin = clock.in_zone(BERLIN)
    assert berlin.today() == date(2026, 3, 28)

    clock.instant += timedelta(hours=23, minutes=30)

    # The night summer time begins: the day there has 23 hours.
    assert berlin.today() == date(2026, 3, 30)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows takes no zone from its environment")
def test_without_a_setting_the_machines_own_date_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, days = Clock(), []
    assert clock.in_zone(read_settings({}).time_zones.of("c1", "Northwind")) is clock
    with monkeypatch.context() as machine:
        for zone in ("WEST12", "EAST-14"):
            machine.setenv("TZ", zone)
            time.tzset()
            days.append(clock.today())
            assert clock.zone_name == f"the machine's own zone, {zone[:4]}"
    time.tzset()
    assert days[1] - days[0] >= timedelta(days=1)


async def test_the_companies_of_a_server_have_the_days_of_their_zones(home: Path) -> None:
    practice_home(home)
    noon = FixedClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    zones = "Etc/GMT+12, harbor & pine ltd=Pacific/Kiritimati"
    app = App(read_settings({"RUTTER_AP_HOME": str(home), "RUTTER_AP_TIME_ZONE": zones}), noon)
    try:
        [company] = await app.companies.all()
        assert company.clock.today() == date(2026, 3, 2)
        assert company.clock.now() == noon.now()
    finally:
        await app.aclose()
