"""Visits: booked, moved, cancelled. What becomes of them on the day is in ``attendance``.

What a visit takes up is locked and taken in ``holds``. What stands in the way is said in a sentence by a refusal of its
own.
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, businessdays, localtime
from clinic.errors import Refused
from clinic.models import Location, Membership, Role, Room, User
from patients.actions import referrals
from patients.models import LifeState, Patient, Referral
from sessions import availability, timetable
from sessions.actions import holds, reminders, wishes
from sessions.availability import Obstacle, Opening
from sessions.models import INTAKE, Appointment, Block, Reminder, VisitType

# How far around the wished time alternatives are looked for, nearest first.
ALTERNATIVES_WITHIN_DAYS = (2, 21)

Status = Appointment.Status


class NotReadyToBook(Refused):
    """The enquiry is not at the point where a visit can be booked from it."""


class HasAnIntake(Refused):
    """The patient has an intake to come, and nobody said that a second one is meant."""

    def __init__(self, visit: Appointment) -> None:
        super().__init__(
            _("%(name)s has an intake already: %(when)s with %(who)s in %(place)s. Move that one, or say that a second is meant.")
            % {
                "name": visit.patient.called,
                "when": localtime.moment_text(visit.starts_at, visit.location.tz),
                "who": visit.clinician.name,
                "place": visit.location.name,
            }
        )  # fmt: skip


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


class ChangedMeanwhile(Refused):
    """Somebody changed the visit between the page and the answer."""

    def __init__(self, appointment: Appointment) -> None:
        super().__init__(
            _(
                "Somebody changed this visit while you were looking at it. It is now: %(now)s. Check it, then decide again."
            )
            % {"now": said(appointment)}
        )


class MovedMeanwhile(Refused):
    """The clinic moved the visit while its patient was about to cancel it."""

    def __init__(self, appointment: Appointment) -> None:
        super().__init__(
            _("We moved this visit while you were looking at it. It is now on %(now)s. Look again, then decide.")
            % {"now": localtime.moment_text(appointment.starts_at, appointment.location.tz)}
        )


class NothingChanged(Refused):
    """The visit is already as it was asked to be."""

    def __init__(self) -> None:
        super().__init__(_("The visit is at that time already, with that person in that room. Choose another."))


def said(appointment: Appointment) -> str:
    """Return time, person, room and state of a visit in one line, for a sentence to staff."""
    when = localtime.moment_text(appointment.starts_at, appointment.location.tz)
    parts = [when, appointment.clinician.name, *([appointment.room.name] if appointment.room else []), appointment.word]
    return ", ".join(str(part) for part in parts)


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
        return holds.SlotTaken(_("%(name)s is taken at that time.") % who)
    if found == Obstacle.ROOM_TAKEN:
        return holds.SlotTaken(
            _("%(name)s is taken, or being prepared, at that time.") % {"name": room.name if room else ""}
        )
    return holds.SlotTaken(_("%(name)s has another visit at that time.") % {"name": patient.called})


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
    second_is_meant: bool = False,
) -> Appointment:
    """Return the booked visit, everything it takes held and its letters planned.

    With an enquiry the enquiry becomes booked; a known patient is booked without one. An intake booked from the
    patient's own page answers the accepted enquiry of theirs that waits here for one. Refuses an enquiry that is not
    accepted and registered, a patient out of care, a second intake unless it is meant, a time off the grid, past, outside
    opening or working hours, a person without the role here, a room that does not fit, and, with the three nearest
    alternatives, whatever is taken.
    """
    try:
        with holds.last_word():
            return _book(
                by=by, referral=referral, patient=patient, clinician=clinician, room=room, starts_at=starts_at,
                location=location, visit_type=visit_type, now=now, second_is_meant=second_is_meant,
            )  # fmt: skip
    except holds.SlotTaken as taken:
        nearest = _alternatives(
            location=location, visit_type=visit_type, patient=patient, clinician=clinician, starts_at=starts_at, now=now
        )
        raise holds.SlotTaken(taken.message, nearest) from taken


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
    second_is_meant: bool,
) -> Appointment:
    rooms, people, patient = holds.lock({room.pk} if room else set(), {clinician.pk}, patient.pk)
    room = rooms.get(room.pk) if room else None
    if patient.home_location_id == location.pk:
        patient.home_location = location
    if referral is not None:
        referral = Referral.objects.select_for_update(no_key=True).get(pk=referral.pk)
        _guard_referral(referral, patient, location)
    elif visit_type.code == INTAKE:
        referral = _waiting_for_an_intake(patient, location)
    _guard_in_care(patient)
    _guard_place(
        location=location, visit_type=visit_type, clinician=people[clinician.pk], room=room, patient=patient,
        starts_at=starts_at, now=now,
    )  # fmt: skip
    if visit_type.code == INTAKE and not second_is_meant:
        # The patient's row is locked, so two clerks cannot both find none.
        booked = Appointment.objects.intakes_to_come(patient, now).first()
        if booked is not None:
            booked.patient = patient
            raise HasAnIntake(booked)
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
    holds.take(appointment)
    Block.objects.create(
        appointment=appointment, kind=Block.Kind.WHOLE, position=1, person=clinician,
        starts_at=appointment.starts_at, ends_at=appointment.ends_at,
    )  # fmt: skip
    if referral is not None:
        referrals.mark_booked(by=by, referral=referral, now=now)
    audit.record(by, audit.Verb.APPOINTMENT_BOOKED, appointment, now=now, details=_facts(appointment))
    reminders.plan_first(by=by, visit=appointment, now=now)
    return appointment


def _guard_referral(referral: Referral, patient: Patient, location: Location) -> None:
    """Refuse an enquiry that cannot be booked now; the referral's row is locked."""
    if referral.status == Referral.Status.BOOKED:
        raise NotReadyToBook(
            _("%(name)s's intake is booked already. Open their page to see it or to move it.")
            % {"name": referral.given_name}
        )
    if referral.can_be_booked and referral.patient_id != patient.pk:
        raise NotReadyToBook(_("This enquiry is somebody else's. Open it again and book from there."))
    if not referral.can_be_booked:
        raise NotReadyToBook(
            _("This enquiry is not ready to book. Accept it and register %(name)s as a patient first.")
            % {"name": referral.given_name}
        )
    if referral.location_id != location.pk:
        raise NotReadyToBook(_("This enquiry belongs to another location. Book it there."))


