"""Reminder plans: what is sent about a kind of visit. A change is a new version; rows already planned keep theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, letters
from clinic.errors import Refused
from clinic.models import Channel, User
from sessions.models import ReminderPlan, ReminderPlanItem


@dataclass(frozen=True)
class Line:
    """One letter of a plan. Days and minutes count back from the start on the wall clock of the visit's location."""

    kind: str
    anchor: ReminderPlanItem.Anchor
    useless_minutes_before: int
    days_before: int = 0
    minutes_before: int = 0
    channel: Channel = Channel.EMAIL


# What goes out about a visit until a clinic plans otherwise: when it is booked, and a week, three days and a day before.
FIRST_LINES = (
    Line(kind="visit_confirmation", anchor=ReminderPlanItem.Anchor.BOOKING, useless_minutes_before=0),
    Line(kind="visit_in_a_week", anchor=ReminderPlanItem.Anchor.START, days_before=7, useless_minutes_before=4 * 1440),
    Line(
        kind="visit_in_three_days", anchor=ReminderPlanItem.Anchor.START, days_before=3, useless_minutes_before=36 * 60
    ),
    Line(kind="visit_tomorrow", anchor=ReminderPlanItem.Anchor.START, days_before=1, useless_minutes_before=120),
)


class SameLineTwice(Refused):
    """A letter goes once by each channel."""

    def __init__(self) -> None:
        super().__init__(_("A plan names each letter once for each channel. Remove the second line."))


class NoSuchLetter(Refused):
    """A line names a letter nobody wrote."""

    def __init__(self, kind: str) -> None:
        super().__init__(_("There is no letter called %(kind)s. Choose one from the list.") % {"kind": kind})


@transaction.atomic
def publish(*, by: User, visit_type_code: str, lines: Sequence[Line], now: datetime) -> ReminderPlan:
    """Return the new version of the plan for a kind of visit, which is what visits booked from now on get.

    Refuses a letter nobody declared and the same letter twice by one channel.
    """
    if len({(line.kind, line.channel) for line in lines}) < len(lines):
        raise SameLineTwice
    known = {letter.kind for letter in letters.all_letters()}
    for line in lines:
        if line.kind not in known:
            raise NoSuchLetter(line.kind)
    versions = ReminderPlan.objects.select_for_update(no_key=True).filter(visit_type_code=visit_type_code)
    latest = max((plan.version for plan in versions), default=0)
    ReminderPlan.objects.filter(visit_type_code=visit_type_code, is_current=True).update(is_current=False)
    plan = ReminderPlan.objects.create(visit_type_code=visit_type_code, version=latest + 1)
    ReminderPlanItem.objects.bulk_create(
        ReminderPlanItem(
            plan=plan,
            kind=line.kind,
            channel=line.channel,
            anchor=line.anchor,
            days_before=line.days_before,
            minutes_before=line.minutes_before,
            useless_minutes_before=line.useless_minutes_before,
        )
        for line in lines
    )
    audit.record(
        by,
        audit.Verb.REMINDER_PLAN_PUBLISHED,
        plan,
        now=now,
        details={"code": visit_type_code, "version": plan.version},
    )
    return plan
