"""Courses: a series of doses with the talks after them, booked all together or not at all.

How a course is laid into openings is in ``sessions/courseplan.py``; one visit alone is booked in ``visits``.
"""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.errors import Refused
from clinic.models import Location, Room, User
from patients.models import Patient
from sessions import courserest
from sessions.actions import changes, holds, visits
from sessions.actions.holds import Team
from sessions.models import Appointment, Course, VisitType


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


class OutOfItsHours(Refused):
    """A talk would lie too near to its dose, or too far from it."""


@dataclass(frozen=True)
class Planned:
    """One visit of a course: of which kind, with whom and where, and when."""

    visit_type: VisitType
    team: Team
    room: Room | None
    starts_at: datetime


@dataclass(frozen=True)
class Moved:
    """Another place for one visit of a course, and which version of it was looked at. ``place`` is of the visit's own kind."""

    visit: Appointment
    seen_version: int
    place: Planned


@dataclass(frozen=True)
class Dropped:
    """One visit of a course that has no place any more and is cancelled, and which version of it was looked at."""

    visit: Appointment
    seen_version: int


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


@transaction.atomic
def plan_rest(
    *,
    by: User,
    course: Course,
    moved: Sequence[Moved],
    added: Sequence[Planned],
    dropped: Sequence[Dropped],
    told_by_phone: bool,
    now: datetime,
) -> Course:
    """Return the course with its rest planned anew: visits moved, booked again in place of what fell out, and cancelled.

    All of it or none. Refuses with the first visit that cannot come to its place and why: it has begun, is over or was changed since it
    was looked at, something is taken, a dose lacks something, doses are too near each other; and a talk outside its hours after a dose.
    """
    if not (moved or added or dropped):
        raise EmptyCourse(_("Nothing of this course changes. It stays as it is."))
    location, patient = course.location, course.patient
    with holds.last_word():
        own = _lock_all(course, moved, added, dropped)
        for drop in dropped:
            with _about(drop.visit.starts_at, location):
                _drop(drop, by=by, now=now)
        for one in moved:
            with _about(one.visit.starts_at, location):
                _guard_to_come(own[one.visit.pk], now)
        # A visit may take the place of another one that moves on.
        for one in moved:
            holds.let_go(own[one.visit.pk])
        waiting = {one.visit.pk: one.visit for one in moved}
        for one in sorted(moved, key=lambda move: move.place.starts_at):
            with _about(one.place.starts_at, location):
                changes.move_for_course(
                    by=by, appointment=one.visit, team=one.place.team, room=one.place.room,
                    starts_at=one.place.starts_at, seen_version=one.seen_version, not_yet_moved=waiting.values(), now=now,
                )  # fmt: skip
            del waiting[one.visit.pk]
        for place in sorted(added, key=lambda place: place.starts_at):
            _book(place, course, by=by, patient=patient, location=location, told_by_phone=told_by_phone, now=now)
        _guard_talks([*(one.place for one in moved), *added], course)
    audit.record(
        by, audit.Verb.COURSE_REPLANNED, course, now=now,
        details={"moved": len(moved), "added": len(added), "cancelled": len(dropped)},
    )  # fmt: skip
    return course


def _lock_all(
    course: Course, moved: Sequence[Moved], added: Sequence[Planned], dropped: Sequence[Dropped]
) -> dict[uuid.UUID, Appointment]:
    """Lock what every visit takes and will take, at once and in order, then the visits; return these. Refuses one changed meanwhile."""
    touched: list[Moved | Dropped] = [*moved, *dropped]
    seen = {one.visit.pk: one.seen_version for one in touched}
    places = [*(one.place for one in moved), *added]
    rooms = {one.room.pk for one in places if one.room is not None}
    rooms |= {one.visit.room_id for one in moved if one.visit.room_id is not None}
    teams = [*(one.team for one in places), *(holds.team_of(one.visit) for one in touched)]
    holds.lock_team(rooms, teams, course.patient_id)
    own = {visit.pk: visit for visit in Appointment.objects.locked().filter(pk__in=seen, course=course).order_by("pk")}
    for pk, version in seen.items():
        visit = own.get(pk)
        if visit is None or visit.version != version:
            raise changes.ChangedMeanwhile(visit or Appointment.objects.get(pk=pk))
    return own


@contextlib.contextmanager
def _about(at: datetime, location: Location) -> Iterator[None]:
    """Do what is done with one visit of a course: a refusal says of which."""
    try:
        yield
    except Refused as refusal:
        raise NotAllOfIt(at, location, refusal) from refusal


def _guard_to_come(visit: Appointment, now: datetime) -> None:
    """Refuse to move a visit that should have begun, whether somebody said so or not."""
    if visit.starts_at <= now:
        raise changes.NotPossibleNow(_("It has begun or is over. Plan the rest around it."))


def _drop(drop: Dropped, *, by: User, now: datetime) -> None:
    changes.cancel(
        by=by, appointment=drop.visit, cancelled_by=Appointment.CancelledBy.CLINIC, reason=Appointment.CancelReason.OTHER,
        note="", seen_version=drop.seen_version, now=now,
    )  # fmt: skip


def _guard_talks(places: Sequence[Planned], course: Course) -> None:
    """Refuse a talk that got another place and lies in no dose's hours."""
    ends = Appointment.objects.live().filter(patient=course.patient, visit_type__is_dosing=True)
    doses = list(ends.values_list("starts_at", "ends_at"))
    for one in places:
        span = (one.starts_at, one.starts_at + one.visit_type.duration)
        if not one.visit_type.is_dosing and not any(courserest.is_within(dose, span) for dose in doses):
            with _about(one.starts_at, course.location):
                raise OutOfItsHours(_("The talk is not one to three days after a dose. Choose another time for it."))


def is_out_of_joint(course: Course, now: datetime) -> bool:
    """Return whether something of a course wants to be planned anew: a dose fell out, or one to come has no talk in its hours."""
    visits = list(Appointment.objects.live().filter(course=course).order_by("starts_at").select_related("visit_type"))
    if not any(visit.starts_at > now for visit in visits):
        return False
    doses = [(one.starts_at, one.ends_at) for one in visits if one.visit_type.is_dosing]
    talks = [(one.starts_at, one.ends_at) for one in visits if not one.visit_type.is_dosing]
    own, left_over = courserest.pair_up(doses, talks)
    fits = all(at is not None and courserest.is_within(dose, talks[at]) for dose, at in zip(doses, own, strict=True))
    return len(doses) < course.doses or bool(left_over) or not fits


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
    with _about(one.starts_at, location):
        visits.book_for_course(
            by=by, course=course, patient=patient, team=one.team, room=one.room, starts_at=one.starts_at,
            location=location, visit_type=one.visit_type, told_by_phone=told_by_phone and _is_soon(one, now), now=now,
        )  # fmt: skip


def _is_soon(one: Planned, now: datetime) -> bool:
    """Return whether the kind of visit asks for a word on the phone at that time: only that visit is confirmed by it."""
    return (one.starts_at - now).total_seconds() < one.visit_type.phone_within_hours * 3600
