"""Reminders: planned with the visit, withdrawn with it, and handed to the post when due.

Every line of a plan becomes a row, also the lines whose time has passed, so that "what was sent, and why not" has an
answer. What the post does with a letter afterwards is ``clinic.actions.outbox``.
"""

import copy
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import localtime, policy, quiethours
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.logs import trail
from clinic.models import Category, Channel, OutboundMessage, Role, User, WorkItem
from clinic.quiethours import Window
from patients.models import ContactPreference
from sessions.models import Appointment, Reminder, ReminderPlanItem

log = structlog.get_logger(__name__)

Reason = Reminder.Reason

CONFIRMATION = "visit_confirmation"
MOVED = "visit_moved"
CANCELLED = "visit_cancelled"

# Rows of one round of the clock, and of one transaction.
ROUND = 1_000
CHUNK = 100
# A row handed over later than this was held up, with others: its letters are spread so that they are no burst.
HELD_UP_AFTER = timedelta(minutes=10)
SPREAD_OVER = timedelta(minutes=30)
# By when somebody phones a patient whom no letter tells of a move or a cancellation.
CALL_WITHIN = timedelta(hours=2)

# When one of these cannot be written, somebody has to phone. The last is the post's own word at the moment of sending.
_CALL_WHEN_UNWRITTEN = frozenset(
    {Reason.NO_CONSENT, Reason.NO_ADDRESS, Reason.QUIET_HOURS, OutboundMessage.Reason.SUPPRESSED}
)


class NotBooked(Refused):
    """Reminders are for visits that will take place."""

    def __init__(self) -> None:
        super().__init__(_("Only a booked visit has letters. Book it first; then they are planned."))


@transaction.atomic
def plan(*, by: User, appointment: Appointment, now: datetime) -> list[Reminder]:
    """Return the visit's reminders for its present time, made now unless they are there already.

    To be called after every booking and every move, with the raised ``schedule_version`` saved: rows and waiting
    letters of earlier versions are withdrawn, and instead of the confirmation a moved visit's patient is told the new
    time. Lines whose time has passed are kept as "not sent". Refuses a visit that is not booked.
    """
    visit = _locked(appointment)
    if visit.status not in Appointment.AWAITED:
        raise NotBooked
    rows = list(Reminder.objects.filter(appointment=visit).order_by("due_at", "id"))
    present = [row for row in rows if row.schedule_version == visit.schedule_version]
    if present:
        return present
    if rows:
        _withdraw(by=by, visit=visit, kinds={row.kind for row in rows}, reason=Reason.VISIT_MOVED, now=now)
    return _make(by=by, visit=visit, is_moved=bool(rows), now=now)


def plan_first(*, by: User, visit: Appointment, now: datetime) -> list[Reminder]:
    """Return the reminders of a visit that this very transaction made: nobody else knows it, and it has none yet.

    Its patient is locked and as of now. Everybody else calls ``plan``.
    """
    return _make(by=by, visit=visit, is_moved=False, now=now)


def _make(*, by: User, visit: Appointment, is_moved: bool, now: datetime) -> list[Reminder]:
    items = list(ReminderPlanItem.objects.filter(plan__visit_type_code=visit.visit_type.code, plan__is_current=True))
    if not items:
        return []
    window = _window(now)
    made = Reminder.objects.bulk_create(
        [_row(item, visit, window=window, is_moved=is_moved, now=now) for item in items]
    )
    made.sort(key=lambda row: (row.due_at, row.id))
    due = [row for row in made if row.status == Reminder.Status.PLANNED and row.due_at <= now]
    consents = _consents([visit]) if due else set()
    for row in due:
        _hand_over(by=by, reminder=row, visit=visit, consents=consents, window=window, now=now)
    return made


