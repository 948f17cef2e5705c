"""Visits that cannot take place as they are booked, and visits nobody said the end of: put before the desk.

A death, a leaver, time off, a closure or new hours are written on lower floors and know nothing of visits. What they mean
for visits is computed here, by the clock, so that no way of writing them is forgotten (docs/architecture.md, 1).
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from clinic import localtime
from clinic.actions import worklist
from clinic.models import Closure, Location, Membership, Role, TimeOff, User, WorkItem
from patients.models import LifeState
from sessions import availability, dosegate, timetable
from sessions.availability import Obstacle
from sessions.models import RECORD_WITHIN, Appointment, Block

# The desk looks within a day, and in any case this long before the patient sets out.
LOOK_WITHIN = timedelta(days=1)
BEFORE_START = timedelta(hours=3)
# A visit without an end is asked about for so long; older ones came from elsewhere or are history.
ASKED_ABOUT_FOR = RECORD_WITHIN
SAY_WITHIN = timedelta(hours=4)
Kind, Status = WorkItem.Kind, Appointment.Status

_NEEDS_AN_END = frozenset({Status.REQUESTED, Status.HELD, Status.BOOKED, Status.CONFIRMED, Status.CHECKED_IN, Status.IN_PROGRESS})  # fmt: skip


@dataclass(frozen=True)
class Hindrance:
    """Why a visit cannot take place as booked, for staff, and since when that is known where the record says so."""

    words: str | Promise
    since: datetime | None = None


@transaction.atomic
def find(*, by: User, location: Location, now: datetime) -> int:
    """Open an item for each visit to come that cannot take place as booked, and close those that can again.

    Return how many were opened. What a person closed is not opened again unless something new came between.
    """
    visits = list(
        Appointment.objects.filter(location=location, status__in=Appointment.OPEN, starts_at__gt=now)
        .select_related("patient", "clinician", "room", "visit_type", "location")
        .order_by("starts_at", "id")
    )
    hindered = hindrances(visits, location=location, now=now)
    known = defaultdict[uuid.UUID, list[WorkItem]](list)
    about = {visit.pk for visit in visits}
    for item in WorkItem.objects.filter(kind=Kind.RECALL, location=location, subject_type="appointment"):
        known[item.subject_id].append(item)
    opened = 0
    for visit in visits:
        hindrance = hindered.get(visit.pk)
        if hindrance is None or any(item.closed_at is None for item in known[visit.pk]):
            continue
        decided = [item.closed_at for item in known[visit.pk] if item.closed_at and item.closed_by_id != by.pk]
        if decided and (hindrance.since is None or hindrance.since <= max(decided)):
            continue
        worklist.open_item(
            by=by, kind=Kind.RECALL, location=location, subject_type="appointment", subject_id=visit.pk,
            patient_id=visit.patient_id, owner_role=Role.FRONT_DESK, now=now,
            due_at=max(now, min(now + LOOK_WITHIN, visit.starts_at - BEFORE_START)),
        )  # fmt: skip
        opened += 1
    for subject_id, items in known.items():
        if any(item.closed_at is None for item in items) and (subject_id not in about or subject_id not in hindered):
            worklist.close_about(
                by=by, kind=Kind.RECALL, subject_id=subject_id, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
            )
    return opened


def hindrances(visits: Iterable[Appointment], *, location: Location, now: datetime) -> dict[uuid.UUID, Hindrance]:
    """Return what keeps visits of one location from taking place, by visit; in a fixed number of queries.

    The visits come with patient, clinician, room and kind. Who died or was discharged comes first, then the clinician,
    the room, a dose that lies too near an earlier one, and last closures, time off and hours.
    """
    visits = list(visits)
    if not visits:
        return {}
    teams = teams_of(visits)
    people = {who.pk for team in teams.values() for who in team}
    start, end = min(visit.starts_at for visit in visits), max(visit.ends_at for visit in visits)
    calendar = timetable.read(location, people=people, taken=timetable.NOTHING_TAKEN, start=start, end=end)
    roles = set(Membership.objects.live().filter(location=location, user__in=people).values_list("user_id", "role"))
    ended = dict(
        Membership.objects.filter(location=location, user__in=people, ended_at__isnull=False)
        .order_by("ended_at")
        .values_list("user_id", "ended_at")
    )
    away = list(TimeOff.objects.filter(user__in=people, cancelled_at=None, during__overlap=(start, end)))
    shut = list(Closure.objects.filter(location=location, cancelled_at=None, during__overlap=(start, end)))
    crowded = _of_the_doses_before(visits, now)
    found: dict[uuid.UUID, Hindrance] = {}
    for visit in visits:
        team = teams[visit.pk]
        hindrance = (
            _of_people_and_places(visit, team, roles, ended)
            or crowded.get(visit.pk)
            or _of_the_calendar(visit, team, calendar, away, shut, now)
        )
        if hindrance is not None:
            found[visit.pk] = hindrance
    return found


def teams_of(visits: list[Appointment]) -> dict[uuid.UUID, list[User]]:
    """Return the people of each visit in the order of its kind's seats, in one query."""
    shared = [visit for visit in visits if visit.visit_type.shape.others]
    by_visit: dict[uuid.UUID, dict[str, User]] = defaultdict(dict)
    if shared:
        for block in Block.objects.filter(appointment__in=shared).select_related("person"):
            by_visit[block.appointment_id][block.duty] = block.person
    return {
        visit.pk: [
            visit.clinician, *(by_visit[visit.pk].get(seat.duty, visit.clinician) for seat in visit.visit_type.shape.others)
        ]
        for visit in visits
    }  # fmt: skip


