"""Reminder plans as data."""

import pytest

from clinic.models import AuditEvent
from sessions.actions import reminderplans
from sessions.actions.reminderplans import Line
from sessions.models import ReminderPlan, ReminderPlanItem
from tests import factories as make
from tests.cast import Cast

START = ReminderPlanItem.Anchor.START
DAY_BEFORE = Line("visit_tomorrow", START, 120, days_before=1)


def test_a_new_version_replaces_the_old(cast: Cast) -> None:
    plan = reminderplans.publish(by=cast.ada, visit_type_code="intake", lines=[DAY_BEFORE], now=make.NOON)
    assert plan.version == cast.plan.version + 1
    current = ReminderPlan.objects.get(visit_type_code="intake", is_current=True)
    assert current == plan
    assert ReminderPlanItem.objects.filter(plan=cast.plan).count() == 4
    assert AuditEvent.objects.get(verb="reminder_plan.published").details == {"code": "intake", "version": 2}


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ([DAY_BEFORE, DAY_BEFORE], reminderplans.SameLineTwice),
        ([Line("no_such_letter", START, 120)], reminderplans.NoSuchLetter),
    ],
)
def test_what_is_refused_changes_nothing(cast: Cast, lines: list[Line], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        reminderplans.publish(by=cast.ada, visit_type_code="intake", lines=lines, now=make.NOON)
    assert ReminderPlan.objects.get(is_current=True, visit_type_code="intake") == cast.plan
