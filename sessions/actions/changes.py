"""Visits that are moved and cancelled. How they are booked is in ``visits``; what becomes of them on the day in ``attendance``."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, businessdays, localtime
from clinic.errors import Refused
from clinic.models import Room, User
from patients.actions import referrals
from patients.models import Referral
from sessions.actions import freed, holds, placing, reminders, wishes
from sessions.actions.holds import Team
from sessions.actions.placing import Place
from sessions.models import Appointment, FreedSlot, Reminder, VisitMove

Status = Appointment.Status


@dataclass(frozen=True)
class Why:
    """Who asked for a move, and why: codes and a few words. All empty where nobody was asked."""

    asked_by: Appointment.CancelledBy | None = None
    reason: VisitMove.Reason | None = None
    note: str = ""


NOBODY_SAID = Why()


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
        self.appointment = appointment


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
    why: Why = NOBODY_SAID,
) -> Appointment:
    """Return the visit at its new time, with its new person and room: the same row, what it held let go and taken anew.

    A new time raises ``schedule_version``, so letters about the old one die and new ones are planned, and it takes back
    "confirmed". A patient's open wish about the visit is settled. Refuses a visit that is over or cancelled, one somebody
    changed since ``seen_version``, and whatever booking refuses; then the old time stays.
    """
    team = holds.team_of(appointment)
    return move(
        by=by, appointment=appointment, team=replace(team, people=(clinician, *team.others)), room=room,
        starts_at=starts_at, seen_version=seen_version, now=now, why=why,
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
    why: Why = NOBODY_SAID,
) -> Appointment:
    """Return the visit at its new time with its new team and room, as ``reschedule`` does; a dose is asked about anew.

    ``why`` is kept with who moved it and from what to what (``VisitMove``).
    """
    place = Place(appointment.location, appointment.visit_type, team, room, appointment.patient, starts_at)
    try:
        if appointment.can_be_moved and appointment.version == seen_version:
            placing.glance(place, ignoring=appointment)
        with holds.last_word():
            return _move_locked(place, by=by, appointment=appointment, seen_version=seen_version, now=now, why=why)
    except holds.SlotTaken as taken:
        raise holds.SlotTaken(taken.message, placing.alternatives(place, now=now, ignoring=appointment)) from taken


def move_for_course(
    *,
    by: User,
    appointment: Appointment,
    team: Team,
    room: Room | None,
    starts_at: datetime,
    seen_version: int,
    not_yet_moved: Iterable[Appointment],
    now: datetime,
    why: Why = NOBODY_SAID,
) -> Appointment:
    """Return one visit of a course at its new time, moved as ``move`` does, without alternatives.

    Whoever calls holds the locks of the whole course, and let go of what those ``not_yet_moved``, itself among them, hold: they are
    nobody's neighbours any more.
    """
    place = Place(appointment.location, appointment.visit_type, team, room, appointment.patient, starts_at)
    return _move_locked(
        place, by=by, appointment=appointment, seen_version=seen_version, now=now, ignoring=list(not_yet_moved), why=why
    )


def _move_locked(
    place: Place,
    *,
    by: User,
    appointment: Appointment,
    seen_version: int,
    now: datetime,
    why: Why,
    ignoring: Collection[Appointment] = (),
) -> Appointment:
    before = holds.team_of(appointment)
    wanted_rooms = {pk for pk in (appointment.room_id, place.room.pk if place.room else None) if pk is not None}
    rooms, people, patient = holds.lock_team(wanted_rooms, [before, place.team], appointment.patient_id)
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    if visit.version != seen_version:
        raise ChangedMeanwhile(visit)
    place = placing.as_locked(place, rooms, people, patient)
    starts_at = place.starts_at
    ignoring = ignoring or (visit,)
    is_new_time = starts_at != visit.starts_at
    _guard_move(place, by=by, visit=visit, before=before, now=now, ignoring=ignoring)
    was, old_time, old_room = placing.facts(visit), visit.starts_at, visit.room
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
    VisitMove.objects.create(
        appointment=visit, version=visit.version, starts_from=old_time, starts_to=visit.starts_at, room_from=old_room,
        room_to=visit.room, people_from=[who.pk for who in before.people], people_to=[who.pk for who in place.team.people],
        asked_by=why.asked_by or "", reason=why.reason or "", note=why.note, moved_by=by, moved_at=now,
    )  # fmt: skip
    told = {"by": why.asked_by, "reason": why.reason} if why.asked_by else {}
    audit.record(
        by, audit.Verb.APPOINTMENT_MOVED, visit, now=now, details={"from": was, "to": placing.facts(visit), **told}
    )
    if is_new_time:
        reminders.plan(by=by, appointment=visit, now=now)
    return visit


def _guard_movable(visit: Appointment, *, before: Team, place: Place) -> None:
    """Refuse to move a visit that is under way or over; whoever waits may be given another room, at the same time."""
    if visit.status == Status.CHECKED_IN:
        if (place.starts_at, place.team) == (visit.starts_at, before):
            return
        raise NotPossibleNow(
            _(
                "%(name)s is here already, so only the room can be changed. Take the check-in back first, if it was a slip."
            )
            % {"name": visit.patient.called}
        )
    if not visit.can_be_moved:
        raise NotPossibleNow(
            _("This visit cannot be moved any more: its state is “%(state)s”. Book a new one instead.")
            % {"state": visit.word}
        )


def _guard_move(
    place: Place, *, by: User, visit: Appointment, before: Team, now: datetime, ignoring: Collection[Appointment]
) -> None:
    """Refuse a place that the visit cannot have; those in ``ignoring`` are no neighbours."""
    _guard_movable(visit, before=before, place=place)
    if (place.starts_at, place.team, place.room) == (visit.starts_at, before, visit.room):
        raise NothingChanged
    placing.guard_in_care(place.patient)
    # Another room or person while the time goes by is no move into the past, as long as the visit is not over.
    is_running = place.starts_at == visit.starts_at <= now < visit.ends_at
    placing.guard(place, now=place.starts_at if is_running else now, ignoring=ignoring)
    if visit.visit_type.is_dosing and place.starts_at != visit.starts_at:
        placing.guard_dose(by=by, place=place, now=now, ignoring=ignoring)


def foresee(
    *, by: User, appointment: Appointment, team: Team, room: Room | None, starts_at: datetime, now: datetime
) -> Refused | None:
    """Return what would refuse this move as things stand, with the nearest openings where there are any, or None.

    Nothing is locked and nothing written: it is what somebody reads before they decide, and ``move`` has the last word.
    """
    place = Place(appointment.location, appointment.visit_type, team, room, appointment.patient, starts_at)
    try:
        _guard_move(
            place, by=by, visit=appointment, before=holds.team_of(appointment), now=now, ignoring=(appointment,)
        )
    except holds.NotAtThatTime as elsewhen:
        elsewhen.alternatives = placing.alternatives(place, now=now, ignoring=appointment)
        return elsewhen
    except Refused as refusal:
        return refusal
    return None


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
