"""Visits: booked, moved, cancelled. What becomes of them on the day is in ``attendance``.

What a visit takes up is locked and taken in ``holds``. What stands in the way is said in a sentence by a refusal of its
own.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import audit, businessdays, localtime
from clinic.access import CLINICIANS, memberships_of
from clinic.errors import Refused
from clinic.models import Device, Location, Membership, Role, Room, User
from patients.actions import referrals
from patients.models import LifeState, Patient, Referral
from sessions import availability, dosegate, timetable
from sessions.actions import freed, holds, reminders, wishes
from sessions.actions.holds import Team
from sessions.availability import Obstacle, Opening
from sessions.models import INTAKE, Appointment, Course, FreedSlot, Reminder, VisitType

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


class NotYoursToBook(Refused):
    """This kind of visit is booked by others."""


class NotToldYet(Refused):
    """The visit is soon, and nobody says that the patient knows."""


class WhereaboutsNeeded(Refused):
    """A visit from afar needs to know where the patient is."""


class DoseNotMet(Refused):
    """A dose may not be given then. ``unmet`` is all that is missing, so that the page can lead to each."""

    def __init__(self, unmet: Sequence[dosegate.Unmet]) -> None:
        more = len(unmet) - 1
        others = ngettext("One more thing is missing.", "%(count)s more things are missing.", more) % {"count": more}
        first = _("This dosing visit cannot be booked yet. %(first)s") % {"first": unmet[0].sentence}
        super().__init__(f"{first} {others}" if more else first)
        self.unmet = tuple(unmet)


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


@dataclass(frozen=True)
class Whereabouts:
    """Where the patient of a visit from afar is, for help to find them; a number to call back; and the link of the call."""

    place: str
    phone: str
    link: str = ""


def said(appointment: Appointment) -> str:
    """Return time, person, room and state of a visit in one line, for a sentence to staff."""
    when = localtime.moment_text(appointment.starts_at, appointment.location.tz)
    parts = [when, appointment.clinician.name, *([appointment.room.name] if appointment.room else []), appointment.word]
    return ", ".join(str(part) for part in parts)


def guard_in_care(patient: Patient) -> None:
    """Refuse a patient who is discharged or has died."""
    if patient.life_state in {LifeState.DISCHARGED, LifeState.DECEASED}:
        raise NotInCare(
            _("%(name)s is %(state)s, so no visit can be booked. Change the state of care on their page first.")
            % {"name": patient.called, "state": LifeState(patient.life_state).label}
        )


@dataclass(frozen=True)
class Place:
    """Where, when and with whom a visit of a kind would be: what is looked at, and what a refusal speaks of."""

    location: Location
    visit_type: VisitType
    team: Team
    room: Room | None
    patient: Patient
    starts_at: datetime

    @property
    def resources(self) -> list[uuid.UUID]:
        found = [who.pk for who in self.team.people] + [device.pk for device in self.team.devices] + [self.patient.pk]
        return found + ([self.room.pk] if self.room else [])

    def name_of(self, resource: uuid.UUID | None) -> str:
        names = {who.pk: who.name for who in self.team.people} | {
            device.pk: device.name for device in self.team.devices
        }
        if self.room:
            names[self.room.pk] = self.room.name
        return names.get(resource, "") if resource else ""


def _guard_place(place: Place, *, now: datetime, ignoring: Appointment | None = None) -> None:
    """Refuse a time, people, devices or room this visit cannot have. Everything named is locked already."""
    need = timetable.need_of(place.visit_type)
    starts_at, ends_at = place.starts_at, place.starts_at + need.duration + need.room_tail
    asked: dict[str, Any] = {
        "starts_at": starts_at, "clinician": place.team.clinician.pk, "room": place.room.pk if place.room else None,
        "patient": place.patient.pk, "others": [who.pk for who in place.team.others],
        "devices": [device.pk for device in place.team.devices],
    }  # fmt: skip
    _guard_team(place)
    taken = timetable.held(place.resources, starts_at, ends_at, ignoring)
    # Who loses a race is told at once: the others wait behind these locks.
    bare = availability.Calendar(tz=place.location.tz, taken=taken.wholly, shared=taken.shared)
    clash = availability.clash(bare, need, **asked)
    if clash is not None:
        raise _refusal(*clash, place)
    people = [who.pk for who in place.team.people]
    _guard_roles(place)
    _guard_room(place)
    calendar = timetable.read(place.location, people=people, taken=taken, start=starts_at, end=ends_at)
    found = availability.hitch(calendar, need, now=now, **asked)
    if found is not None:
        raise _refusal(*found, place)


def _guard_team(place: Place) -> None:
    """Refuse a team that does not fill the seats of the kind of visit, and somebody on two of them."""
    shape, team = place.visit_type.shape, place.team
    if len(team.people) != len(shape.seats) or len(team.devices) != len(shape.equipment):
        raise WrongClinician(_("Somebody is missing for this kind of visit. Choose a time from the list."))
    need = timetable.need_of(place.visit_type)
    for seat, who in enumerate(team.people):
        if not need.can_be_one([n for n, one in enumerate(team.people[:seat]) if one == who], seat):
            raise WrongClinician(
                _("%(name)s cannot take on two duties at the same time. Choose somebody else for one of them.")
                % {"name": who.name}
            )


def _guard_roles(place: Place) -> None:
    """Refuse people who do not hold the role of their seat here."""
    seats = place.visit_type.shape.seats
    held = set(
        Membership.objects.live()
        .filter(user__in=place.team.people, location=place.location)
        .values_list("user_id", "role")
    )
    for who, seat in zip(place.team.people, seats, strict=True):
        if not who.is_active or not any((who.pk, role) in held for role in seat.roles):
            raise WrongClinician(
                _("%(name)s does not work as a %(role)s in %(place)s. Choose somebody from the list.")
                % {"name": who.name, "role": Role(seat.roles[0]).label, "place": place.location.name}
            )


def _guard_room(place: Place) -> None:
    """Refuse a room or a device that is elsewhere, out of use, missing or of another kind."""
    room, visit_type, location = place.room, place.visit_type, place.location
    if visit_type.room_kind and (
        room is None or room.location_id != location.pk or not room.is_in_use or room.kind != visit_type.room_kind
    ):
        raise WrongRoom(
            _("A %(kind)s in %(place)s that is in use is needed. Choose one from the list.")
            % {"kind": Room.Kind(visit_type.room_kind).label, "place": location.name}
        )
    for device, one in zip(place.team.devices, visit_type.shape.equipment, strict=True):
        if device.location_id != location.pk or not device.is_in_use or device.kind != one.kind:
            raise WrongRoom(
                _("A %(kind)s in %(place)s that is in use is needed. Choose one from the list.")
                % {"kind": Device.Kind(one.kind).label, "place": location.name}
            )


def _refusal(found: Obstacle, whose: uuid.UUID | None, place: Place) -> Refused:
    """Return the sentence for what stands in the way, and whose it is."""
    if found == Obstacle.PAST:
        return InThePast()
    if found == Obstacle.OFF_GRID:
        return OffTheGrid(place.visit_type.grid_minutes)
    here, who = {"name": place.location.name}, {"name": place.name_of(whose)}
    if found == Obstacle.SHUT:
        return OutsideHours(
            _("%(name)s is not open for the whole of that time. Choose one within opening hours.") % here
        )
    if found == Obstacle.CLOSURE:
        return OutsideHours(_("%(name)s is shut that day for a holiday or closure. Choose another day.") % here)
    if found == Obstacle.TOO_LATE_TO_CLOSE:
        return OutsideHours(
            _("This visit must be over %(minutes)d minutes before %(name)s closes. Choose an earlier time.")
            % {"minutes": place.visit_type.closing_margin_minutes, **here}
        )
    if found == Obstacle.NOT_WORKING:
        return OutsideHours(
            _("%(name)s does not work for the whole of that time. Choose one within their hours.") % who
        )
    if found == Obstacle.AWAY:
        return OutsideHours(_("%(name)s is away then. Choose another day or somebody else.") % who)
    if found in {Obstacle.CLINICIAN_TAKEN, Obstacle.DEVICE_TAKEN}:
        return holds.SlotTaken(_("%(name)s is taken at that time.") % who)
    if found == Obstacle.ROOM_TAKEN:
        return holds.SlotTaken(_("%(name)s is taken, or being prepared, at that time.") % who)
    return holds.SlotTaken(_("%(name)s has another visit at that time.") % {"name": place.patient.called})


def _alternatives(place: Place, *, now: datetime, ignoring: Appointment | None = None) -> tuple[Opening, ...]:
    """Return the three openings nearest to the wished time, with whoever holds the roles, in any room of the kind."""
    location = place.location
    choices = timetable.choices(location, place.visit_type)
    wished = localtime.day_of(place.starts_at, location.tz)
    today = localtime.day_of(now, location.tz)
    widest = timedelta(days=ALTERNATIVES_WITHIN_DAYS[-1])
    start, end = max(now, place.starts_at - widest) - timedelta(days=1), place.starts_at + widest + timedelta(days=2)
    taken = timetable.held([*choices.resources, place.patient.pk], start, end, ignoring)
    calendar = timetable.read(location, people=choices.everybody, taken=taken, start=start, end=end)
    best: list[Opening] = []
    for days in ALTERNATIVES_WITHIN_DAYS:
        openings = availability.open_slots(
            calendar, timetable.need_of(place.visit_type), clinicians=choices.clinicians, others=choices.others,
            devices=choices.kits, rooms=list(choices.rooms), patient=place.patient.pk,
            first=max(today, wished - timedelta(days=days)), last=wished + timedelta(days=days), now=now,
        )  # fmt: skip
        best = availability.nearest(openings, place.starts_at, place.team.clinician.pk)
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
    return _book(
        Place(location, visit_type, Team((clinician,)), room, patient, starts_at),
        by=by, referral=referral, now=now, second_is_meant=second_is_meant,
    )  # fmt: skip


@transaction.atomic
def book_visit(
    *,
    by: User,
    patient: Patient,
    team: Team,
    room: Room | None,
    starts_at: datetime,
    location: Location,
    visit_type: VisitType,
    now: datetime,
    told_by_phone: bool = False,
    whereabouts: Whereabouts | None = None,
) -> Appointment:
    """Return the booked visit of any kind, with everybody and everything it takes held and its letters planned.

    ``team`` fills the seats of the kind, the clinician first. Refuses what ``book_intake`` refuses, a person who may not book the kind,
    a dose that may not be given then (``dosegate``), a visit soon that the patient was not asked about by phone, and one from afar
    without the patient's place and number.
    """
    _guard_bookers(by, location, visit_type)
    return _book(
        Place(location, visit_type, team, room, patient, starts_at),
        by=by, referral=None, now=now, second_is_meant=False, told_by_phone=told_by_phone, whereabouts=whereabouts,
    )  # fmt: skip


@transaction.atomic
def book_for_course(
    *,
    by: User,
    course: Course,
    patient: Patient,
    team: Team,
    room: Room | None,
    starts_at: datetime,
    location: Location,
    visit_type: VisitType,
    told_by_phone: bool,
    now: datetime,
) -> Appointment:
    """Return one booked visit of a course, which is booked as a whole: refused as ``book_visit`` refuses, without alternatives.

    Whoever calls holds the locks of the whole course.
    """
    _guard_bookers(by, location, visit_type)
    return _book_locked(
        Place(location, visit_type, team, room, patient, starts_at),
        by=by, referral=None, now=now, second_is_meant=False, told_by_phone=told_by_phone, whereabouts=None,
        course=course,
    )  # fmt: skip


def _book(
    place: Place,
    *,
    by: User,
    referral: Referral | None,
    now: datetime,
    second_is_meant: bool,
    told_by_phone: bool = False,
    whereabouts: Whereabouts | None = None,
) -> Appointment:
    """Book in a savepoint; who finds the time taken is told the nearest openings, looked for without a lock."""
    try:
        with holds.last_word():
            return _book_locked(
                place, by=by, referral=referral, now=now, second_is_meant=second_is_meant, told_by_phone=told_by_phone,
                whereabouts=whereabouts,
            )  # fmt: skip
    except holds.SlotTaken as taken:
        raise holds.SlotTaken(taken.message, _alternatives(place, now=now)) from taken


def _as_locked(place: Place, rooms: dict[uuid.UUID, Room], people: dict[uuid.UUID, User], patient: Patient) -> Place:
    """Return the same place with the rows as they are now that they are locked."""
    team = Team(tuple(people[who.pk] for who in place.team.people), place.team.devices)
    room = rooms.get(place.room.pk) if place.room and place.visit_type.room_kind else None
    return replace(place, team=team, room=room, patient=patient)


def _book_locked(
    place: Place,
    *,
    by: User,
    referral: Referral | None,
    now: datetime,
    second_is_meant: bool,
    told_by_phone: bool,
    whereabouts: Whereabouts | None,
    held_until: datetime | None = None,
    course: Course | None = None,
) -> Appointment:
    location, visit_type = place.location, place.visit_type
    rooms, people, patient = holds.lock_team({place.room.pk} if place.room else set(), [place.team], place.patient.pk)
    if patient.home_location_id == location.pk:
        patient.home_location = location
    if referral is not None:
        referral = Referral.objects.select_for_update(no_key=True).get(pk=referral.pk)
        _guard_referral(referral, patient, location)
    elif visit_type.code == INTAKE:
        referral = _waiting_for_an_intake(patient, location)
    guard_in_care(patient)
    place = _as_locked(place, rooms, people, patient)
    _guard_place(place, now=now)
    if visit_type.code == INTAKE and not second_is_meant:
        # The patient's row is locked, so two clerks cannot both find none.
        booked = Appointment.objects.intakes_to_come(patient, now).first()
        if booked is not None:
            booked.patient = patient
            raise HasAnIntake(booked)
    if visit_type.is_dosing:
        _guard_dose(by, place, now)
    if held_until is not None:
        return _hold_locked(place, by=by, until=held_until, now=now)
    _guard_told(place, told_by_phone, now)
    appointment = Appointment.objects.create(
        location=location,
        patient=patient,
        referral=referral,
        visit_type=visit_type,
        clinician=place.team.clinician,
        room=place.room,
        starts_at=place.starts_at,
        ends_at=place.starts_at + visit_type.duration,
        status=Status.CONFIRMED if told_by_phone else Status.BOOKED,
        confirmed_at=now if told_by_phone else None,
        booked_by=by,
        booked_at=now,
        course=course,
        **_remote_fields(visit_type, whereabouts),
    )
    holds.take(appointment, place.team)
    holds.lay_out(appointment, place.team)
    if referral is not None:
        referrals.mark_booked(by=by, referral=referral, now=now)
    audit.record(by, audit.Verb.APPOINTMENT_BOOKED, appointment, now=now, details=_facts(appointment))
    reminders.plan_first(by=by, visit=appointment, now=now)
    return appointment


def _hold_locked(place: Place, *, by: User, until: datetime, now: datetime) -> Appointment:
    appointment = Appointment.objects.create(
        location=place.location, patient=place.patient, visit_type=place.visit_type, clinician=place.team.clinician,
        room=place.room, starts_at=place.starts_at, ends_at=place.starts_at + place.visit_type.duration,
        status=Status.HELD, held_until=until, booked_by=by, booked_at=now,
    )  # fmt: skip
    holds.take(appointment, place.team)
    holds.lay_out(appointment, place.team)
    audit.record(by, audit.Verb.APPOINTMENT_HELD, appointment, now=now, details=_facts(appointment))
    return appointment


@transaction.atomic
def hold(*, by: User, place: Place, until: datetime, now: datetime) -> Appointment:
    """Return a visit that keeps a time for a patient until a moment, with everything it takes held and no letters.

    Refuses what booking refuses, except that nobody need have said yes yet: that is asked by ``take_up``. Whoever finds the time
    taken is told so without alternatives.
    """
    _guard_bookers(by, place.location, place.visit_type)
    with holds.last_word():
        return _book_locked(
            place, by=by, referral=None, now=now, second_is_meant=False, told_by_phone=False, whereabouts=None,
            held_until=until,
        )  # fmt: skip


def take_up(*, by: User, visit: Appointment, now: datetime) -> Appointment:
    """Return the held visit, booked: its patient said yes. Patient and visit are locked, in this order, by the caller.

    Refuses a patient out of care, a time that has passed, and a dose that may not be given any more.
    """
    place = Place(visit.location, visit.visit_type, holds.team_of(visit), visit.room, visit.patient, visit.starts_at)
    guard_in_care(place.patient)
    if visit.starts_at <= now:
        raise InThePast
    if visit.visit_type.is_dosing:
        _guard_dose(by, place, now, ignoring=visit)
    hours = visit.visit_type.phone_within_hours
    visit.status, visit.held_until = Status.BOOKED, None
    if hours and visit.starts_at < now + timedelta(hours=hours):
        # What is asked on the phone before a visit so soon, they have just said.
        visit.status, visit.confirmed_at = Status.CONFIRMED, now
    if visit.visit_type.code == INTAKE:
        visit.referral = _waiting_for_an_intake(visit.patient, visit.location)
    visit.version += 1
    visit.save(update_fields=["status", "held_until", "confirmed_at", "referral", "version"])
    if visit.referral is not None:
        referrals.mark_booked(by=by, referral=visit.referral, now=now)
    audit.record(by, audit.Verb.APPOINTMENT_BOOKED, visit, now=now, details=_facts(visit))
    reminders.plan_first(by=by, visit=visit, now=now)
    return visit


def release(*, by: User, visit: Appointment, now: datetime) -> Appointment:
    """Return the held visit, locked by the caller, with its time let go. Nobody is written to: it was never theirs."""
    visit.status, visit.cancelled_at, visit.version = Status.CANCELLED, now, visit.version + 1
    visit.cancelled_by, visit.cancel_reason = Appointment.CancelledBy.CLINIC, Appointment.CancelReason.OTHER
    visit.save(update_fields=["status", "cancelled_at", "cancelled_by", "cancel_reason", "version"])
    holds.let_go(visit)
    audit.record(
        by, audit.Verb.APPOINTMENT_CANCELLED, visit, now=now,
        details={"by": visit.cancelled_by, "reason": visit.cancel_reason, "late": False},
    )  # fmt: skip
    return visit


def _guard_bookers(by: User, location: Location, visit_type: VisitType) -> None:
    roles = {membership.role for membership in memberships_of(by) if membership.location_id == location.pk}
    if visit_type.bookers == VisitType.Bookers.CLINICIANS and not roles & CLINICIANS:
        raise NotYoursToBook(
            _("A visit of the kind “%(kind)s” is booked by a clinician. Ask one of the team.")
            % {"kind": visit_type.name}
        )


def _guard_dose(by: User, place: Place, now: datetime, ignoring: Appointment | None = None) -> None:
    """Refuse a dosing visit that may not take place then; the patient's row is locked, so no neighbour is booked meanwhile."""
    unmet = dosegate.unmet(
        by=by, patient=place.patient, visit_type=place.visit_type, starts_at=place.starts_at, tz=place.location.tz,
        now=now, ignoring=ignoring,
    )  # fmt: skip
    if unmet:
        raise DoseNotMet(unmet)


