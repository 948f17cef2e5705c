"""Patients move a visit of their own on the portal, to an opening that they pick. Wishes for other times are in ``wishes``."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.errors import Refused
from clinic.models import User
from sessions import availability, dosegate, timetable
from sessions.actions import changes, wishes
from sessions.actions.holds import Team
from sessions.availability import Opening
from sessions.courseplan import TALK_WITHIN
from sessions.models import TALKS, Appointment, VisitMove, VisitType
from sessions.timetable import Choices

# Moves of one visit by its patient; then it is quicker to ask, and its time is not tied up for nothing.
MOST_MOVES = 3
# So far ahead a patient picks a time.
AHEAD = timedelta(weeks=12)
Patient = Appointment.CancelledBy.PATIENT


class DeskMoves(Refused):
    """The visit hangs together with others, or was moved often: somebody at the clinic looks for its new time."""

    def __init__(self) -> None:
        super().__init__(_("We look for a new time together with you. Ask for another time, and we will answer."))


class NotFree(Refused):
    """The time is not one of the openings any more."""

    def __init__(self) -> None:
        super().__init__(
            _("This time is not free any more. Please choose another one. Your visit is still where it was.")
        )


@dataclass(frozen=True)
class Reach:
    """Between which moments a visit may begin anew: after its notice, and between the same doses as before."""

    earliest: datetime
    latest: datetime
    # Whether the next dose is what ends it.
    is_before_dose: bool = False

    def holds(self, starts_at: datetime, ends_at: datetime) -> bool:
        return self.earliest <= starts_at and ends_at <= self.latest


@dataclass(frozen=True)
class Found:
    """The openings of some days, one for each start, in order of time, with whom and where each could be."""

    openings: list[Opening]
    choices: Choices


def is_picked_by_patients(kind: VisitType) -> bool:
    """Return whether patients move visits of a kind by themselves: one person, no dose, booked by anybody.

    A dose, and whatever takes a team or devices, passes the gate at the desk (domain.md 8.2).
    """
    return (
        kind.patient_may_request_change
        and not kind.is_dosing
        and kind.bookers == VisitType.Bookers.ANYBODY
        and not kind.shape.others
        and not kind.shape.equipment
    )


def guard(visit: Appointment, now: datetime) -> Reach:
    """Return between which moments a patient may move their visit. Two or three queries.

    Refuses what a wish refuses (``wishes.guard_by_patient``), a kind that the desk moves, a visit of a course, a talk in the hours after
    a dose (domain.md 8.2: it would be without one), and one that its patient moved often.
    """
    wishes.guard_by_patient(visit, now)
    if not is_picked_by_patients(visit.visit_type) or visit.course_id is not None:
        raise DeskMoves
    doses = dosegate.doses_of(visit.patient)
    before = [one for one in doses if one.starts_at <= visit.starts_at]
    after = [one for one in doses if one.starts_at > visit.starts_at]
    if visit.visit_type.code in TALKS and before and visit.starts_at <= before[-1].ends_at + TALK_WITHIN[1]:
        raise DeskMoves
    moves = VisitMove.objects.filter(appointment=visit, asked_by=Patient, moved_by=visit.patient.portal_user_id)
    if moves.count() >= MOST_MOVES:
        raise DeskMoves
    kind = visit.visit_type
    # Nearer than this the clinic wants to hear from the patient by phone.
    notice = now + timedelta(hours=max(kind.notice_hours, kind.phone_within_hours))
    latest = min([now + AHEAD, *(one.starts_at for one in after)])
    return Reach(
        earliest=max([notice, *(one.ends_at for one in before)]), latest=latest, is_before_dose=latest < now + AHEAD
    )


def may_pick(visit: Appointment, now: datetime) -> bool:
    """Return whether a patient may move their visit by themselves, so that no page offers what would be refused. Two or three queries."""
    try:
        guard(visit, now)
    except Refused:
        return False
    return True


def find(visit: Appointment, *, reach: Reach, first: date, last: date, anybody: bool, now: datetime) -> Found:
    """Return the openings from one day to another, both included, with the visit's own person, or with ``anybody``.

    Its own person and its own room come first. Reads are fixed in number, however much is taken.
    """
    location, tz = visit.location, visit.location.tz
    choices = timetable.choices(location, visit.visit_type)
    own = [pk for pk in choices.clinicians if pk == visit.clinician_id]
    people = [*own, *(pk for pk in choices.clinicians if pk not in own)] if anybody else own
    start = localtime.at(first, time.min, tz) - timedelta(days=1)
    end = localtime.at(last, time.max, tz) + timedelta(days=2)
    taken = timetable.held([*people, *choices.rooms, visit.patient_id], start, end, visit)
    calendar = timetable.read(location, people=people, taken=taken, start=start, end=end)
    found = availability.open_slots(
        calendar, timetable.need_of(visit.visit_type), clinicians=people, patient=visit.patient_id,
        rooms=sorted(choices.rooms, key=lambda room: room != visit.room_id), first=first, last=last, now=now,
    )  # fmt: skip
    return Found(_one_each(found, visit, reach), choices)


def _one_each(found: Collection[Opening], visit: Appointment, reach: Reach) -> list[Opening]:
    """Return one opening for each start, with the visit's own person where they are free; never the time that it has."""
    by_start: dict[datetime, Opening] = {}
    for one in found:
        if one.starts_at == visit.starts_at or not reach.holds(one.starts_at, one.ends_at):
            continue
        if one.starts_at not in by_start or one.clinician_id == visit.clinician_id:
            by_start[one.starts_at] = one
    return [by_start[moment] for moment in sorted(by_start)]


@transaction.atomic
def move_my_visit(
    *, by: User, appointment: Appointment, starts_at: datetime, anybody: bool, seen_schedule_version: int, now: datetime
) -> Appointment:
    """Return the visit at the time that its patient picked: people and room are chosen here, never sent along.

    An open wish about it is settled, letters and confirmation begin anew, as with every move. Twice is once. Refuses what ``guard``
    refuses, a visit that was moved since they looked, and a time that is no opening; then the old time stays.
    """
    visit = Appointment.objects.select_related("location", "visit_type", "patient", "clinician", "room").get(
        pk=appointment.pk
    )
    if visit.schedule_version != seen_schedule_version:
        # The same press twice is once.
        if VisitMove.objects.filter(
            appointment=visit, version=visit.version, moved_by=by, starts_to=starts_at, asked_by=Patient
        ).exists():
            return visit
        raise changes.MovedMeanwhile(visit)
    # Asked before the locks: whatever changes the visit meanwhile raises its version, which the move asks for under them.
    reach = guard(visit, now)
    day = localtime.day_of(starts_at, visit.location.tz)
    found = find(visit, reach=reach, first=day, last=day, anybody=anybody, now=now)
    chosen = next((one for one in found.openings if one.starts_at == starts_at), None)
    if chosen is None:
        raise NotFree
    room = found.choices.rooms[chosen.room_id] if chosen.room_id else None
    try:
        return changes.move(
            by=by, appointment=visit, team=Team((found.choices.everybody[chosen.clinician_id],)), room=room,
            starts_at=chosen.starts_at, seen_version=visit.version, now=now,
            why=changes.Why(asked_by=Patient, reason=VisitMove.Reason.SUITS_BETTER),
        )  # fmt: skip
    except changes.ChangedMeanwhile as changed:
        raise changes.MovedMeanwhile(changed.appointment) from changed
    except Refused as refusal:
        # What booking says names people and rooms; the patient is told what they can do.
        raise NotFree from refusal
