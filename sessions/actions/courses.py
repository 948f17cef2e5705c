"""Courses: a series of doses with the talks after them, booked all together or not at all.

How a course is laid into openings is in ``sessions/courseplan.py``; one visit alone is booked in ``visits``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.errors import Refused
from clinic.models import Location, Room, User
from patients.models import Patient
from sessions.actions import holds, visits
from sessions.actions.holds import Team
from sessions.models import Course, VisitType


class NotAllOfIt(Refused):
    """One visit of the course cannot be booked, so none is. ``at`` is its time."""

    def __init__(self, at: datetime, location: Location, why: Refused) -> None:
        super().__init__(
            _("Nothing was booked, because of the visit on %(when)s: %(why)s")
            % {"when": localtime.moment_text(at, location.tz), "why": why.message}
        )
        self.at = at


class EmptyCourse(Refused):
    """There is nothing to book, or nothing but talks."""


@dataclass(frozen=True)
class Planned:
    """One visit of a course: of which kind, with whom and where, and when."""

    visit_type: VisitType
    team: Team
    room: Room | None
    starts_at: datetime


@transaction.atomic
def book_course(
    *,
    by: User,
    patient: Patient,
    location: Location,
    planned: Sequence[Planned],
    told_by_phone: bool,
    now: datetime,
) -> Course:
    """Return the course, every visit of it booked, as ``visits.book_visit`` books one.

    Refuses with the first visit that cannot be booked and why (it is taken, a dose lacks something, doses are too near each other),
    and then books none; and a course without a dose.
    """
    if not any(one.visit_type.is_dosing for one in planned):
        raise EmptyCourse(_("There is no dose in this course. Plan it again."))
    in_order = sorted(planned, key=lambda one: one.starts_at)
    course = Course.objects.create(
        patient=patient, location=location, doses=sum(one.visit_type.is_dosing for one in planned), booked_by=by,
        booked_at=now,
    )  # fmt: skip
    with holds.last_word():
        # Everything that any of them takes is locked at once and in order: one visit's locks after another's could end in a deadlock.
        rooms = {one.room.pk for one in in_order if one.room is not None}
        holds.lock_team(rooms, [one.team for one in in_order], patient.pk)
        for one in in_order:
            _book(one, course, by=by, patient=patient, location=location, told_by_phone=told_by_phone, now=now)
    audit.record(
        by, audit.Verb.COURSE_BOOKED, course, now=now, details={"visits": len(in_order), "doses": course.doses}
    )
    return course


def _book(
    one: Planned,
    course: Course,
    *,
    by: User,
    patient: Patient,
    location: Location,
    told_by_phone: bool,
    now: datetime,
) -> None:
    try:
        visits.book_for_course(
            by=by, course=course, patient=patient, team=one.team, room=one.room, starts_at=one.starts_at,
            location=location, visit_type=one.visit_type, told_by_phone=told_by_phone and _is_soon(one, now), now=now,
        )  # fmt: skip
    except Refused as refusal:
        raise NotAllOfIt(one.starts_at, location, refusal) from refusal


def _is_soon(one: Planned, now: datetime) -> bool:
    """Return whether the kind of visit asks for a word on the phone at that time: only that visit is confirmed by it."""
    return (one.starts_at - now).total_seconds() < one.visit_type.phone_within_hours * 3600
