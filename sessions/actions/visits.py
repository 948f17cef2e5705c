"""Visits: booked, moved, cancelled, and what becomes of them on the day.

Whoever takes up time locks what it takes first (rooms, then people, each by id, then the patient), looks, and writes;
the exclusion constraint ``hold_resource_free`` has the last word (docs/decisions/0007-booking.md). What stands in the way
is said in a sentence by a refusal of its own.
"""

import contextlib
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from psycopg2.extras import DateTimeTZRange

from clinic import audit, localtime
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import Location, Membership, Role, Room, User, WorkItem
from patients.actions import crisis, referrals
from patients.models import LifeState, Patient, Referral
from sessions import availability, timetable
from sessions.actions import reminders
from sessions.availability import Obstacle, Opening
from sessions.models import Appointment, Block, ChangeRequest, Reminder, ResourceHold, VisitType

# How long a clerk waits for another one's booking of the same room, person or patient before being told.
LOCK_WAIT = "3s"
# Somebody who did not come is called within so many hours (domain.md 8.2: the same day).
CALL_THE_MISSED_WITHIN = timedelta(hours=2)
# A wish is answered this long before its visit at the latest, whatever the next working day is.
ANSWER_BEFORE = timedelta(hours=4)
# How far around the wished time alternatives are looked for, nearest first.
ALTERNATIVES_WITHIN_DAYS = (2, 21)

Status = Appointment.Status


class SlotTaken(Refused):
    """Somebody or something is taken at that time. ``alternatives`` are the nearest openings, in order of time."""

    def __init__(self, message: str | Promise, alternatives: tuple[Opening, ...] = ()) -> None:
        super().__init__(message)
        self.alternatives = alternatives


class Busy(Refused):
    """Somebody else is booking the same things at this very moment."""

    def __init__(self) -> None:
        super().__init__(
            _("Somebody else is booking the same room or person right now. Nothing was changed; try again in a moment.")
        )


class NotReadyToBook(Refused):
    """The enquiry is not at the point where a visit can be booked from it."""


class NotInCare(Refused):
    """The patient is discharged or has died."""


class InThePast(Refused):
    """The time is over."""

    def __init__(self) -> None:
        super().__init__(_("This time has passed. Choose a later one."))


class OffTheGrid(Refused):
    """Visits of this kind begin at other minutes."""

    def __init__(self, grid_minutes: int) -> None:
        super().__init__(
            _("Visits of this kind start every %(n)d minutes, counted from the full hour. Choose such a time.")
            % {"n": grid_minutes}
        )


class OutsideHours(Refused):
    """The place is shut or the person is not at work."""


class WrongClinician(Refused):
    """The person does not hold the role this kind of visit needs, here."""


class WrongRoom(Refused):
    """The room is elsewhere, out of use, missing or of another kind."""


class NotPossibleNow(Refused):
    """The visit's state does not allow it."""


class NotToday(Refused):
    """The visit is on another day."""


class TooEarly(Refused):
    """It may be said later."""


class TooLate(Refused):
    """It could have been said earlier."""


class ChangedMeanwhile(Refused):
    """Somebody changed the visit between the page and the answer."""

    def __init__(self, appointment: Appointment) -> None:
        super().__init__(
            _(
                "Somebody changed this visit while you were looking at it. It is now: %(now)s. Check it, then decide again."
            )
            % {"now": said(appointment)}
        )


class NothingChanged(Refused):
    """The visit is already as it was asked to be."""

    def __init__(self) -> None:
        super().__init__(_("The visit is at that time already, with that person in that room. Choose another."))


class AlreadyAsked(Refused):
    """There is an unanswered wish about this visit."""

    def __init__(self) -> None:
        super().__init__(_("You have asked about this visit already. We will answer; there is nothing more to do."))


