"""Visits: booked, and kept for somebody until they say yes. Whether they can be there is asked in ``placing``.

What a visit takes up is locked and taken in ``holds``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.access import CLINICIANS, memberships_of
from clinic.errors import Refused
from clinic.models import Location, Room, User
from patients.actions import referrals
from patients.models import Patient, Referral
from sessions.actions import holds, placing, reminders, visitrequests
from sessions.actions.holds import Team
from sessions.actions.placing import Place
from sessions.models import INTAKE, Appointment, Course, VisitType

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


class NotYoursToBook(Refused):
    """This kind of visit is booked by others."""


class NotToldYet(Refused):
    """The visit is soon, and nobody says that the patient knows."""


class WhereaboutsNeeded(Refused):
    """A visit from afar needs to know where the patient is."""


@dataclass(frozen=True)
class Whereabouts:
    """Where the patient of a visit from afar is, for help to find them; a number to call back; and the link of the call."""

    place: str
    phone: str
    link: str = ""


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
        if referral is None:
            placing.glance(place)
        with holds.last_word():
            return _book_locked(
                place, by=by, referral=referral, now=now, second_is_meant=second_is_meant, told_by_phone=told_by_phone,
                whereabouts=whereabouts,
            )  # fmt: skip
    except holds.SlotTaken as taken:
        raise holds.SlotTaken(taken.message, placing.alternatives(place, now=now)) from taken


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
    placing.guard_in_care(patient)
    place = placing.as_locked(place, rooms, people, patient)
    placing.guard(place, now=now)
    if visit_type.code == INTAKE and not second_is_meant:
        # The patient's row is locked, so two clerks cannot both find none.
        booked = Appointment.objects.intakes_to_come(patient, now).first()
        if booked is not None:
            booked.patient = patient
            raise HasAnIntake(booked)
    if visit_type.is_dosing:
        placing.guard_dose(by=by, place=place, now=now)
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
    audit.record(by, audit.Verb.APPOINTMENT_BOOKED, appointment, now=now, details=placing.facts(appointment))
    visitrequests.settle(by=by, appointment=appointment, now=now)
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
    audit.record(by, audit.Verb.APPOINTMENT_HELD, appointment, now=now, details=placing.facts(appointment))
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
    placing.guard_in_care(place.patient)
    if visit.starts_at <= now:
        raise placing.InThePast
    if visit.visit_type.is_dosing:
        placing.guard_dose(by=by, place=place, now=now, ignoring=visit)
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
    audit.record(by, audit.Verb.APPOINTMENT_BOOKED, visit, now=now, details=placing.facts(visit))
    visitrequests.settle(by=by, appointment=visit, now=now)
    reminders.plan_first(by=by, visit=visit, now=now)
    return visit


def _guard_bookers(by: User, location: Location, visit_type: VisitType) -> None:
    roles = {membership.role for membership in memberships_of(by) if membership.location_id == location.pk}
    if visit_type.bookers == VisitType.Bookers.CLINICIANS and not roles & CLINICIANS:
        raise NotYoursToBook(
            _("A visit of the kind “%(kind)s” is booked by a clinician. Ask one of the team.")
            % {"kind": visit_type.name}
        )


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
