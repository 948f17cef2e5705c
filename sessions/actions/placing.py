"""Where, when and with whom a visit can be: what is looked at under the locks, and the sentence for what is in the way."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import localtime
from clinic.errors import Refused
from clinic.models import Device, Location, Membership, Role, Room, User
from patients.models import LifeState, Patient
from sessions import availability, dosegate, timetable
from sessions.actions import holds
from sessions.actions.holds import Team
from sessions.availability import Obstacle, Opening, Span
from sessions.models import Appointment, VisitType
from sessions.timetable import Taken

# How far around the wished time alternatives are looked for, nearest first.
ALTERNATIVES_WITHIN_DAYS = (2, 21)


class NotInCare(Refused):
    """The patient is discharged or has died."""


class InThePast(holds.NotAtThatTime):
    """The time is over."""

    def __init__(self) -> None:
        super().__init__(_("This time has passed. Choose a later one."))


class OffTheGrid(holds.NotAtThatTime):
    """Visits of this kind begin at other minutes."""

    def __init__(self, grid_minutes: int) -> None:
        super().__init__(
            _("Visits of this kind start every %(n)d minutes, counted from the full hour. Choose such a time.")
            % {"n": grid_minutes}
        )


class OutsideHours(holds.NotAtThatTime):
    """The place is shut or the person is not at work."""


class WrongClinician(Refused):
    """The person does not hold the role this kind of visit needs, here."""


class WrongRoom(Refused):
    """The room is elsewhere, out of use, missing or of another kind."""


class DoseNotMet(Refused):
    """A dose may not be given then. ``unmet`` is all that is missing, so that the page can lead to each."""

    def __init__(self, unmet: Sequence[dosegate.Unmet]) -> None:
        more = len(unmet) - 1
        others = ngettext("One more thing is missing.", "%(count)s more things are missing.", more) % {"count": more}
        first = _("This dosing visit cannot be booked yet. %(first)s") % {"first": unmet[0].sentence}
        super().__init__(f"{first} {others}" if more else first)
        self.unmet = tuple(unmet)


class TooNear(Refused):
    """Two dosing visits of a patient would lie too near each other."""


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

    @property
    def span(self) -> Span:
        """Return from when until when anything of the visit is held: the room's turnover is the last."""
        need = timetable.need_of(self.visit_type)
        return self.starts_at, self.starts_at + need.duration + need.room_tail

    @property
    def asked(self) -> dict[str, Any]:
        """Return the time and who and what is wanted, as ``sessions/availability.py`` is asked about it."""
        return {
            "starts_at": self.starts_at, "clinician": self.team.clinician.pk, "room": self.room.pk if self.room else None,
            "patient": self.patient.pk, "others": [who.pk for who in self.team.others],
            "devices": [device.pk for device in self.team.devices],
        }  # fmt: skip

    def name_of(self, resource: uuid.UUID | None) -> str:
        names = {who.pk: who.name for who in self.team.people} | {
            device.pk: device.name for device in self.team.devices
        }
        if self.room:
            names[self.room.pk] = self.room.name
        return names.get(resource, "") if resource else ""


def guard_in_care(patient: Patient) -> None:
    """Refuse a patient who is discharged or has died."""
    if patient.life_state in {LifeState.DISCHARGED, LifeState.DECEASED}:
        raise NotInCare(
            _("%(name)s is %(state)s, so no visit can be booked. Change the state of care on their page first.")
            % {"name": patient.called, "state": LifeState(patient.life_state).label}
        )


def glance(place: Place, *, ignoring: Appointment | None = None) -> None:
    """Refuse, before anything is locked, what is taken already: most who lose a race for a time lost it before they asked.

    They need not wait behind the locks of whoever else wants it. Who passes is asked everything again by ``guard``, under the locks.
    """
    guard_in_care(place.patient)
    _guard_free(place if place.visit_type.room_kind else replace(place, room=None), ignoring)