class AlreadyAnswered(Refused):
    """Somebody answered the wish first."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has answered this already. Reload the page to see what was said."))


def said(appointment: Appointment) -> str:
    """Return time, person, room and state of a visit in one line, for a sentence to staff."""
    when = localtime.moment_text(appointment.starts_at, appointment.location.tz)
    parts = [when, appointment.clinician.name, *([appointment.room.name] if appointment.room else []), appointment.word]
    return ", ".join(str(part) for part in parts)


@contextlib.contextmanager
def _last_word() -> Iterator[None]:
    """Run the block in a savepoint, with a bounded wait, and turn the database's refusals into ours.

    Rolling the savepoint back lets go of the locks, so alternatives are looked for while nobody has to wait.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_WAIT])
            yield
    except IntegrityError as error:
        if getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") == "hold_resource_free":
            raise SlotTaken(_("This time has just been taken.")) from error
        raise
    except OperationalError as error:
        # 55P03: waited too long for a lock. 40P01: chosen to end a deadlock, which the order of locks rules out.
        if getattr(error.__cause__, "pgcode", "") in {"55P03", "40P01"}:
            raise Busy from error
        raise


def _lock(
    rooms: set[uuid.UUID], people: set[uuid.UUID], patient_id: uuid.UUID
) -> tuple[dict[uuid.UUID, Room], dict[uuid.UUID, User], Patient]:
    """Lock what a visit takes, always in this order, and return it as it is now."""
    own_rooms = Room.objects.select_for_update(no_key=True).filter(pk__in=rooms).order_by("pk")
    locked_rooms = {room.pk: room for room in own_rooms}
    own_people = User.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk")
    locked_people = {person.pk: person for person in own_people}
    return locked_rooms, locked_people, Patient.objects.select_for_update(no_key=True).get(pk=patient_id)


def _lock_visit(appointment: Appointment) -> Appointment:
    """Return the visit as it is now, locked, with what sentences about it need."""
    return (
        Appointment.objects.select_for_update(no_key=True, of=("self",))
        .select_related("location", "visit_type", "clinician", "room", "patient")
        .get(pk=appointment.pk)
    )


def _guard_in_care(patient: Patient) -> None:
    if patient.life_state in {LifeState.DISCHARGED, LifeState.DECEASED}:
        raise NotInCare(
            _("%(name)s is %(state)s, so no visit can be booked. Change the state of care on their page first.")
            % {"name": patient.called, "state": LifeState(patient.life_state).label}
        )


def _guard_place(
    *,
    location: Location,
    visit_type: VisitType,
    clinician: User,
    room: Room | None,
    patient: Patient,
    starts_at: datetime,
    now: datetime,
    ignoring: Appointment | None = None,
) -> None:
    """Refuse a time, person or room this visit cannot have. Everything named is locked already."""
    need = timetable.need_of(visit_type)
    ends_at = starts_at + need.duration + need.room_tail
    room_id = room.pk if room else None
    resources = [clinician.pk, patient.pk, *([room_id] if room_id else [])]
    taken = timetable.held(resources, starts_at, ends_at, ignoring)
    # Who loses a race is told at once: the others wait behind these locks.
    clash = availability.clash(
        taken, need, starts_at=starts_at, clinician=clinician.pk, room=room_id, patient=patient.pk
    )
    if clash is not None:
        raise _refusal(clash, location, visit_type, clinician, room, patient)
    holds_role = Membership.objects.live().filter(user=clinician, location=location, role=visit_type.role).exists()
    if not holds_role or not clinician.is_active:
        raise WrongClinician(
            _("%(name)s does not work as a %(role)s in %(place)s. Choose somebody from the list.")
            % {"name": clinician.name, "role": Role(visit_type.role).label, "place": location.name}
        )
    if visit_type.room_kind and (
        room is None or room.location_id != location.pk or not room.is_in_use or room.kind != visit_type.room_kind
    ):
        raise WrongRoom(
            _("A %(kind)s in %(place)s that is in use is needed. Choose one from the list.")
            % {"kind": Room.Kind(visit_type.room_kind).label, "place": location.name}
        )
    calendar = timetable.read(location, people=[clinician.pk], taken=taken, start=starts_at, end=ends_at)
    found = availability.obstacle(
        calendar, need, starts_at=starts_at, clinician=clinician.pk, room=room_id, patient=patient.pk, now=now
    )
    if found is not None:
        raise _refusal(found, location, visit_type, clinician, room, patient)


