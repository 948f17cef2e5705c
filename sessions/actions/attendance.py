"""Attendance: whether the patient will come, is here, is in the room, has gone, did not come, or was here unseen.

Booking is in ``visits``, moving and cancelling in ``changes``. What is said here is said about the day of the visit, by the desk or by
the clinician, and each slip can be taken back while nothing has been built on it.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from assessments.actions import alerts
from clinic import audit, localtime
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import User, WorkItem
from sessions.actions import changes, escorts, holds, placing, recalls, reminders
from sessions.models import Appointment, Reminder
from sessions.models.escorts import ASKED_WHILE

# Somebody who did not come is called within so many hours (domain.md 8.2: the same day).
CALL_THE_MISSED_WITHIN = timedelta(hours=2)

Status = Appointment.Status


class NotToday(Refused):
    """The visit is on another day."""


class TooEarly(Refused):
    """It may be said later."""


class TooLate(Refused):
    """It could have been said earlier."""


class NotThen(Refused):
    """The visit did not begin at that time: it is on another day, or still to come."""


def _become(
    *,
    by: User,
    visit: Appointment,
    status: Appointment.Status,
    verb: audit.Verb,
    now: datetime,
    details: dict[str, str] | None = None,
    **changes: object,
) -> Appointment:
    """Move a locked visit to a state its guard allowed, with the moments that belong to it."""
    visit.status = status
    visit.version += 1
    for field, value in changes.items():
        setattr(visit, field, value)
    visit.save(update_fields=["status", "version", *changes])
    audit.record(by, verb, visit, now=now, details=details)
    if status not in ASKED_WHILE:
        escorts.settle(by=by, visit=visit, now=now)
    return visit


def _refuse_move(visit: Appointment, sentence: str) -> changes.NotPossibleNow:
    return changes.NotPossibleNow(sentence % {"name": visit.patient.called, "state": visit.word.lower()})


@transaction.atomic
def confirm(*, by: User, appointment: Appointment, seen_version: int, now: datetime) -> Appointment:
    """Return the visit, the patient having said that they will come.

    Refuses any but a planned one, and one somebody changed since ``seen_version``: they said yes to the time that was
    on the screen.
    """
    visit = Appointment.objects.locked_with().get(pk=appointment.pk)
    if visit.can_be_confirmed and visit.version != seen_version:
        raise changes.ChangedMeanwhile(visit)
    if not visit.can_be_confirmed:
        raise _refuse_move(visit, _("Only a planned visit can be confirmed. %(name)s's is: %(state)s."))
    return _become(
        by=by, visit=visit, status=Status.CONFIRMED, verb=audit.Verb.APPOINTMENT_CONFIRMED, now=now, confirmed_at=now
    )


@transaction.atomic
def check_in(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient being here. Refuses another day than today, and a patient who is here already."""
    visit = Appointment.objects.locked_with("location", "patient").get(pk=appointment.pk)
    tz = visit.location.tz
    if visit.status == Status.CHECKED_IN and visit.checked_in_at is not None:
        raise changes.NotPossibleNow(
            _("%(name)s is checked in already, since %(time)s.")
            % {"name": visit.patient.called, "time": localtime.clock_text(visit.checked_in_at, tz)}
        )
    if not visit.can_be_checked_in:
        raise _refuse_move(visit, _("%(name)s cannot be checked in: the visit's state is “%(state)s”."))
    if visit.patient.is_deceased:
        raise placing.NotInCare(
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
    """Return the visit, planned or confirmed as before: a slip of the finger. Refuses after ten minutes (domain.md 8.1)."""
    visit = Appointment.objects.locked().get(pk=appointment.pk)
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
        # Whoever said that they come has still said it.
        status=Status.CONFIRMED if visit.confirmed_at else Status.BOOKED,
        verb=audit.Verb.APPOINTMENT_CHECK_IN_UNDONE,
        now=now,
        checked_in_at=None,
    )