def _waiting_for_an_intake(patient: Patient, location: Location) -> Referral | None:
    """Return the accepted enquiry of the patient that has waited here the longest, its row locked, or None."""
    accepted = Referral.objects.filter(patient=patient, location=location, status=Referral.Status.ACCEPTED)
    return accepted.select_for_update(no_key=True).order_by("accepted_at", "pk").first()


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
        with holds.last_word():
            return _move(
                by=by, appointment=appointment, clinician=clinician, room=room, starts_at=starts_at,
                seen_version=seen_version, now=now,
            )  # fmt: skip
    except holds.SlotTaken as taken:
        nearest = _alternatives(
            location=appointment.location, visit_type=appointment.visit_type, patient=appointment.patient,
            clinician=clinician, starts_at=starts_at, now=now, ignoring=appointment,
        )  # fmt: skip
        raise holds.SlotTaken(taken.message, nearest) from taken


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
    rooms, people, patient = holds.lock(wanted_rooms, {appointment.clinician_id, clinician.pk}, appointment.patient_id)
    visit = Appointment.objects.locked().get(pk=appointment.pk)
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
    holds.let_go(visit)
    holds.take(visit)
    Block.objects.filter(appointment=visit).update(
        person=clinician, starts_at=visit.starts_at, ends_at=visit.ends_at
    )  # fmt: skip
    wishes.settle(by=by, appointment=visit, now=now)
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

    def guard(visit: Appointment) -> None:
        if visit.version != seen_version:
            raise ChangedMeanwhile(visit)

    return _cancel(
        by=by, appointment=appointment, cancelled_by=cancelled_by, reason=reason, note=note, guard=guard, now=now
    )


@transaction.atomic
def cancel_my_visit(
    *, by: User, appointment: Appointment, reason: Appointment.CancelReason, seen_schedule_version: int, now: datetime
) -> Appointment:
    """Return the visit, cancelled by its patient on the portal; the desk is asked to call and offer another time.

    Refuses, besides what ``cancel`` refuses, a kind of visit that is changed by phone only, one within its notice (both
    with the number to phone), and one that was moved since the patient looked at it.
    """

    def guard(visit: Appointment) -> None:
        wishes.guard_by_patient(visit, now)
        if visit.schedule_version != seen_schedule_version:
            raise MovedMeanwhile(visit)

    visit = _cancel(
        by=by, appointment=appointment, cancelled_by=Appointment.CancelledBy.PATIENT, reason=reason, note="",
        guard=guard, now=now,
    )  # fmt: skip
    reminders.ask_to_call(
        by=by, visit=visit, due_at=businessdays.end_of_next(location=visit.location, now=now), now=now
    )
    return visit


def _cancel(
    *,
    by: User,
    appointment: Appointment,
    cancelled_by: Appointment.CancelledBy,
    reason: Appointment.CancelReason,
    note: str,
    guard: Callable[[Appointment], None],
    now: datetime,
) -> Appointment:
    referral = None
    if appointment.referral_id is not None:
        referral = Referral.objects.select_for_update(no_key=True).get(pk=appointment.referral_id)
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    if visit.status == Status.CANCELLED:
        raise NotPossibleNow(_("This visit is cancelled already."))
    guard(visit)
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
    holds.let_go(visit)
    if referral is not None and referral.status == Referral.Status.BOOKED:
        referrals.reopen(by=by, referral=referral, now=now)
    wishes.settle(by=by, appointment=visit, now=now)
    audit.record(
        by, audit.Verb.APPOINTMENT_CANCELLED, visit, now=now,
        details={"by": cancelled_by, "reason": reason, "late": visit.cancel_is_late},
    )  # fmt: skip
    reminders.void(by=by, appointment=visit, reason=Reminder.Reason.VISIT_CANCELLED, now=now)
    return visit
