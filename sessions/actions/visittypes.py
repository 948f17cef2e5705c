"""Kinds of visit: a change is a new version, and booked visits keep theirs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit
from clinic.errors import Refused
from clinic.models import Device, Role, Room, User
from sessions import shape, visitkinds
from sessions.actions import reminderplans
from sessions.models import Block, ReminderPlan, VisitType

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
    closing_margin_minutes: int = 0,
    parts: Sequence[Mapping[str, Any]] = (),
    seats: Sequence[Mapping[str, Any]] = (),
    devices: Sequence[Mapping[str, Any]] = (),
    bookers: VisitType.Bookers = VisitType.Bookers.ANYBODY,
    is_dosing: bool = False,
    is_remote: bool = False,
    phone_within_hours: int = 0,
) -> VisitType:
    """Return the new version of a kind of visit, which is what is booked from now on.

    Refuses a length that does not fit a day with its buffers, starts that are not between 5 and 240 minutes apart, a shape that
    ``sessions/shape.py`` cannot read, and a visit from afar with a room.
    """
    if minutes <= 0 or minutes + overrun_minutes + turnover_minutes > DAY_MINUTES:
        raise ImpossibleVisit(_("A visit takes at least a minute and, with its buffers, at most a day."))
    if not 5 <= grid_minutes <= 240:
        raise ImpossibleVisit(_("Starts are between 5 and 240 minutes apart."))
    if is_remote and room_kind:
        raise ImpossibleVisit(_("A visit from afar takes no room."))
    _guard_shape(minutes, overrun_minutes, role, parts, seats, devices)
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
        closing_margin_minutes=closing_margin_minutes,
        parts=list(parts),
        seats=list(seats),
        devices=list(devices),
        bookers=bookers,
        is_dosing=is_dosing,
        is_remote=is_remote,
        phone_within_hours=phone_within_hours,
    )
    audit.record(
        by, audit.Verb.VISIT_TYPE_PUBLISHED, visit_type, now=now, details={"code": code, "version": visit_type.version}
    )
    return visit_type


@transaction.atomic
def publish_first(*, by: User, now: datetime) -> list[VisitType]:
    """Return the kinds of ``sessions/visitkinds.py`` that this clinic had not, published, with the letters about them.

    A kind it has, in whatever version, is its own and stays.
    """
    there = set(VisitType.objects.values_list("code", flat=True))
    found = [publish(by=by, now=now, **row) for row in visitkinds.FIRST_KINDS if row["code"] not in there]
    planned = set(ReminderPlan.objects.values_list("visit_type_code", flat=True))
    for kind in found:
        if kind.code not in planned:
            reminderplans.publish(by=by, visit_type_code=kind.code, lines=reminderplans.FIRST_LINES, now=now)
    return found


def _guard_shape(
    minutes: int,
    overrun: int,
    role: Role,
    parts: Sequence[Mapping[str, Any]],
    seats: Sequence[Mapping[str, Any]],
    devices: Sequence[Mapping[str, Any]],
) -> None:
    """Refuse a shape that cannot be read, or that names a part, a duty, a role or a device that there is not."""
    try:
        found = shape.read(minutes=minutes, overrun=overrun, role=role, parts=parts, seats=seats, devices=devices)
    except shape.BadShape as wrong:
        raise ImpossibleVisit(str(wrong)) from wrong
    known = (
        (Block.Kind.values, [part.kind for part in found.parts]),
        (Block.Duty.values, [seat.duty for seat in found.seats]),
        (Role.values, [one for seat in found.seats for one in seat.roles]),
        (Device.Kind.values, [one.kind for one in found.equipment]),
    )
    for names, used in known:
        if unknown := sorted(set(used) - set(names)):
            raise ImpossibleVisit(
                _("There is no “%(name)s”. Choose one of: %(known)s.") % {"name": unknown[0], "known": ", ".join(names)}
            )