@transaction.atomic
def void(*, by: User, appointment: Appointment, reason: str, now: datetime) -> list[Reminder]:
    """Withdraw what is planned or waiting about a visit, and return the letters that take its place.

    ``reason`` is a ``Reminder.Reason``. For VISIT_CANCELLED of a visit still to come that is the letter which says so;
    for anything else there is none.
    """
    why = Reason(reason)
    visit = _locked(appointment)
    rows = list(Reminder.objects.filter(appointment=visit))
    told = [row for row in rows if row.kind == CANCELLED]
    if told:
        return told
    _withdraw(by=by, visit=visit, kinds={row.kind for row in rows}, reason=why, now=now)
    if why != Reason.VISIT_CANCELLED or visit.starts_at <= now:
        return []
    channels = {row.channel for row in rows if _says_where_and_when(row)} or {Channel.EMAIL}
    window, consents = _window(now), _consents([visit])
    told = Reminder.objects.bulk_create(
        Reminder(
            appointment=visit, kind=CANCELLED, channel=channel, schedule_version=visit.schedule_version,
            due_at=now, useful_until=visit.starts_at,
        )
        for channel in sorted(channels)
    )  # fmt: skip
    for row in told:
        _hand_over(by=by, reminder=row, visit=visit, consents=consents, window=window, now=now)
    return told


def queue_due(*, by: User, now: datetime) -> int:
    """Hand due reminders to the post, at most ``ROUND`` of them. Return how many were settled.

    Each is settled in a savepoint of its own: one that cannot be is logged and left for the next round, and holds up
    nobody else's.
    """
    settled, failed = 0, set[uuid.UUID]()
    while settled + len(failed) < ROUND:
        limit = min(CHUNK, ROUND - settled - len(failed))
        done, broken = _queue_chunk(by=by, now=now, without=failed, limit=limit)
        settled += done
        failed |= broken
        if done + len(broken) == 0:
            break
    return settled


@transaction.atomic
def _queue_chunk(*, by: User, now: datetime, without: set[uuid.UUID], limit: int) -> tuple[int, set[uuid.UUID]]:
    due = list(
        Reminder.objects.due(now)
        .exclude(pk__in=without)
        .select_for_update(skip_locked=True, no_key=True, of=("self",))
        .select_related("plan_item", *(f"appointment__{name}" for name in _WITH))[:limit]
    )
    if not due:
        return 0, set()
    window, consents = _window(now), _consents([row.appointment for row in due])
    newest = _newest_due(due, now)
    broken = set[uuid.UUID]()
    for row in due:
        try:
            with transaction.atomic():
                if _is_overtaken(row, newest):
                    _settle(row, Reminder.Status.SKIPPED, now=now, reason=Reason.OVERTAKEN)
                else:
                    _hand_over(by=by, reminder=row, visit=row.appointment, consents=consents, window=window, now=now)
        except Exception as error:  # whatever is wrong with this one must not keep the others from going
            log.error("reminder_not_queued", record=str(row.pk), kind=row.kind, reason=trail(error))
            broken.add(row.pk)
    return len(due) - len(broken), broken


def why_not(
    *, visit: Appointment, kind: str, channel: str, schedule_version: int, has_consent: bool, now: datetime
) -> str:
    """Return the reason why a letter about a visit should not go, or "" when it should.

    Asked when it is handed to the post and, word for word, again at the moment it is sent. ``visit`` comes with its
    patient, as they are now.
    """
    if kind == CANCELLED:
        # Whoever took the cancellation back made a new visit; this one stays cancelled.
        reason = "" if visit.starts_at > now else Reason.NO_LONGER_USEFUL
    elif visit.status in Appointment.AWAITED:
        if visit.schedule_version != schedule_version:
            reason = Reason.VISIT_MOVED
        else:
            reason = "" if visit.starts_at > now else Reason.VISIT_BEGUN
    else:
        reason = {
            Appointment.Status.CANCELLED: Reason.VISIT_CANCELLED,
            Appointment.Status.ENTERED_IN_ERROR: Reason.VISIT_CANCELLED,
            Appointment.Status.NO_SHOW: Reason.VISIT_MISSED,
        }.get(Appointment.Status(visit.status), Reason.VISIT_BEGUN)
    if reason:
        return str(reason)
    if not visit.patient.gets_letters:
        return str(Reason.PATIENT_STATE)
    if not has_consent:
        return str(Reason.NO_CONSENT)
    if not address_of(visit=visit, channel=channel):
        return str(Reason.NO_ADDRESS)
    return ""


