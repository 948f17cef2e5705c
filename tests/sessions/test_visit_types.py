"""Kinds of visit: a change is a new version, booked visits keep theirs, nonsense is refused."""

from typing import Any

import pytest

from clinic.models import Role, Room
from sessions.actions import visittypes
from sessions.models import VisitType
from tests import factories as make
from tests.cast import Cast

from .booking import book


def publish(cast: Cast, **changes: Any) -> VisitType:
    values: dict[str, Any] = {
        "by": cast.ada, "code": "intake", "name": "Intake", "patient_name": "First visit", "minutes": 60,
        "role": Role.PRESCRIBER, "room_kind": Room.Kind.CONSULTING, "now": make.NOON,
    }  # fmt: skip
    return visittypes.publish(**{**values, **changes})


def test_a_new_version_replaces_and_booked_visits_keep_theirs(cast: Cast) -> None:
    visit = book(cast)
    new = publish(cast)
    assert (new.version, new.is_current) == (2, True)
    assert VisitType.objects.current().get(code="intake") == new
    visit.refresh_from_db()
    assert visit.visit_type == cast.intake
    assert visit.ends_at - visit.starts_at == cast.intake.duration


def test_a_new_kind(cast: Cast) -> None:
    assert publish(cast, code="integration").version == 1


@pytest.mark.parametrize("changes", [{"minutes": 0}, {"minutes": 1440, "turnover_minutes": 1}])
def test_impossible_lengths(cast: Cast, changes: dict[str, object]) -> None:
    with pytest.raises(visittypes.ImpossibleVisit, match="at most a day"):
        publish(cast, **changes)


@pytest.mark.parametrize("grid", [0, 4, 241])
def test_impossible_grids(cast: Cast, grid: int) -> None:
    with pytest.raises(visittypes.ImpossibleVisit, match="between 5 and 240"):
        publish(cast, grid_minutes=grid)
    assert VisitType.objects.current().get(code="intake") == cast.intake
