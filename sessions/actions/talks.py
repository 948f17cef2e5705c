"""The talk after a dose: a dose that has none in its hours gets a time held for one, and somebody decides.

Rows are the queue: the clock looks for doses without a talk, whatever they lost it by (docs/decisions/0039-the-rest-of-a-course.md).
"""

import uuid
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import Role, User, WorkItem
from patients.models import LifeState, Patient
from sessions import availability, courserest, timetable
from sessions.actions import attendance, changes, freed, holds, visits
from sessions.actions.holds import Team
from sessions.actions.placing import Place
from sessions.courseplan import TALK_WITHIN
from sessions.models import INTEGRATION, TALKS, Appointment, FreedSlot, VisitMove, VisitType, WaitlistOffer
from sessions.models.visits import AppointmentQuerySet

# Whom it concerns looks at their list once a working day: two days reach over one of them, and no longer blocks a therapist and a room.
HELD_FOR = timedelta(hours=48)
# Whoever has just booked or moved a dose, or cancelled its talk, is about to see to the talk themselves.
LEAVE_ALONE = timedelta(minutes=10)
# Doses of one round of the clock.
ROUND = 50
# The first key of the lock under which one dose is looked after.
LOCK = 7205
Kind, Status = WorkItem.Kind, Appointment.Status


class NotHeldForThem(Refused):
    """The visit is not a time that is held for a talk after a dose."""


def _kept() -> QuerySet[Appointment]:
    """Return the times that were ever held for a talk, and not by the waitlist, whatever became of them."""
    offered = WaitlistOffer.objects.values("appointment_id")
    return Appointment.objects.filter(visit_type__code__in=TALKS, held_until__isnull=False).exclude(pk__in=offered)


def _in_hours_of_a_dose() -> AppointmentQuerySet:
    """Return the visits of the patient of an outer dose that begin in the hours for its talk."""
    return Appointment.objects.filter(
        patient=OuterRef("patient_id"), visit_type__code__in=TALKS,
        starts_at__gte=OuterRef("ends_at") + TALK_WITHIN[0], starts_at__lte=OuterRef("ends_at") + TALK_WITHIN[1],
    )  # fmt: skip


def without_talk(now: datetime) -> QuerySet[Appointment]:
    """Return the doses whose hours for a talk are not over and hold none, the soonest first."""
    doses = Appointment.objects.live().filter(
        visit_type__is_dosing=True, ends_at__gt=now - TALK_WITHIN[1], booked_at__lte=now - LEAVE_ALONE
    )
    doses = doses.exclude(patient__life_state__in=[LifeState.DISCHARGED, LifeState.DECEASED])
    return doses.filter(~Exists(_in_hours_of_a_dose().live())).order_by("starts_at", "id")


def look_after(*, by: User, now: datetime) -> int:
    """Hold a time for the talk of each dose that has none, and settle what was decided or ran out. Return how many were held.

    Each dose is a transaction of its own, and looked at again under its lock: two rounds at once do it once.
    """
    _settle(by=by, now=now)
    due = list(without_talk(now).values_list("pk", flat=True)[:ROUND])
    return sum(_hold(by=by, pk=pk, now=now) for pk in due)


@transaction.atomic
def _hold(*, by: User, pk: uuid.UUID, now: datetime) -> bool:
    """Hold the best time for one dose's talk, or say that there is none. Return whether one is held now.

    Never twice for one dose at one time: what was let go or ran out is not held again, until the dose moves or a booked talk falls out.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [LOCK, str(pk)])
        if not cursor.fetchone()[0]:
            return False
    dose = without_talk(now).filter(pk=pk).select_related("patient", "location", "clinician").first()
    kind = VisitType.objects.current().filter(code=INTEGRATION).first()
    if dose is None or kind is None:
        return False
    since = _since(dose)
    missing = WorkItem.objects.filter(kind=Kind.TALK_MISSING, subject_id=pk, created_at__gte=since)
    if since > now - LEAVE_ALONE or missing.exists() or _hours(dose, _kept()).filter(booked_at__gte=since).exists():
        return False
    place = _place(dose, kind, now)
    if place is None:
        _say_missing(by=by, dose=dose, now=now)
        return False
    try:
        talk = visits.hold(by=by, place=place, until=min(now + HELD_FOR, place.starts_at), now=now)
    except Refused:
        # Somebody took it at this very moment, or somebody books there: the next round looks again.
        return False
    _open(by=by, kind=Kind.TALK_TO_SET, subject=talk, dose=dose, due_at=talk.held_until or now, now=now)
    return True


def _hours(dose: Appointment, visits_of: QuerySet[Appointment]) -> QuerySet[Appointment]:
    """Return those of some visits that are the patient's and begin in the hours for the talk of a dose."""
    first, last = (dose.ends_at + one for one in TALK_WITHIN)
    return visits_of.filter(patient=dose.patient_id, starts_at__gte=first, starts_at__lte=last)


def _since(dose: Appointment) -> datetime:
    """Return since when a dose is at its time, or without the talk that was booked after it."""
    moments = [dose.booked_at]
    moments += (
        VisitMove.objects.filter(appointment=dose)
        .exclude(starts_from=F("starts_to"))
        .values_list("moved_at", flat=True)
    )
    fell_out = Appointment.objects.filter(visit_type__code__in=TALKS, held_until=None)
    for gone in _hours(dose, fell_out).values_list("cancelled_at", "no_show_at"):
        moments += [moment for moment in gone if moment is not None]
    return max(moments)