def _guard_told(place: Place, told_by_phone: bool, now: datetime) -> None:
    hours = place.visit_type.phone_within_hours
    if hours and not told_by_phone and place.starts_at < now + timedelta(hours=hours):
        raise NotToldYet(
            _("This is within %(hours)d hours. Call %(name)s, and tick that they said yes on the phone.")
            % {"hours": hours, "name": place.patient.called}
        )


def _remote_fields(visit_type: VisitType, whereabouts: Whereabouts | None) -> dict[str, str]:
    """Return what a visit from afar keeps. Refuses one without the patient's place and a number to call back."""
    if not visit_type.is_remote:
        return {}
    if whereabouts is None or not whereabouts.place.strip() or not whereabouts.phone.strip():
        raise WhereaboutsNeeded(
            _(
                "Write down where the patient will be and a number to call back: help must find them if the call breaks off."
            )
        )
    return {"patient_place": whereabouts.place, "call_back_phone": whereabouts.phone, "meeting_link": whereabouts.link}


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
    team = holds.team_of(appointment)
    return move(
        by=by, appointment=appointment, team=replace(team, people=(clinician, *team.others)), room=room,
        starts_at=starts_at, seen_version=seen_version, now=now,
    )  # fmt: skip


@transaction.atomic
def move(
    *,
    by: User,
    appointment: Appointment,
    team: Team,
    room: Room | None,
    starts_at: datetime,
    seen_version: int,
    now: datetime,
) -> Appointment:
    """Return the visit at its new time with its new team and room, as ``reschedule`` does; a dose is asked about anew."""
    place = Place(appointment.location, appointment.visit_type, team, room, appointment.patient, starts_at)
    try:
        with holds.last_word():
            return _move_locked(place, by=by, appointment=appointment, seen_version=seen_version, now=now)
    except holds.SlotTaken as taken:
        raise holds.SlotTaken(taken.message, _alternatives(place, now=now, ignoring=appointment)) from taken


