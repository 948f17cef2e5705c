"""Kinds of visit: a change is a new version, and booked visits keep theirs."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit
from clinic.errors import Refused
from clinic.models import Role, Room, User
from sessions.models import VisitType

DAY_MINUTES = 24 * 60


class ImpossibleVisit(Refused):
    """No visit can be like that."""


@transaction.atomic
def publish(
    *,
    by: User,
    code: str,
    name: str,
    patient_name: str,
    minutes: int,
    role: Role,
    now: datetime,
    room_kind: Room.Kind | None = None,
    overrun_minutes: int = 0,
    turnover_minutes: int = 0,
    grid_minutes: int = 15,
    no_show_after_minutes: int = 15,
    notice_hours: int = 24,
    patient_may_request_change: bool = True,
    what_to_bring: str = "",
) -> VisitType:
    """Return the new version of a kind of visit, which is what is booked from now on.

    Refuses a length that does not fit a day with its buffers, and starts that are not between 5 and 240 minutes apart.
    """
    if minutes <= 0 or minutes + overrun_minutes + turnover_minutes > DAY_MINUTES:
        raise ImpossibleVisit(_("A visit takes at least a minute and, with its buffers, at most a day."))
    if not 5 <= grid_minutes <= 240:
        raise ImpossibleVisit(_("Starts are between 5 and 240 minutes apart."))
    versions = VisitType.objects.select_for_update(no_key=True).filter(code=code)
    latest = max((version.version for version in versions), default=0)
    VisitType.objects.filter(code=code, is_current=True).update(is_current=False)
    visit_type = VisitType.objects.create(
        code=code,
        version=latest + 1,
        name=name,
        patient_name=patient_name,
        minutes=minutes,
        role=role,
        room_kind=room_kind or "",
        overrun_minutes=overrun_minutes,
        turnover_minutes=turnover_minutes,
        grid_minutes=grid_minutes,
        no_show_after_minutes=no_show_after_minutes,
        notice_hours=notice_hours,
        patient_may_request_change=patient_may_request_change,
        what_to_bring=what_to_bring,
    )
    audit.record(
        by, audit.Verb.VISIT_TYPE_PUBLISHED, visit_type, now=now, details={"code": code, "version": visit_type.version}
    )
    return visit_type
