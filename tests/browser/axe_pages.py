"""axe-core on the pages of one person, in every state: what the files test_axe_*.py share.

They are several files so that pytest-xdist spreads them over the cores.
"""

import os
import zlib
from collections.abc import Iterable
from typing import Any, Literal

from playwright.sync_api import BrowserContext, Page

from tests import chromium, matrix_records
from tests import factories as make
from tests.cast import Cast
from tests.pages import LONG, LOOKS, fill, more_records, paths_of

# Trap 15 of docs/architecture.md: @event-calendar/build's own markup (its roles want children it does not give, its
# headings jump). The list beside it says the same to everybody and is not exempt.
CALENDAR = "[data-schedule] .ec"
PHONE, DESK = 390, 1440
THOROUGH = bool(os.environ.get("THOROUGH"))
FEW = 5


# What a refusal gives the focus may still be scrolling there: under the bar at the top a link counts as too small.
TO_THE_TOP = """async () => {
  for (let frame = 0; frame < 30 && (frame < 2 || window.scrollY !== 0); frame += 1) {
    window.scrollTo({top: 0, behavior: 'instant'});
    await new Promise(requestAnimationFrame);
  }
}"""


def keys_of(who: str) -> list[str]:
    """Return the pages that one person of the cast opens."""
    return sorted(key for key, look in LOOKS.items() if look.who == who and not look.not_a_page and not look.way_in)


# What depends on the width: how colours stand on what they lie on there, whether a finger hits, and what a table loses when
# its rows become cards.
BY_WIDTH = (
    "color-contrast",
    "target-size",
    "scrollable-region-focusable",
    "th-has-data-cells",
    "td-headers-attr",
    "empty-table-header",
)
# What a refusal adds to a page that was looked at already: words beside fields, and a summary with links.
OF_FORMS = (
    "label", "form-field-multiple-labels", "select-name", "aria-valid-attr-value", "aria-allowed-attr", "aria-required-attr",
    "duplicate-id-aria", "link-name", "button-name", "heading-order", "list", "listitem", "region", "color-contrast", "target-size",
)  # fmt: skip
Round = tuple[int, Literal["light", "dark"], tuple[str, ...]]
# Where a page is looked at: width, theme, and the rules that are asked (none named: all of them). What pages are made of stands
# on many of them, so every second page is looked at the other way round; THOROUGH=1 looks at each page both ways.
ONE_WAY: tuple[Round, ...] = ((DESK, "light", ()), (PHONE, "dark", BY_WIDTH))
OTHER_WAY: tuple[Round, ...] = ((DESK, "dark", ()), (PHONE, "light", BY_WIDTH))
# What was refused, or is empty, is of pages that were looked at when they were full.
LIGHTLY_ONE_WAY: tuple[Round, ...] = ((DESK, "light", OF_FORMS),)
LIGHTLY_OTHER_WAY: tuple[Round, ...] = ((PHONE, "dark", OF_FORMS),)


def faults_of(page: Page, name: str, *, turn: int = 0, lightly: bool = False) -> list[str]:
    """Return what axe finds on the page as it is, at both widths (``lightly``: at one), and whether it is too wide.

    An odd ``turn`` looks the other way round.
    """
    found = []
    ways = (LIGHTLY_ONE_WAY, LIGHTLY_OTHER_WAY) if lightly else (ONE_WAY, OTHER_WAY)
    rounds = sum(ways, ()) if THOROUGH else ways[turn % 2]
    # The width that the page came in goes first: to change it costs as much as a page.
    came = page.viewport_size
    for width, theme, rules in sorted(rounds, key=lambda each: came is None or each[0] != came["width"]):
        page.set_viewport_size({"width": width, "height": chromium.WIDTHS[width]})
        chromium.paint(page, theme)
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            found.append(f"{name} {width}: the page is {wide} px wide and scrolls sideways")
        # A link that has half gone under the bar at the top, where the focus took the page, is no small target.
        page.evaluate(TO_THE_TOP)
        faults = chromium.axe(page, leave_out=(CALENDAR,), only=rules)
        found += [f"{name} {width} {theme}: {fault}" for fault in faults]
    return found


def turn_of(key: str) -> int:
    """Return which way round a page is looked at: the same in every run."""
    return zlib.crc32(key.encode()) % 2


def tab_of(context: BrowserContext) -> Page:
    """Return the one tab for all pages, which has axe in it: a new one for each costs as much as the page."""
    if not context.pages:
        context.add_init_script(path=chromium.AXE)
        context.new_page()
    return context.pages[0]


def look_at(
    context: BrowserContext, key: str, records: dict[str, Any], *, refused: bool = False, empty: bool = False
) -> list[str]:
    """Return what axe finds on one page: on each of its tabs and (``refused``) on the form it takes, after a refusal."""
    look, found, page = LOOKS[key], [], tab_of(context)
    for place, path in enumerate(paths_of(key, records)):
        page.goto(path)
        chromium.settle(page)
        # A page that was looked at one way when it is full is looked at the other way when it is not, and tabs take turns.
        turn = turn_of(key) + place + empty
        found += faults_of(page, path, turn=turn, lightly=empty)
        if place or not refused or look.refused is None:
            continue
        if (status := chromium.send_form(page, look.refused)) != 422:
            found.append(f"{path}: {status}, so nothing was refused; say in tests/pages.py what is")
            continue
        chromium.settle(page)
        found += faults_of(page, f"{path} refused", turn=turn + 1, lightly=True)
    return found


def full(cast: Cast) -> dict[str, Any]:
    """Fill the house with a few rows of everything, under names as long as the columns, and return the ids.

    A fault of one row is a fault of thirty; how many questions thirty ask is counted in test_query_counts.py.
    """
    records = more_records(cast, matrix_records.make_all(cast))
    fill(cast, rows=FEW, names=LONG)
    return records


def fresh(cast: Cast) -> dict[str, Any]:
    """Return the ids there are on the first day, of people about whom nothing is known yet."""
    return {
        "patient_id": cast.quinn.pk, "patient_number": cast.quinn.mrn, "other_patient_id": cast.quinn.pk, "referral_id": cast.rosa.pk,
        "person_id": cast.felix.pk, "room_id": cast.room.pk, "location_id": cast.denver.pk, "day": make.NOON.date(),
    }  # fmt: skip


def can_be_empty(key: str, records: dict[str, Any]) -> bool:
    """Return whether a page can be opened on the first day, and shows less then: a form looks the same on any day."""
    try:
        paths_of(key, records)
    except KeyError:
        return False
    return LOOKS[key].refused is None


def all_of(faults: Iterable[list[str]]) -> str:
    """Return every fault on a line of its own, for an assertion to be empty."""
    return "\n".join(fault for some in faults for fault in some)