def _place(dose: Appointment, kind: VisitType, now: datetime) -> Place | None:
    """Return the best place for the talk after a dose: with whom the dose was, else the earliest. None when there is none."""
    location, tz = dose.location, dose.location.tz
    choices = timetable.choices(location, kind)
    first, last = (dose.ends_at + one for one in TALK_WITHIN)
    start, end = first - timedelta(days=1), last + timedelta(days=1)
    taken = timetable.held([*choices.resources, dose.patient_id], start, end)
    openings = availability.open_slots(
        timetable.read(location, people=choices.everybody, taken=taken, start=start, end=end), timetable.need_of(kind),
        clinicians=choices.clinicians, others=choices.others, devices=choices.kits, rooms=list(choices.rooms),
        patient=dose.patient_id, first=localtime.day_of(first, tz), last=localtime.day_of(last, tz), now=now,
    )  # fmt: skip
    best = courserest.best_talk((dose.starts_at, dose.ends_at), openings, dose.clinician_id)
    if best is None:
        return None
    people = tuple(choices.everybody[pk] for pk in (best.clinician_id, *best.others))
    team = Team(people, tuple(choices.devices[pk] for pk in best.devices))
    room = choices.rooms[best.room_id] if best.room_id else None
    return Place(location, kind, team, room, dose.patient, best.starts_at)


def _open(
    *, by: User, kind: WorkItem.Kind, subject: Appointment, dose: Appointment, due_at: datetime, now: datetime
) -> None:
    """Open the item of whoever the dose is with, or of the desk when they left."""
    who = dose.clinician if dose.clinician.is_active else None
    worklist.open_item(
        by=by, kind=kind, location=dose.location, subject_type="appointment", subject_id=subject.pk,
        patient_id=dose.patient_id, owner=who, owner_role=None if who else Role.FRONT_DESK, due_at=due_at, now=now,
    )  # fmt: skip


def _say_missing(*, by: User, dose: Appointment, now: datetime) -> None:
    _open(
        by=by,
        kind=Kind.TALK_MISSING,
        subject=dose,
        dose=dose,
        due_at=min(now + HELD_FOR, max(now, dose.ends_at)),
        now=now,
    )


def _settle(*, by: User, now: datetime) -> None:
    """Let go of times that are held for nothing any more, and close the items about what is decided."""
    for talk in _kept().filter(status=Status.HELD).select_related("patient")[:ROUND]:
        if not _is_wanted(talk):
            _let_go(by=by, pk=talk.pk, patient_id=talk.patient_id, now=now)
    asked = WorkItem.objects.open().filter(kind=Kind.TALK_TO_SET)
    for talk in Appointment.objects.filter(pk__in=asked.values("subject_id")).exclude(status=Status.HELD)[:ROUND]:
        outcome = WorkItem.Outcome.NOT_NEEDED if talk.is_cancelled else WorkItem.Outcome.DONE
        worklist.close_about(by=by, kind=Kind.TALK_TO_SET, subject_id=talk.pk, outcome=outcome, now=now)
        # What somebody let go is decided; what ran out is not.
        if talk.is_cancelled and talk.cancelled_at and talk.held_until and talk.cancelled_at < talk.held_until:
            continue
        for dose in without_talk(now).filter(patient=talk.patient_id).select_related("location", "clinician"):
            if _hours(dose, _kept()).filter(pk=talk.pk).exists():
                _say_missing(by=by, dose=dose, now=now)
    missed = WorkItem.objects.open().filter(kind=Kind.TALK_MISSING)
    still = without_talk(now).values("pk")
    for pk in list(missed.exclude(subject_id__in=still).values_list("subject_id", flat=True)[:ROUND]):
        worklist.close_about(by=by, kind=Kind.TALK_MISSING, subject_id=pk, outcome=WorkItem.Outcome.NOT_NEEDED, now=now)


def _is_wanted(talk: Appointment) -> bool:
    """Return whether a held time is still the only one in the hours of some dose that takes place."""
    doses = Appointment.objects.live().filter(
        visit_type__is_dosing=True, patient=talk.patient_id,
        ends_at__lte=talk.starts_at - TALK_WITHIN[0], ends_at__gte=talk.starts_at - TALK_WITHIN[1],
    )  # fmt: skip
    others = _in_hours_of_a_dose().live().exclude(pk=talk.pk).exclude(status=Status.HELD)
    return doses.filter(~Exists(others)).exists()


@transaction.atomic
def _let_go(*, by: User, pk: uuid.UUID, patient_id: uuid.UUID, now: datetime) -> None:
    Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    talk = Appointment.objects.locked().get(pk=pk)
    if talk.status == Status.HELD and not _is_wanted(talk):
        freed.note(visit=talk, team=None, because=FreedSlot.Because.EXPIRED, now=now)
        changes.release(by=by, visit=talk, now=now)


@transaction.atomic
def confirm(*, by: User, appointment: Appointment, seen_version: int, now: datetime) -> Appointment:
    """Return the visit, the patient having said yes: a planned one confirmed (``attendance.confirm``), a held talk booked.

    Refuses a time that the waitlist offers, one that is over or let go, and what booking refuses by now.
    """
    if appointment.status != Status.HELD:
        return attendance.confirm(by=by, appointment=appointment, seen_version=seen_version, now=now)
    with holds.last_word():
        patient = Patient.objects.select_for_update(no_key=True).get(pk=appointment.patient_id)
        visit = Appointment.objects.locked().get(pk=appointment.pk)
        if visit.version != seen_version:
            raise changes.ChangedMeanwhile(visit)
        if visit.status != Status.HELD or not _kept().filter(pk=visit.pk).exists():
            raise NotHeldForThem(
                _("This time is not held for this patient alone. Wait for the answer on the waitlist.")
            )
        visit.patient = patient
        visits.take_up(by=by, visit=visit, now=now)
    worklist.close_about(by=by, kind=Kind.TALK_TO_SET, subject_id=visit.pk, outcome=WorkItem.Outcome.DONE, now=now)
    return visit