def _refusal(
    found: Obstacle, location: Location, visit_type: VisitType, clinician: User, room: Room | None, patient: Patient
) -> Refused:
    """Return the sentence for what stands in the way."""
    if found == Obstacle.PAST:
        return InThePast()
    if found == Obstacle.OFF_GRID:
        return OffTheGrid(visit_type.grid_minutes)
    place, who = {"name": location.name}, {"name": clinician.name}
    if found == Obstacle.SHUT:
        return OutsideHours(
            _("%(name)s is not open for the whole of that time. Choose one within opening hours.") % place
        )
    if found == Obstacle.CLOSURE:
        return OutsideHours(_("%(name)s is shut that day for a holiday or closure. Choose another day.") % place)
    if found == Obstacle.NOT_WORKING:
        return OutsideHours(
            _("%(name)s does not work for the whole of that time. Choose one within their hours.") % who
        )
    if found == Obstacle.AWAY:
        return OutsideHours(_("%(name)s is away then. Choose another day or somebody else.") % who)
    if found == Obstacle.CLINICIAN_TAKEN:
        return SlotTaken(_("%(name)s is taken at that time.") % who)
    if found == Obstacle.ROOM_TAKEN:
        return SlotTaken(_("%(name)s is taken, or being prepared, at that time.") % {"name": room.name if room else ""})
    return SlotTaken(_("%(name)s has another visit at that time.") % {"name": patient.called})


def _alternatives(
    *,
    location: Location,
    visit_type: VisitType,
    patient: Patient,
    clinician: User,
    starts_at: datetime,
    now: datetime,
    ignoring: Appointment | None = None,
) -> tuple[Opening, ...]:
    """Return the three openings nearest to the wished time, with whoever holds the role, in any room of the kind."""
    people = list(
        User.objects.working_at(location.pk, Role(visit_type.role)).order_by("name").values_list("pk", flat=True)
    )
    rooms: list[uuid.UUID] = []
    if visit_type.room_kind:
        rooms = list(
            Room.objects.in_use()
            .filter(location=location, kind=visit_type.room_kind)
            .order_by("name")
            .values_list("pk", flat=True)
        )
    wished = localtime.day_of(starts_at, location.tz)
    today = localtime.day_of(now, location.tz)
    widest = timedelta(days=ALTERNATIVES_WITHIN_DAYS[-1])
    start, end = max(now, starts_at - widest) - timedelta(days=1), starts_at + widest + timedelta(days=2)
    taken = timetable.held([*people, *rooms, patient.pk], start, end, ignoring)
    calendar = timetable.read(location, people=people, taken=taken, start=start, end=end)
    best: list[Opening] = []
    for days in ALTERNATIVES_WITHIN_DAYS:
        openings = availability.open_slots(
            calendar, timetable.need_of(visit_type), clinicians=people, rooms=rooms, patient=patient.pk,
            first=max(today, wished - timedelta(days=days)), last=wished + timedelta(days=days), now=now,
        )  # fmt: skip
        best = availability.nearest(openings, starts_at, clinician.pk)
        if len(best) == 3:
            break
    return tuple(best)


def _take(appointment: Appointment) -> None:
    """Hold the clinician, the patient and the room. The tail belongs to the room alone."""
    held: list[tuple[ResourceHold.Kind, uuid.UUID, datetime]] = [
        (ResourceHold.Kind.PERSON, appointment.clinician_id, appointment.ends_at),
        (ResourceHold.Kind.PATIENT, appointment.patient_id, appointment.ends_at),
    ]
    if appointment.room_id is not None:
        tail = appointment.visit_type.room_tail
        held.append((ResourceHold.Kind.ROOM, appointment.room_id, appointment.ends_at + tail))
    ResourceHold.objects.bulk_create(
        ResourceHold(
            appointment=appointment, kind=kind, resource_id=resource, during=DateTimeTZRange(appointment.starts_at, end)
        )
        for kind, resource, end in held
    )


def _let_go(appointment: Appointment) -> None:
    ResourceHold.objects.filter(appointment=appointment, is_live=True).update(is_live=False)


def _facts(appointment: Appointment) -> dict[str, str | int | None]:
    """Return what the audit says about a visit's place in time: ids, codes and the moment."""
    return {
        "visit_type": appointment.visit_type.code,
        "starts_at": appointment.starts_at.isoformat(),
        "clinician": str(appointment.clinician_id),
        "room": str(appointment.room_id) if appointment.room_id else None,
        "schedule_version": appointment.schedule_version,
    }