def address_of(*, visit: Appointment, channel: str) -> str:
    """Return where the patient is written to by a channel, or "" when the record has nothing."""
    return str(visit.patient.email) if channel == Channel.EMAIL else str(visit.patient.phone or "")


def has_consent(*, visit: Appointment, channel: str) -> bool:
    """Return whether the patient agrees, as of now, to letters about visits by a channel. No answer means no."""
    return (visit.patient_id, channel) in _consents([visit])


_WITH = ("location", "patient", "patient__home_location", "visit_type")


def _locked(appointment: Appointment) -> Appointment:
    return (
        Appointment.objects.select_for_update(no_key=True, of=("self",)).select_related(*_WITH).get(pk=appointment.pk)
    )


def _window(now: datetime) -> Window:
    return Window.of(policy.in_force(now).get("reminders", "window_local"))


def _consents(visits: Iterable[Appointment]) -> set[tuple[uuid.UUID, str]]:
    """Return the (patient, channel) pairs that agreed to letters about visits."""
    return set(
        ContactPreference.objects.filter(
            patient_id__in={visit.patient_id for visit in visits},
            category=Category.VISIT,
            ended_at=None,
            is_allowed=True,
        ).values_list("patient_id", "channel")
    )


def _row(item: ReminderPlanItem, visit: Appointment, *, window: Window, is_moved: bool, now: datetime) -> Reminder:
    """Return the unsaved reminder of one line of the plan, already "not sent" when its time has passed."""
    useful_until = visit.starts_at - timedelta(minutes=item.useless_minutes_before)
    at_once = item.anchor == ReminderPlanItem.Anchor.BOOKING
    row = Reminder(
        appointment=visit,
        plan_item=item,
        kind=MOVED if is_moved and item.kind == CONFIRMATION else item.kind,
        channel=item.channel,
        schedule_version=visit.schedule_version,
        due_at=now
        if at_once
        else quiethours.fit(_before(item, visit.starts_at, visit.location.tz), window, visit.patient.tz, useful_until),
        useful_until=useful_until,
    )
    if useful_until <= now or (not at_once and row.due_at <= now):
        row.status, row.reason, row.settled_at = Reminder.Status.SKIPPED, Reason.TOO_LATE, now
    return row


def _before(item: ReminderPlanItem, starts_at: datetime, tz: ZoneInfo) -> datetime:
    """Return the moment of a line: days by the location's wall clock, so that 10:00 stays 10:00 over a clock change."""
    local = starts_at.astimezone(tz)
    same_hour = localtime.at(local.date() - timedelta(days=item.days_before), local.time(), tz)
    return same_hour - timedelta(minutes=item.minutes_before)


def _withdraw(*, by: User, visit: Appointment, kinds: set[str], reason: Reason, now: datetime) -> None:
    # Rows first: one that is handed over meanwhile has its letter in the table by the time letters are withdrawn.
    Reminder.objects.filter(appointment=visit, status=Reminder.Status.PLANNED).update(
        status=Reminder.Status.VOID, reason=reason, settled_at=now
    )
    if kinds:
        outbox.void(subject_type="appointment", subject_id=visit.pk, reason=reason, now=now, kinds=frozenset(kinds))
    worklist.close_about(
        by=by, kind=WorkItem.Kind.CALL_PATIENT, subject_id=visit.pk, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
    )


