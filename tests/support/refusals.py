"""A refusal by its code: two rules may refuse the same thing, and a test means one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rutter_ap_tools.errors import ApError
from rutter_ap_tools.findings import Severity


@contextmanager
def refused_for(*codes: str) -> Iterator[None]:
    """What is done inside must be refused for exactly this: an error's code, or the codes of the findings behind it."""
    with pytest.raises(ApError) as raised:
        yield
    findings = getattr(raised.value, "findings", ())
    behind = sorted({one.code for one in findings if one.severity is Severity.REFUSE})
    assert (behind or [raised.value.error_code]) == sorted(codes)