def _move_locked(place: Place, *, by: User, appointment: Appointment, seen_version: int, now: datetime) -> Appointment:
    before = holds.team_of(appointment)
    wanted_rooms = {pk for pk in (appointment.room_id, place.room.pk if place.room else None) if pk is not None}
    rooms, people, patient = holds.lock_team(wanted_rooms, [before, place.team], appointment.patient_id)
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    if visit.version != seen_version:
        raise ChangedMeanwhile(visit)
    if not visit.can_be_moved:
        raise NotPossibleNow(
            _("This visit cannot be moved any more: its state is “%(state)s”. Book a new one instead.")
            % {"state": visit.word}
        )
    place = _as_locked(place, rooms, people, patient)
    starts_at = place.starts_at
    if (starts_at, place.team, place.room) == (visit.starts_at, before, visit.room):
        raise NothingChanged
    guard_in_care(patient)
    _guard_place(place, now=now, ignoring=visit)
    is_new_time = starts_at != visit.starts_at
    if visit.visit_type.is_dosing and is_new_time:
        _guard_dose(by, place, now, ignoring=visit)
    was = _facts(visit)
    if is_new_time:
        freed.note(visit=visit, team=before, because=FreedSlot.Because.MOVED, now=now)
    visit.clinician, visit.room = place.team.clinician, place.room
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
    holds.take(visit, place.team)
    holds.lay_out(visit, place.team)
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
    was_held = visit.status == Status.HELD
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
    if was_held:
        freed.withdraw(by=by, visit=visit, now=now)
    else:
        freed.note(visit=visit, team=None, because=FreedSlot.Because.CANCELLED, now=now)
    if referral is not None and referral.status == Referral.Status.BOOKED:
        referrals.reopen(by=by, referral=referral, now=now)
    wishes.settle(by=by, appointment=visit, now=now)
    audit.record(
        by, audit.Verb.APPOINTMENT_CANCELLED, visit, now=now,
        details={"by": cancelled_by, "reason": reason, "late": visit.cancel_is_late},
    )  # fmt: skip
    if not was_held:
        # A time that was only kept for somebody had no letters, and none says that it is gone.
        reminders.void(by=by, appointment=visit, reason=Reminder.Reason.VISIT_CANCELLED, now=now)
    return visit