@transaction.atomic
def book_intake(
    *,
    by: User,
    referral: Referral | None,
    patient: Patient,
    clinician: User,
    room: Room | None,
    starts_at: datetime,
    location: Location,
    visit_type: VisitType,
    now: datetime,
) -> Appointment:
    """Return the booked visit, everything it takes held and its letters planned.

    With an enquiry the enquiry becomes booked; a known patient is booked without one. Refuses an enquiry that is not
    accepted and registered, a patient out of care, a time off the grid, past, outside opening or working hours, a person
    without the role here, a room that does not fit, and, with the three nearest alternatives, whatever is taken.
    """
    try:
        with _last_word():
            return _book(
                by=by, referral=referral, patient=patient, clinician=clinician, room=room, starts_at=starts_at,
                location=location, visit_type=visit_type, now=now,
            )  # fmt: skip
    except SlotTaken as taken:
        nearest = _alternatives(
            location=location, visit_type=visit_type, patient=patient, clinician=clinician, starts_at=starts_at, now=now
        )
        raise SlotTaken(taken.message, nearest) from taken


def _book(
    *,
    by: User,
    referral: Referral | None,
    patient: Patient,
    clinician: User,
    room: Room | None,
    starts_at: datetime,
    location: Location,
    visit_type: VisitType,
    now: datetime,
) -> Appointment:
    rooms, people, patient = _lock({room.pk} if room else set(), {clinician.pk}, patient.pk)
    room = rooms.get(room.pk) if room else None
    if referral is not None:
        referral = Referral.objects.select_for_update(no_key=True).get(pk=referral.pk)
        _guard_referral(referral, patient, location)
    _guard_in_care(patient)
    _guard_place(
        location=location, visit_type=visit_type, clinician=people[clinician.pk], room=room, patient=patient,
        starts_at=starts_at, now=now,
    )  # fmt: skip
    appointment = Appointment.objects.create(
        location=location,
        patient=patient,
        referral=referral,
        visit_type=visit_type,
        clinician=clinician,
        room=room if visit_type.room_kind else None,
        starts_at=starts_at,
        ends_at=starts_at + visit_type.duration,
        status=Status.BOOKED,
        booked_by=by,
        booked_at=now,
    )
    _take(appointment)
    Block.objects.create(
        appointment=appointment, kind=Block.Kind.WHOLE, position=1, person=clinician,
        starts_at=appointment.starts_at, ends_at=appointment.ends_at,
    )  # fmt: skip
    if referral is not None:
        referrals.mark_booked(by=by, referral=referral, now=now)
    audit.record(by, audit.Verb.APPOINTMENT_BOOKED, appointment, now=now, details=_facts(appointment))
    reminders.plan(by=by, appointment=appointment, now=now)
    return appointment


def _guard_referral(referral: Referral, patient: Patient, location: Location) -> None:
    """Refuse an enquiry that cannot be booked now; the referral's row is locked."""
    if referral.status == Referral.Status.BOOKED:
        raise NotReadyToBook(
            _("%(name)s's intake is booked already. Open their page to see it or to move it.")
            % {"name": referral.given_name}
        )
    if not referral.can_be_booked or referral.patient_id != patient.pk:
        raise NotReadyToBook(
            _("This enquiry is not ready to book. Accept it and register %(name)s as a patient first.")
            % {"name": referral.given_name}
        )
    if referral.location_id != location.pk:
        raise NotReadyToBook(_("This enquiry belongs to another location. Book it there."))


@transaction.atomic
def reschedule(
    *,
    by: User,
    appointment: Appointment,
    clinician: User,
    room: Room | None,
    starts_at: datetime,
    seen_version: int,
    now: datetime,
) -> Appointment:
    """Return the visit at its new time, with its new person and room: the same row, what it held let go and taken anew.

    A new time raises ``schedule_version``, so letters about the old one die and new ones are planned, and it takes back
    "confirmed". A patient's open wish about the visit is settled. Refuses a visit that is over or cancelled, one somebody
    changed since ``seen_version``, and whatever booking refuses; then the old time stays.
    """
    try:
        with _last_word():
            return _move(
                by=by, appointment=appointment, clinician=clinician, room=room, starts_at=starts_at,
                seen_version=seen_version, now=now,
            )  # fmt: skip
    except SlotTaken as taken:
        nearest = _alternatives(
            location=appointment.location, visit_type=appointment.visit_type, patient=appointment.patient,
            clinician=clinician, starts_at=starts_at, now=now, ignoring=appointment,
        )  # fmt: skip
        raise SlotTaken(taken.message, nearest) from taken