def _of_people_and_places(
    visit: Appointment,
    team: list[User],
    roles: set[tuple[uuid.UUID, str]],
    ended: dict[uuid.UUID, datetime | None],
) -> Hindrance | None:
    patient = visit.patient
    if patient.life_state == LifeState.DECEASED:
        return Hindrance(_("The patient has died. Cancel the visit; no letter goes out."), patient.life_state_since)
    if patient.life_state == LifeState.DISCHARGED:
        return Hindrance(
            _("The patient is discharged and gets no letters. Ask them whether they are coming, then cancel or keep it."),
            patient.life_state_since,
        )  # fmt: skip
    for who, seat in zip(team, visit.visit_type.shape.seats, strict=True):
        if not who.is_active or not any((who.pk, role) in roles for role in seat.roles):
            return Hindrance(
                _("The clinician no longer works here in this role. Move the visit to somebody else."),
                who.left_at or ended.get(who.pk),
            )  # fmt: skip
    if visit.room is not None and not visit.room.is_in_use:
        return Hindrance(_("The room is no longer in use. Move the visit to another room."))
    return None


def _of_the_doses_before(visits: list[Appointment], now: datetime) -> dict[uuid.UUID, Hindrance]:
    """Return the dosing visits that lie too near an earlier dose of their patient, at whichever location; in one query.

    Booking refuses that (domain.md 3.4, 8.2). It comes about afterwards: a dose that counted as missed is recorded as
    given, or the policy asks for more days than it did.
    """
    dosing = [visit for visit in visits if visit.visit_type.is_dosing]
    if not dosing:
        return {}
    days = dosegate.days_between(now)
    # A day more than the distance, since the clock on the wall may reckon an hour otherwise.
    reach = timedelta(days=days + 1)
    given = defaultdict[uuid.UUID, list[Appointment]](list)
    for dose in (
        Appointment.objects.live()
        .filter(
            patient__in={visit.patient_id for visit in dosing},
            visit_type__is_dosing=True,
            starts_at__gt=min(visit.starts_at for visit in dosing) - reach,
            starts_at__lt=max(visit.starts_at for visit in dosing),
        )
        .select_related("location")
        .order_by("starts_at")
    ):
        given[dose.patient_id].append(dose)
    found: dict[uuid.UUID, Hindrance] = {}
    for visit in dosing:
        before = [dose for dose in given[visit.patient_id] if dose.starts_at < visit.starts_at]
        near = dosegate.too_near(before, visit.starts_at, visit.location.tz, days)
        if near:
            found[visit.pk] = Hindrance(
                _("There are less than %(hours)d hours to the dose on %(when)s. Move this visit to a later time, and tell the patient.")
                % {"hours": days * 24, "when": localtime.moment_text(near[-1].starts_at, near[-1].location.tz)},
                near[-1].recorded_at,
            )  # fmt: skip
    return found


