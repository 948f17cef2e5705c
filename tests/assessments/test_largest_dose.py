"""The most of one dose by route: milligrams as they are, or reckoned from a weight that is fresh enough."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assessments.facts import Fact, Route, Weight
from assessments.largestdose import Most, fresh_weight, most_of
from tests.assessments.policy import VALUES

DENVER = ZoneInfo("America/Denver")
TODAY = date(2027, 1, 13)


@pytest.mark.parametrize(
    ("route", "kilograms", "mg"),
    [
        ("sl", None, 400), ("in", None, 84), ("sl", "40", 400),
        ("oral", "70", 210), ("im", "70", 105), ("iv", "70", 70),
        # Never rounded up: 1.5 x 70.5 is 105.75.
        ("im", "70.5", 105), ("oral", "33.33", 99),
        ("oral", None, None), ("im", None, None), ("iv", None, None),
    ],
)  # fmt: skip
def test_the_most_by_route(route: str, kilograms: str | None, mg: int | None) -> None:
    most = most_of(VALUES, Route(route), None if kilograms is None else Decimal(kilograms))
    assert most.mg == mg
    assert most.is_set


@pytest.mark.parametrize(
    "values", [{}, {"dose_mg_sl": {}, "dose_mg_kg": {}, "dose_mg_in": {}}, {"dose_mg_sl": 400, "dose_mg_kg": 3}]
)
@pytest.mark.parametrize("route", list(Route))
def test_a_limit_that_is_not_set_is_no_limit(values: dict[str, Any], route: Route) -> None:
    assert most_of(values, route, Decimal(70)) == Most(route, None, None)
    assert not most_of(values, route, Decimal(70)).is_set


def weighed(kilograms: int, days_ago: int, key: str = "", corrects: str | None = None) -> Weight:
    at = datetime(2027, 1, 13, 16, tzinfo=UTC) - timedelta(days=days_ago)
    return Weight(id=key or f"w{days_ago}", at=at, kilograms=Decimal(kilograms), corrects=corrects)


@pytest.mark.parametrize(
    ("known", "kilograms"),
    [
        ((), None),
        ((weighed(70, 30),), 70),
        ((weighed(70, 31),), None),
        ((weighed(70, 3), weighed(72, 1)), 72),
        # An old weight does not help a newer one that was taken back.
        ((weighed(170, 1, "slip"), weighed(70, 1, "right", corrects="slip")), 70),
        ((weighed(170, 1, "slip"), Fact(id="back", at=datetime(2027, 1, 13, tzinfo=UTC), corrects="slip")), None),
    ],
)  # fmt: skip
def test_only_a_fresh_weight_counts(known: tuple[Fact, ...], kilograms: int | None) -> None:
    found = fresh_weight(known, today=TODAY, tz=DENVER, max_age_days=30)
    assert found == (None if kilograms is None else Decimal(kilograms))