def _move(
    *,
    by: User,
    appointment: Appointment,
    clinician: User,
    room: Room | None,
    starts_at: datetime,
    seen_version: int,
    now: datetime,
) -> Appointment:
    wanted_rooms = {pk for pk in (appointment.room_id, room.pk if room else None) if pk is not None}
    rooms, people, patient = _lock(wanted_rooms, {appointment.clinician_id, clinician.pk}, appointment.patient_id)
    visit = _lock_visit(appointment)
    if visit.version != seen_version:
        raise ChangedMeanwhile(visit)
    if not visit.can_be_moved:
        raise NotPossibleNow(
            _("This visit cannot be moved any more: its state is “%(state)s”. Book a new one instead.")
            % {"state": visit.word}
        )
    new_room = rooms.get(room.pk) if room and visit.visit_type.room_kind else None
    if (starts_at, clinician.pk, new_room) == (visit.starts_at, visit.clinician_id, visit.room):
        raise NothingChanged
    _guard_in_care(patient)
    _guard_place(
        location=visit.location, visit_type=visit.visit_type, clinician=people[clinician.pk], room=new_room,
        patient=patient, starts_at=starts_at, now=now, ignoring=visit,
    )  # fmt: skip
    was = _facts(visit)
    is_new_time = starts_at != visit.starts_at
    visit.clinician, visit.room = people[clinician.pk], new_room
    visit.starts_at, visit.ends_at = starts_at, starts_at + visit.visit_type.duration
    visit.version += 1
    if is_new_time:
        visit.schedule_version += 1
        # They said yes to the old time.
        visit.status, visit.confirmed_at = Status.BOOKED, None
    visit.save(
        update_fields=[
            "clinician", "room", "starts_at", "ends_at", "version", "schedule_version", "status", "confirmed_at"
        ]
    )  # fmt: skip
    _let_go(visit)
    _take(visit)
    Block.objects.filter(appointment=visit).update(
        person=clinician, starts_at=visit.starts_at, ends_at=visit.ends_at
    )  # fmt: skip
    _settle_wish(by=by, appointment=visit, now=now)
    audit.record(by, audit.Verb.APPOINTMENT_MOVED, visit, now=now, details={"from": was, "to": _facts(visit)})
    if is_new_time:
        reminders.plan(by=by, appointment=visit, now=now)
    return visit


@transaction.atomic
def cancel(
    *,
    by: User,
    appointment: Appointment,
    cancelled_by: Appointment.CancelledBy,
    reason: Appointment.CancelReason,
    note: str,
    seen_version: int,
    now: datetime,
) -> Appointment:
    """Return the cancelled visit: nothing held, letters withdrawn, its enquiry open for booking again.

    A patient's cancellation within the visit type's notice is marked late. Refuses a visit that has begun, is over or is
    cancelled already, and one somebody changed since ``seen_version``.
    """
    referral = None
    if appointment.referral_id is not None:
        referral = Referral.objects.select_for_update(no_key=True).get(pk=appointment.referral_id)
    visit = _lock_visit(appointment)
    if visit.status == Status.CANCELLED:
        raise NotPossibleNow(_("This visit is cancelled already."))
    if visit.version != seen_version:
        raise ChangedMeanwhile(visit)
    if not visit.can_be_cancelled:
        raise NotPossibleNow(
            _("This visit cannot be cancelled any more: its state is “%(state)s”.") % {"state": visit.word}
        )
    visit.status, visit.cancelled_at = Status.CANCELLED, now
    visit.cancelled_by, visit.cancel_reason, visit.cancel_note = cancelled_by, reason, note
    visit.cancel_is_late = cancelled_by == Appointment.CancelledBy.PATIENT and now > visit.notice_ends_at()
    visit.version += 1
    visit.save(
        update_fields=[
            "status", "cancelled_at", "cancelled_by", "cancel_reason", "cancel_note", "cancel_is_late", "version"
        ]
    )  # fmt: skip
    _let_go(visit)
    if referral is not None and referral.status == Referral.Status.BOOKED:
        referrals.reopen(by=by, referral=referral, now=now)
    _settle_wish(by=by, appointment=visit, now=now)
    audit.record(
        by, audit.Verb.APPOINTMENT_CANCELLED, visit, now=now,
        details={"by": cancelled_by, "reason": reason, "late": visit.cancel_is_late},
    )  # fmt: skip
    reminders.void(by=by, appointment=visit, reason=Reminder.Reason.VISIT_CANCELLED, now=now)
    return visit