def guard(place: Place, *, now: datetime, ignoring: Appointment | Collection[Appointment] | None = None) -> None:
    """Refuse a time, people, devices or room this visit cannot have. Everything named is locked already."""
    # Who loses a race is told at once: the others wait behind these locks.
    taken = _guard_free(place, ignoring)
    _guard_roles(place)
    _guard_room(place)
    people = [who.pk for who in place.team.people]
    need, (starts_at, ends_at) = timetable.need_of(place.visit_type), place.span
    calendar = timetable.read(place.location, people=people, taken=taken, start=starts_at, end=ends_at)
    found = availability.hitch(calendar, need, now=now, **place.asked)
    if found is not None:
        raise _refusal(*found, place)


def _guard_free(place: Place, ignoring: Appointment | Collection[Appointment] | None) -> Taken:
    """Return what is held of all that a visit would take; refuse a team of another shape, and a time at which any of it is taken."""
    _guard_team(place)
    taken = timetable.held(place.resources, *place.span, ignoring)
    bare = availability.Calendar(tz=place.location.tz, taken=taken.wholly, shared=taken.shared)
    clash = availability.clash(bare, timetable.need_of(place.visit_type), **place.asked)
    if clash is not None:
        raise _refusal(*clash, place)
    return taken


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


def alternatives(place: Place, *, now: datetime, ignoring: Appointment | None = None) -> tuple[Opening, ...]:
    """Return the three openings nearest to the wished time, with whoever holds the roles, in any room of the kind.

    Of a wished time that is over, those nearest to now.
    """
    location, best = place.location, []
    wished = max(now, place.starts_at)
    choices = timetable.choices(location, place.visit_type)
    # What is near is read first: whoever lost a race waits for this page, and most often the same day has room.
    for days in ALTERNATIVES_WITHIN_DAYS:
        widest = timedelta(days=days)
        start, end = (
            max(now, wished - widest) - timedelta(days=1),
            wished + widest + timedelta(days=2),
        )
        taken = timetable.held([*choices.resources, place.patient.pk], start, end, ignoring)
        calendar = timetable.read(location, people=choices.everybody, taken=taken, start=start, end=end)
        best = availability.open_near(
            calendar, timetable.need_of(place.visit_type), wanted=wished, clinician=place.team.clinician.pk,
            clinicians=choices.clinicians, others=choices.others, devices=choices.kits, rooms=list(choices.rooms),
            patient=place.patient.pk, within_days=days, now=now,
        )  # fmt: skip
        if len(best) == 3:
            break
    return tuple(best)


def guard_dose(
    *, by: User, place: Place, now: datetime, ignoring: Appointment | Collection[Appointment] | None = None
) -> None:
    """Refuse a dosing visit that may not take place then; the patient's row is locked, so no neighbour is booked meanwhile."""
    unmet = dosegate.unmet(
        by=by, patient=place.patient, visit_type=place.visit_type, starts_at=place.starts_at, tz=place.location.tz,
        now=now, ignoring=ignoring,
    )  # fmt: skip
    if unmet:
        raise DoseNotMet(unmet)


def guard_distance(patient: Patient, visit: Appointment, *, now: datetime) -> None:
    """Refuse a dosing visit that comes back and lies too near another one; the patient's row is locked."""
    days, tz = dosegate.days_between(now), visit.location.tz
    near = dosegate.too_near(dosegate.doses_of(patient, visit), visit.starts_at, tz, days)
    if near:
        raise TooNear(
            _("There are less than %(hours)d hours to the dosing visit on %(when)s, which was booked meanwhile. Move or cancel that one first.")
            % {"hours": days * 24, "when": localtime.moment_text(near[0].starts_at, near[0].location.tz)}
        )  # fmt: skip


def as_locked(place: Place, rooms: dict[uuid.UUID, Room], people: dict[uuid.UUID, User], patient: Patient) -> Place:
    """Return the same place with the rows as they are now that they are locked."""
    team = Team(tuple(people[who.pk] for who in place.team.people), place.team.devices)
    room = rooms.get(place.room.pk) if place.room and place.visit_type.room_kind else None
    return replace(place, team=team, room=room, patient=patient)


def facts(appointment: Appointment) -> dict[str, str | int | None]:
    """Return what the audit says about a visit's place in time: ids, codes and the moment."""
    return {
        "visit_type": appointment.visit_type.code,
        "starts_at": appointment.starts_at.isoformat(),
        "clinician": str(appointment.clinician_id),
        "room": str(appointment.room_id) if appointment.room_id else None,
        "schedule_version": appointment.schedule_version,
    }
