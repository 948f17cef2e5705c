"""Risk alerts: what an answer sets off, on which clock, who hears of it, and who alone may close it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from assessments.actions import alerts
from assessments.instrument import Tier
from assessments.models import RiskAlert
from assessments.safety import Signal
from clinic.models import AuditEvent, Closure, Page, WorkItem
from tests import factories as make

NOON = make.NOON  # Wednesday 09:00 in Denver; open 08:00 to 18:00 on weekdays
MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
RED, ORANGE, YELLOW = (Signal(tier, "item9", "9", value) for tier, value in zip(Tier, (3, 2, 1), strict=True))


def at(day, hour, minute=0):
    """A moment of January 2027 on Denver's clock."""
    return datetime(2027, 1, day, hour, minute, tzinfo=UTC) + timedelta(hours=7)


def raise_one(cast, *signals, patient=None, now=NOON, response=None):
    return alerts.raise_from(by=cast.pat_user, patient=patient or cast.pat, response=response, signals=signals, now=now)


@pytest.mark.parametrize(
    ("signal", "raised", "due"),
    [
        (RED, at(13, 2, 10), at(13, 2, 40)),
        (RED, at(13, 9), at(13, 9, 30)),
        (ORANGE, at(13, 9), at(13, 13)),
        (ORANGE, at(13, 2, 10), at(13, 3, 10)),
        (ORANGE, at(13, 17, 50), at(13, 19)),
        (ORANGE, at(16, 12), at(16, 13)),  # a Saturday
        (YELLOW, at(13, 9), at(13, 18)),
        (YELLOW, at(13, 2, 10), at(13, 10)),
        (YELLOW, at(13, 17, 30), at(14, 10)),
        (YELLOW, at(13, 20), at(14, 10)),
        (YELLOW, at(15, 19), at(19, 10)),  # Friday evening; the Monday is a holiday
    ],
)
def test_clocks(cast, signal, raised, due):
    Closure.objects.create(
        location=cast.denver, name="Holiday", during=(at(18, 0), at(19, 0)), entered_by=cast.ada, entered_at=NOON
    )
    alert = raise_one(cast, signal, now=raised)
    assert alert.contact_by == due
    assert alert.acknowledge_by == (raised + 10 * MIN if signal is RED else None)