def _hand_over(
    *,
    by: User,
    reminder: Reminder,
    visit: Appointment,
    consents: set[tuple[uuid.UUID, str]],
    window: Window,
    now: datetime,
) -> None:
    """Make one due reminder a waiting letter, or say why it is none, and ask for a call when the last word is missing."""
    patient = visit.patient
    reason, start = _verdict(reminder, visit, consents=consents, window=window, now=now)
    if reason:
        _settle(reminder, Reminder.Status.SKIPPED, now=now, reason=reason)
        if reason in _CALL_WHEN_UNWRITTEN and _says_the_last_word(reminder, visit):
            ask_to_call(by=by, visit=visit, due_at=_call_by(reminder, now), now=now)
        return
    message = outbox.queue(
        by=by, kind=reminder.kind, channel=Channel(reminder.channel), subject_type="appointment",
        subject_id=visit.pk, schedule_version=reminder.schedule_version, location_id=visit.location_id,
        not_before=start, useful_until=reminder.useful_until, now=now,
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=address_of(visit=visit, channel=reminder.channel),
            tz=patient.tz, language=patient.letter_language,
        ),
    )  # fmt: skip
    _settle(reminder, Reminder.Status.QUEUED, now=now, message=message)


def _verdict(
    reminder: Reminder, visit: Appointment, *, consents: set[tuple[uuid.UUID, str]], window: Window, now: datetime
) -> tuple[str, datetime]:
    """Return why a reminder that is due now makes no letter, or "" when it makes one, and when that goes."""
    if reminder.useful_until <= now:
        reason = str(Reason.NO_LONGER_USEFUL)
    else:
        reason = why_not(
            visit=visit, kind=reminder.kind, channel=reminder.channel, schedule_version=reminder.schedule_version,
            has_consent=(visit.patient.pk, reminder.channel) in consents, now=now,
        )  # fmt: skip
    start = _start(reminder, now=now, window=window, tz=visit.patient.tz)
    if not reason and start >= reminder.useful_until:
        reason = str(Reason.QUIET_HOURS)
    return reason, start


@dataclass(frozen=True)
class Foreseen:
    """A letter that a move would bring: when it goes, or why it does not (``reason``) and whether somebody phones instead."""

    kind: str
    channel: Channel
    at: datetime
    reason: str
    is_called: bool


def foresee_move(*, visit: Appointment, starts_at: datetime, now: datetime) -> list[Foreseen]:
    """Return the letters that moving a visit to another time would bring, in order, as ``plan`` would make them today.

    Nothing is written. Whether a later one goes is decided anew on its day.
    """
    moved = copy.copy(visit)
    moved.starts_at, moved.ends_at = starts_at, starts_at + visit.visit_type.duration
    moved.status, moved.schedule_version = Appointment.Status.BOOKED, visit.schedule_version + 1
    is_moved = Reminder.objects.filter(appointment=visit).exists()
    window, consents = _window(now), _consents([visit])
    found = []
    for item in ReminderPlanItem.objects.filter(plan__visit_type_code=visit.visit_type.code, plan__is_current=True):
        row = _row(item, moved, window=window, is_moved=is_moved, now=now)
        reason, start = row.reason, max(row.due_at, now)
        if not reason:
            reason, start = _verdict(row, moved, consents=consents, window=window, now=start)
        is_called = reason in _CALL_WHEN_UNWRITTEN and _says_the_last_word(row, moved)
        found.append(Foreseen(row.kind, Channel(row.channel), start, str(reason), is_called))
    return sorted(found, key=lambda one: one.at)


@transaction.atomic
def call_instead(*, by: User, message: OutboundMessage, reason: str, now: datetime) -> WorkItem | None:
    """Return the item that asks for a call in place of a letter that was held back at the moment of sending, or None.

    The patient agreed when it was queued and does not now, or asked for no more letters at that address. A call is asked
    for where it would be if that had been known before: about the last word on a visit, unless the same goes by another
    channel. One that waits already is not made again.
    """
    reminder = (
        Reminder.objects.filter(message=message)
        .select_related("plan_item", *(f"appointment__{name}" for name in _WITH))
        .first()
    )
    if reminder is None or reason not in _CALL_WHEN_UNWRITTEN:
        return None
    visit = reminder.appointment
    if not _says_the_last_word(reminder, visit) or _goes_another_way(message):
        return None
    return ask_to_call(by=by, visit=visit, due_at=_call_by(reminder, now), now=now)