@transaction.atomic
def start(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient being in the room. Refuses a patient who is not here."""
    visit = Appointment.objects.locked_with().get(pk=appointment.pk)
    if not visit.can_be_started:
        raise _refuse_move(visit, _("Check %(name)s in first: the visit's state is “%(state)s”."))
    return _become(
        by=by, visit=visit, status=Status.IN_PROGRESS, verb=audit.Verb.APPOINTMENT_STARTED, now=now, started_at=now
    )


@transaction.atomic
def finish(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, done. Refuses one that is not under way."""
    visit = Appointment.objects.locked_with().get(pk=appointment.pk)
    if not visit.can_be_finished:
        raise _refuse_move(visit, _("Only a visit that is under way can be done. %(name)s's is: %(state)s."))
    return _become(
        by=by, visit=visit, status=Status.COMPLETED, verb=audit.Verb.APPOINTMENT_COMPLETED, now=now, finished_at=now
    )


@transaction.atomic
def mark_left(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient having left before its end. Refuses a patient who is not here."""
    visit = Appointment.objects.locked_with().get(pk=appointment.pk)
    if not visit.can_leave:
        raise _refuse_move(visit, _("%(name)s cannot have left: the visit's state is “%(state)s”."))
    return _become(by=by, visit=visit, status=Status.LEFT, verb=audit.Verb.APPOINTMENT_LEFT, now=now, finished_at=now)


@transaction.atomic
def undo_left(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient here or in the room as before: a slip, as with a check-in. Refuses after ten minutes.

    Whoever left keeps what the visit held, so nothing has to be taken anew.
    """
    visit = Appointment.objects.locked_with().get(pk=appointment.pk)
    if visit.status != Status.LEFT:
        raise _refuse_move(visit, _("There is no leaving to take back: %(name)s's visit is “%(state)s”."))
    if not visit.can_undo_left(now):
        raise TooLate(
            _("“Left” can be taken back for ten minutes. If %(name)s is back, book a new visit.")
            % {"name": visit.patient.called}
        )
    return _become(
        by=by,
        visit=visit,
        status=Status.IN_PROGRESS if visit.started_at else Status.CHECKED_IN,
        verb=audit.Verb.APPOINTMENT_LEFT_UNDONE,
        now=now,
        finished_at=None,
    )


@transaction.atomic
def mark_no_show(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, the patient not having come; room and people are free again, and the desk is asked to call.

    Somebody who does not come may not be well: the call is due the same day (domain.md 8.2). Refuses before the visit
    type's minutes after the start have passed, and a patient who came.
    """
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    if visit.status not in Appointment.AWAITED:
        raise _refuse_move(visit, _("“Did not come” cannot be said of %(name)s: the visit's state is “%(state)s”."))
    if now < visit.no_show_from():
        raise TooEarly(
            _("It is too early to say that. Wait until %(time)s.")
            % {"time": localtime.moment_text(visit.no_show_from(), visit.location.tz)}
        )
    holds.let_go(visit)
    reminders.void(by=by, appointment=visit, reason=Reminder.Reason.VISIT_MISSED, now=now)
    _ask_to_call(by, visit, now)
    return _become(
        by=by, visit=visit, status=Status.NO_SHOW, verb=audit.Verb.APPOINTMENT_MISSED, now=now, no_show_at=now
    )


def _ask_to_call(by: User, visit: Appointment, now: datetime) -> None:
    """Ask the desk to call whoever did not come, and a clinician too, the same day, where the patient is at risk.

    No letter goes out about a missed visit (scenario 46).
    """
    if visit.patient.is_deceased:
        return
    reminders.ask_to_call(by=by, visit=visit, due_at=now + CALL_THE_MISSED_WITHIN, now=now)
    alerts.reach_out(
        by=by, patient=visit.patient, location=visit.location, subject_type="appointment", subject_id=visit.pk, now=now
    )


@transaction.atomic
def undo_no_show(*, by: User, appointment: Appointment, because: str, now: datetime) -> Appointment:
    """Return the visit, planned again, with everything it held. ``because`` is kept on the visit.

    Refuses another day, a room or person that somebody else was given meanwhile, and a dose that lies too near one that was booked
    meanwhile: it counted for nothing while it was missed.
    """
    try:
        with holds.last_word():
            team = holds.team_of(appointment)
            held = holds.lock_team(
                {appointment.room_id} if appointment.room_id else set(), [team], appointment.patient_id
            )
            visit = Appointment.objects.locked().get(pk=appointment.pk)
            if not visit.was_missed:
                raise _refuse_move(visit, _("There is nothing to take back: %(name)s's visit is “%(state)s”."))
            tz = visit.location.tz
            if localtime.day_of(now, tz) != localtime.day_of(visit.starts_at, tz):
                raise TooLate(_("This can be taken back on the day itself only. Book a new visit instead."))
            if visit.visit_type.is_dosing:
                placing.guard_distance(held[-1], visit, now=now)
            holds.take(visit, team)
            worklist.close_about(
                by=by, kind=WorkItem.Kind.CALL_PATIENT, or_kind=WorkItem.Kind.OUTREACH, subject_id=visit.pk,
                outcome=WorkItem.Outcome.NOT_NEEDED, now=now,
            )  # fmt: skip
            return _become(
                by=by, visit=visit, status=Status.BOOKED, verb=audit.Verb.APPOINTMENT_MISS_UNDONE, now=now,
                no_show_at=None, no_show_undone_because=because,
            )  # fmt: skip
    except holds.SlotTaken as taken:
        raise holds.SlotTaken(
            _("The room or the clinician has been given to somebody else meanwhile. Book a new visit instead.")
        ) from taken


@transaction.atomic
def record_afterwards(
    *,
    by: User,
    appointment: Appointment,
    began_at: datetime,
    reason: Appointment.RecordReason,
    note: str,
    now: datetime,
) -> Appointment:
    """Return the visit, done: it took place and nobody was checked in. When it ended is not known and not guessed.

    Also puts right a “did not come” that was a mistake; the call to the patient is then not needed. Refuses a visit that
    somebody was checked in for or that is cancelled, the time before a miss could be said, more than two weeks after the
    visit, a beginning on another day or to come, and one after a death that is on record.
    """
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    tz, day = visit.location.tz, localtime.day_of(visit.starts_at, visit.location.tz)
    if visit.recorded_at is not None:
        raise changes.NotPossibleNow(
            _("%(name)s's visit is recorded already, since %(time)s.")
            % {"name": visit.patient.called, "time": localtime.moment_text(visit.recorded_at, tz)}
        )
    if visit.status not in Appointment.NEVER_CHECKED_IN:
        raise _refuse_move(visit, _("%(name)s's visit cannot be recorded afterwards: its state is “%(state)s”."))
    if now < visit.no_show_from():
        raise TooEarly(
            _("It is too early to say that. If %(name)s is here, check them in; else wait until %(time)s.")
            % {"name": visit.patient.called, "time": localtime.moment_text(visit.no_show_from(), tz)}
        )
    if now > visit.record_until():
        raise TooLate(
            _("This visit was on %(day)s, and a visit can be recorded for two weeks. Leave it as it is and tell a manager.")
            % {"day": localtime.day_text(day)}
        )  # fmt: skip
    if localtime.day_of(began_at, tz) != day:
        raise NotThen(
            _("This visit was planned for %(day)s. Give the time at which it began on that day.")
            % {"day": localtime.day_text(day)}
        )
    if began_at > now:
        raise NotThen(
            _("%(time)s is still to come. Give the time at which the visit began.")
            % {"time": localtime.moment_text(began_at, tz)}
        )
    if visit.patient.is_deceased and visit.patient.life_state_since < began_at:
        raise placing.NotInCare(
            _("%(name)s was recorded as deceased before that. Make sure whose visit it was; a manager corrects a death that was a mistake.")
            % {"name": visit.patient.full_name}
        )  # fmt: skip
    for kind, outcome in (
        (WorkItem.Kind.UNSETTLED_VISIT, WorkItem.Outcome.DONE),
        (WorkItem.Kind.CALL_PATIENT, WorkItem.Outcome.NOT_NEEDED),
        (WorkItem.Kind.OUTREACH, WorkItem.Outcome.NOT_NEEDED),
    ):
        worklist.close_about(by=by, kind=kind, subject_id=visit.pk, outcome=outcome, now=now)
    return _become(
        by=by, visit=visit, status=Status.COMPLETED, verb=audit.Verb.APPOINTMENT_RECORDED, now=now, started_at=began_at,
        recorded_at=now, recorded_by=by, record_reason=reason, record_note=note, no_show_at=None,
        details={"began_at": began_at.isoformat(), "reason": reason, "was": visit.status},
    )  # fmt: skip


@transaction.atomic
def undo_record_afterwards(*, by: User, appointment: Appointment, now: datetime) -> Appointment:
    """Return the visit, planned or missed as before it was recorded: a slip, as with a check-in. Refuses after ten minutes.

    What became of a planned one has to be said anew, so of a past day the desk is asked again. A missed one holds nothing
    any more and is missed again, said now by whoever takes the record back; the call that the record had made needless is
    asked for again.
    """
    visit = Appointment.objects.locked().get(pk=appointment.pk)
    if visit.recorded_at is None:
        raise _refuse_move(visit, _("There is no record to take back: %(name)s's visit is “%(state)s”."))
    if not visit.can_undo_record(now):
        raise TooLate(
            _("What was recorded afterwards can be taken back for ten minutes. Tell a manager if %(name)s's visit was another's.")
            % {"name": visit.patient.called}
        )  # fmt: skip
    was_missed = not holds.has_any(visit)
    calls = WorkItem.objects.filter(kind=WorkItem.Kind.CALL_PATIENT, subject_id=visit.pk)
    if calls.filter(closed_at=visit.recorded_at, outcome=WorkItem.Outcome.NOT_NEEDED).exists():
        _ask_to_call(by, visit, now)
    tz = visit.location.tz
    if not was_missed and localtime.day_of(now, tz) != localtime.day_of(visit.starts_at, tz):
        recalls.ask_what_became(by=by, visit=visit, now=now)
    status = Status.NO_SHOW if was_missed else Status.BOOKED
    return _become(
        by=by, visit=visit, status=status, verb=audit.Verb.APPOINTMENT_RECORD_UNDONE, now=now, started_at=None,
        recorded_at=None, recorded_by=None, record_reason="", record_note="", no_show_at=now if was_missed else None,
        details={"is": status},
    )  # fmt: skip