def _become(
    *, by: User, visit: Appointment, status: Appointment.Status, verb: audit.Verb, now: datetime, **changes: object
) -> Appointment:
    """Move a locked visit to a state its guard allowed, with the moments that belong to it."""
    visit.status = status
    visit.version += 1
    for field, value in changes.items():
        setattr(visit, field, value)
    visit.save(update_fields=["status", "version", *changes])
    audit.record(by, verb, visit, now=now)
    return visit


def _refuse_move(visit: Appointment, sentence: str) -> NotPossibleNow:
    return NotPossibleNow(sentence % {"name": visit.patient.called, "state": visit.word.lower()})


@transaction.atomic
def confirm(*, by: User, appointment: Appointment, seen_version: int, now: datetime) -> Appointment:
    """Return the visit, the patient having said that they will come.

    Refuses any but a planned one, and one somebody changed since ``seen_version``: they said yes to the time that was
    on the screen.
    """
    visit = _lock_visit(appointment)
    if visit.can_be_confirmed and visit.version != seen_version:
        raise ChangedMeanwhile(visit)
    if not visit.can_be_confirmed:
        raise _refuse_move(visit, _("Only a planned visit can be confirmed. %(name)s's is: %(state)s."))
    return _become(
        by=by, visit=visit, status=Status.CONFIRMED, verb=audit.Verb.APPOINTMENT_CONFIRMED, now=now, confirmed_at=now
    )