def _of_the_calendar(
    visit: Appointment,
    team: list[User],
    calendar: availability.Calendar,
    away: list[TimeOff],
    shut: list[Closure],
    now: datetime,
) -> Hindrance | None:
    # Nothing is taken in this calendar, so devices are no obstacle either.
    need = replace(timetable.need_of(visit.visit_type), devices=())
    found = availability.hitch(
        calendar, need, starts_at=visit.starts_at, clinician=team[0].pk, others=[who.pk for who in team[1:]],
        room=visit.room_id, patient=visit.patient_id, now=now,
    )  # fmt: skip
    obstacle = found[0] if found else None

    def overlaps(stretch: TimeOff | Closure) -> bool:
        return stretch.starts_at < visit.ends_at and visit.starts_at < stretch.ends_at

    if obstacle == Obstacle.CLOSURE:
        since = max((closure.entered_at for closure in shut if overlaps(closure)), default=None)
        return Hindrance(_("The location is shut then. Move or cancel the visit, and tell the patient."), since)
    missed = {visit.clinician_id, found[1] if found else None}
    absences = [off.entered_at for off in away if off.user_id in missed and overlaps(off)]
    if absences:
        return Hindrance(
            _("The clinician is away then. Move the visit, or give it to somebody else, and tell the patient."),
            max(absences),
        )  # fmt: skip
    if obstacle in {Obstacle.SHUT, Obstacle.NOT_WORKING}:
        return Hindrance(_("The visit lies outside opening or working hours. Move it, or correct the hours."))
    return None


@transaction.atomic
def ask_the_end(*, by: User, location: Location, now: datetime) -> int:
    """Open an item for each visit of a past day that nobody said the end of, and close those that have one by now.

    At midnight such a visit leaves the day's page: without this nobody would look for a patient who never came. Return
    how many were opened; each visit is asked about once.
    """
    today, _tomorrow = localtime.day_bounds(localtime.day_of(now, location.tz), location.tz)
    open_ended = Appointment.objects.filter(location=location, status__in=_NEEDS_AN_END, starts_at__lt=today)
    asked = WorkItem.objects.filter(kind=Kind.UNSETTLED_VISIT, location=location)
    opened = 0
    unasked = open_ended.filter(starts_at__gte=today - ASKED_ABOUT_FOR).exclude(pk__in=asked.values("subject_id"))
    for visit in unasked.select_related("location"):
        ask_what_became(by=by, visit=visit, now=now)
        opened += 1
    waiting = asked.filter(closed_at=None).exclude(subject_id__in=open_ended.values("pk"))
    for subject_id in list(waiting.values_list("subject_id", flat=True)):
        worklist.close_about(
            by=by, kind=Kind.UNSETTLED_VISIT, subject_id=subject_id, outcome=WorkItem.Outcome.DONE, now=now
        )
    return opened


@transaction.atomic
def ask_what_became(*, by: User, visit: Appointment, now: datetime) -> WorkItem:
    """Return the item that asks the desk what became of a visit of a past day, made now unless it is open already."""
    return worklist.open_item(
        by=by, kind=Kind.UNSETTLED_VISIT, location=visit.location, subject_type="appointment", subject_id=visit.pk,
        patient_id=visit.patient_id, owner_role=Role.FRONT_DESK, due_at=now + SAY_WITHIN, now=now,
    )  # fmt: skip