def _goes_another_way(message: OutboundMessage) -> bool:
    """Return whether the same letter was sent, or is about to be, by another channel."""
    status = OutboundMessage.Status
    return (
        OutboundMessage.objects.about(message.subject_type, message.subject_id)
        .filter(
            kind=message.kind, schedule_version=message.schedule_version,
            status__in=[status.QUEUED, status.SENDING, status.SENT],
        )
        .exclude(channel=message.channel)
        .exists()
    )  # fmt: skip


@transaction.atomic
def ask_to_call(*, by: User, visit: Appointment, due_at: datetime, now: datetime) -> WorkItem:
    """Return the item that asks the desk to phone the patient about a visit, made now unless it is open already."""
    return worklist.open_item(
        by=by, kind=WorkItem.Kind.CALL_PATIENT, location=visit.location, subject_type="appointment",
        subject_id=visit.pk, patient_id=visit.patient_id, owner_role=Role.FRONT_DESK, due_at=max(now, due_at), now=now,
    )  # fmt: skip


def _call_by(reminder: Reminder, now: datetime) -> datetime:
    """Return by when somebody phones instead of a letter. A patient who was not told of a move or a cancellation may
    come at the old time, which can be much sooner than the new one: they are called the same day.
    """
    return (
        reminder.useful_until
        if reminder.kind not in {MOVED, CANCELLED}
        else min(now + CALL_WITHIN, reminder.useful_until)
    )


def _settle(
    reminder: Reminder,
    status: Reminder.Status,
    *,
    now: datetime,
    reason: str = "",
    message: OutboundMessage | None = None,
) -> None:
    reminder.status, reminder.reason, reminder.settled_at, reminder.message = status, reason, now, message
    reminder.save(update_fields=["status", "reason", "settled_at", "message"])


def _start(reminder: Reminder, *, now: datetime, window: Window, tz: ZoneInfo) -> datetime:
    """Return when the letter may go: now, or, when the night or an outage held letters up, spread over half an hour.

    The place in the half hour follows from the row's id, so that a second reckoning gives the same. Nothing is spread
    beyond its use or out of the window.
    """
    start = quiethours.next_opening(now, window, tz)
    if start == now and now - reminder.due_at < HELD_UP_AFTER:
        return start
    room = min(SPREAD_OVER, (reminder.useful_until - start) / 2)
    if room <= timedelta(0):
        return start
    spread = start + room * ((reminder.pk.int & 0xFFFF_FFFF) / 2**32)
    return spread if quiethours.is_open(spread, window, tz) else start


def _says_where_and_when(reminder: Reminder) -> bool:
    return reminder.kind in {CONFIRMATION, MOVED}


def _says_the_last_word(reminder: Reminder, visit: Appointment) -> bool:
    """Return whether, without this letter, a patient would come wrongly or not at all: then somebody phones."""
    if reminder.kind == CANCELLED:
        return visit.cancelled_by != Appointment.CancelledBy.PATIENT
    item = reminder.plan_item
    return reminder.kind == MOVED or (
        item is not None and item.anchor == ReminderPlanItem.Anchor.START and item.days_before == 1
    )


_Line = tuple[uuid.UUID, str, int]


def _line(row: Reminder) -> _Line:
    return row.appointment_id, row.channel, row.schedule_version


def _newest_due(due: list[Reminder], now: datetime) -> dict[_Line, datetime]:
    """Return when the latest due reminder of each visit was due, among those counted back from its start."""
    rows = Reminder.objects.due(now).filter(
        appointment_id__in={row.appointment_id for row in due}, plan_item__anchor=ReminderPlanItem.Anchor.START
    )
    newest: dict[_Line, datetime] = {}
    for row in rows:
        newest[_line(row)] = max(row.due_at, newest.get(_line(row), row.due_at))
    return newest


def _is_overtaken(row: Reminder, newest: dict[_Line, datetime]) -> bool:
    counted_back = row.plan_item is not None and row.plan_item.anchor == ReminderPlanItem.Anchor.START
    return counted_back and row.due_at < newest.get(_line(row), row.due_at)