@transaction.atomic
def check_in(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient being here. Refuses another day than today, and a patient who is here already."""
    visit = _lock_visit(appointment)
    tz = visit.location.tz
    if visit.status == Status.CHECKED_IN and visit.checked_in_at is not None:
        raise NotPossibleNow(
            _("%(name)s is checked in already, since %(time)s.")
            % {"name": visit.patient.called, "time": localtime.clock_text(visit.checked_in_at, tz)}
        )
    if not visit.can_be_checked_in:
        raise _refuse_move(visit, _("%(name)s cannot be checked in: the visit's state is “%(state)s”."))
    if visit.patient.is_deceased:
        raise NotInCare(
            _("%(name)s is recorded as deceased. Make sure who is before you; a manager corrects a death that was a mistake.")
            % {"name": visit.patient.full_name}
        )  # fmt: skip
    if localtime.day_of(now, tz) != localtime.day_of(visit.starts_at, tz):
        raise NotToday(
            _("This visit is on %(day)s, not today. Check in on the day itself, or move the visit first.")
            % {"day": localtime.day_text(localtime.day_of(visit.starts_at, tz))}
        )
    return _become(
        by=by, visit=visit, status=Status.CHECKED_IN, verb=audit.Verb.APPOINTMENT_CHECKED_IN, now=now, checked_in_at=now
    )


@transaction.atomic
def undo_check_in(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, planned again: a slip of the finger. Refuses after ten minutes (domain.md 8.1)."""
    visit = _lock_visit(appointment)
    if visit.status != Status.CHECKED_IN:
        raise _refuse_move(visit, _("There is no check-in to take back: %(name)s's visit is “%(state)s”."))
    if not visit.can_undo_check_in(now):
        raise TooLate(
            _("A check-in can be taken back for ten minutes. If %(name)s has gone, say “left” instead.")
            % {"name": visit.patient.called}
        )
    return _become(
        by=by,
        visit=visit,
        status=Status.BOOKED,
        verb=audit.Verb.APPOINTMENT_CHECK_IN_UNDONE,
        now=now,
        checked_in_at=None,
    )


@transaction.atomic
def start(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient being in the room. Refuses a patient who is not here."""
    visit = _lock_visit(appointment)
    if not visit.can_be_started:
        raise _refuse_move(visit, _("Check %(name)s in first: the visit's state is “%(state)s”."))
    return _become(
        by=by, visit=visit, status=Status.IN_PROGRESS, verb=audit.Verb.APPOINTMENT_STARTED, now=now, started_at=now
    )


@transaction.atomic
def finish(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, done. Refuses one that is not under way."""
    visit = _lock_visit(appointment)
    if not visit.can_be_finished:
        raise _refuse_move(visit, _("Only a visit that is under way can be done. %(name)s's is: %(state)s."))
    return _become(
        by=by, visit=visit, status=Status.COMPLETED, verb=audit.Verb.APPOINTMENT_COMPLETED, now=now, finished_at=now
    )


@transaction.atomic
def mark_left(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient having left before its end. Refuses a patient who is not here."""
    visit = _lock_visit(appointment)
    if not visit.can_leave:
        raise _refuse_move(visit, _("%(name)s cannot have left: the visit's state is “%(state)s”."))
    return _become(by=by, visit=visit, status=Status.LEFT, verb=audit.Verb.APPOINTMENT_LEFT, now=now, finished_at=now)


@transaction.atomic
def mark_no_show(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient not having come; room and people are free again, and the desk is asked to call.

    Somebody who does not come may not be well: the call is due the same day (domain.md 8.2). Refuses before the visit
    type's minutes after the start have passed, and a patient who came.
    """
    visit = _lock_visit(appointment)
    if not visit.may_become(Status.NO_SHOW):
        raise _refuse_move(visit, _("“Did not come” cannot be said of %(name)s: the visit's state is “%(state)s”."))
    if now < visit.no_show_from():
        raise TooEarly(
            _("It is too early to say that. Wait until %(time)s.")
            % {"time": localtime.moment_text(visit.no_show_from(), visit.location.tz)}
        )
    _let_go(visit)
    reminders.void(by=by, appointment=visit, reason=Reminder.Reason.VISIT_MISSED, now=now)
    if not visit.patient.is_deceased:
        worklist.open_item(
            by=by, kind=WorkItem.Kind.CALL_PATIENT, location=visit.location, owner_role=Role.FRONT_DESK,
            subject_type=Appointment._meta.model_name or "", subject_id=visit.pk, patient_id=visit.patient_id,
            due_at=now + CALL_THE_MISSED_WITHIN, now=now,
        )  # fmt: skip
    return _become(
        by=by, visit=visit, status=Status.NO_SHOW, verb=audit.Verb.APPOINTMENT_MISSED, now=now, no_show_at=now
    )


@transaction.atomic
def undo_no_show(*, by: User, appointment: Appointment, because: str, now: datetime) -> Appointment:
    """Return the visit, planned again, with everything it held. ``because`` is kept on the visit.

    Refuses another day, and a room or person that somebody else was given meanwhile.
    """
    try:
        with _last_word():
            _lock(
                {appointment.room_id} if appointment.room_id else set(),
                {appointment.clinician_id},
                appointment.patient_id,
            )
            visit = _lock_visit(appointment)
            if not visit.was_missed:
                raise _refuse_move(visit, _("There is nothing to take back: %(name)s's visit is “%(state)s”."))
            tz = visit.location.tz
            if localtime.day_of(now, tz) != localtime.day_of(visit.starts_at, tz):
                raise TooLate(_("This can be taken back on the day itself only. Book a new visit instead."))
            _take(visit)
            worklist.close_about(
                by=by,
                kind=WorkItem.Kind.CALL_PATIENT,
                subject_id=visit.pk,
                outcome=WorkItem.Outcome.NOT_NEEDED,
                now=now,
            )
            return _become(
                by=by, visit=visit, status=Status.BOOKED, verb=audit.Verb.APPOINTMENT_MISS_UNDONE, now=now,
                no_show_at=None, no_show_undone_because=because,
            )  # fmt: skip
    except SlotTaken as taken:
        raise SlotTaken(
            _("The room or the clinician has been given to somebody else meanwhile. Book a new visit instead.")
        ) from taken


@transaction.atomic
def ask_change(
    *, by: User, appointment: Appointment, wish: ChangeRequest.Wish, message: str, now: datetime
) -> ChangeRequest:
    """Return the patient's wish about a visit, with an item for the desk, due in one business day and before the visit.

    Refuses a visit that is not to come, a kind of visit that is changed by phone only, a wish within the visit type's
    notice, and a second wish while the first waits.
    """
    visit = _lock_visit(appointment)
    phone = {"phone": visit.location.phone}
    if not visit.can_be_moved or visit.starts_at <= now:
        raise NotPossibleNow(_("This visit can no longer be changed here. Please phone us: %(phone)s.") % phone)
    if not visit.visit_type.patient_may_request_change:
        raise NotPossibleNow(_("Please phone us about this visit: %(phone)s.") % phone)
    if now > visit.notice_ends_at():
        raise TooLate(
            _("Your visit is in less than %(hours)d hours, so please phone us: %(phone)s. We will find a way.")
            % {**phone, "hours": visit.visit_type.notice_hours}
        )
    if ChangeRequest.objects.filter(appointment=visit, status=ChangeRequest.Status.OPEN).exists():
        raise AlreadyAsked
    request = ChangeRequest.objects.create(appointment=visit, wish=wish, message=message, asked_by=by, asked_at=now)
    calendar = timetable.read(visit.location, people=[], taken={}, start=now, end=now + timedelta(days=31))
    worklist.open_item(
        by=by, kind=WorkItem.Kind.CHANGE_REQUEST, location=visit.location, owner_role=Role.FRONT_DESK,
        subject_type=Appointment._meta.model_name or "", subject_id=visit.pk, patient_id=visit.patient_id,
        due_at=max(now, min(availability.business_day_after(now, calendar), visit.starts_at - ANSWER_BEFORE)), now=now,
    )  # fmt: skip
    audit.record(by, audit.Verb.APPOINTMENT_CHANGE_ASKED, visit, now=now, details={"wish": wish})
    crisis.review(
        by=by, text=message, location=visit.location, subject_type=Appointment._meta.model_name or "",
        subject_id=visit.pk, patient=visit.patient, now=now,
    )  # fmt: skip
    return request


@transaction.atomic
def answer_change_request(*, by: User, change_request: ChangeRequest, answer: str, now: datetime) -> ChangeRequest:
    """Return the wish, refused with an answer to the patient; the visit stays as it is.

    A wish that can be met is met by moving or cancelling the visit, which settles it. Refuses one that is answered.
    """
    visit = _lock_visit(change_request.appointment)
    request = ChangeRequest.objects.select_for_update(no_key=True).get(pk=change_request.pk)
    if request.status != ChangeRequest.Status.OPEN:
        raise AlreadyAnswered
    request.appointment = visit
    return _answer_wish(
        by=by, request=request, status=ChangeRequest.Status.REFUSED, outcome=WorkItem.Outcome.REFUSED, answer=answer,
        now=now,
    )  # fmt: skip


def _settle_wish(*, by: User, appointment: Appointment, now: datetime) -> None:
    """The visit was moved or cancelled: the patient's open wish about it, if there is one, is done."""
    request = (
        ChangeRequest.objects.select_for_update(no_key=True)
        .filter(appointment=appointment, status=ChangeRequest.Status.OPEN)
        .first()
    )
    if request is not None:
        request.appointment = appointment
        _answer_wish(
            by=by, request=request, status=ChangeRequest.Status.DONE, outcome=WorkItem.Outcome.DONE, answer="", now=now
        )


def _answer_wish(
    *,
    by: User,
    request: ChangeRequest,
    status: ChangeRequest.Status,
    outcome: WorkItem.Outcome,
    answer: str,
    now: datetime,
) -> ChangeRequest:
    request.status, request.answer, request.answered_by, request.answered_at = status, answer, by, now
    request.save(update_fields=["status", "answer", "answered_by", "answered_at"])
    worklist.close_about(
        by=by, kind=WorkItem.Kind.CHANGE_REQUEST, subject_id=request.appointment_id, outcome=outcome, now=now
    )
    audit.record(
        by, audit.Verb.APPOINTMENT_CHANGE_ANSWERED, request.appointment, now=now,
        details={"wish": request.wish, "status": status},
    )  # fmt: skip
    return request
