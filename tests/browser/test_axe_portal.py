"""The patient's pages are open to every patient: axe finds nothing, in any state."""

from datetime import datetime

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.axe_pages import all_of, full, keys_of, look_at
from tests.browser.conftest import Enter
from tests.cast import Cast

pytestmark = pytest.mark.long


def test_full_and_refused(context: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> None:
    records = full(cast)
    enter(context, cast.pat_user)
    assert not (faults := all_of(look_at(context, key, records, refused=True) for key in keys_of("pat_user"))), faults


def test_empty(context: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> None:
    """Quinn has no visit yet."""
    enter(context, cast.quinn_user)
    there = [key for key in keys_of("pat_user") if "(" not in key]
    assert not (faults := all_of(look_at(context, key, {}, empty=True) for key in there)), faults
