"""The manager's pages are open to everybody who manages: axe finds nothing, in any state."""

from datetime import datetime

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.axe_pages import all_of, can_be_empty, fresh, full, keys_of, look_at
from tests.browser.conftest import Enter
from tests.cast import Cast

pytestmark = pytest.mark.long

PARTS = 3


@pytest.mark.parametrize("part", range(PARTS))
def test_full_and_refused(context: BrowserContext, cast: Cast, enter: Enter, now: datetime, part: int) -> None:
    records = full(cast)
    enter(context, cast.ada)
    there = keys_of("ada")[part::PARTS]
    assert not (faults := all_of(look_at(context, key, records, refused=True) for key in there)), faults


def test_empty(context: BrowserContext, cast: Cast, enter: Enter, now: datetime) -> None:
    records = fresh(cast)
    enter(context, cast.ada)
    there = [key for key in keys_of("ada") if can_be_empty(key, records)]
    assert not (faults := all_of(look_at(context, key, records, empty=True) for key in there)), faults
