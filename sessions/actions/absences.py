"""Somebody is away today: what was proposed for the visits that need them is carried out, and the calls are put on a list.

What is proposed is ``sessions/standins.py``; that somebody is away is written by ``clinic.actions.hours`` (docs/decisions/0043-ill-today.md).
"""

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, businessdays, localtime
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import Location, TimeOff, User, WorkItem
from sessions import courserest, standin
from sessions.actions import changes, courses, holds, reminders
from sessions.actions.changes import Why
from sessions.actions.courses import Dropped, Moved
from sessions.availability import Span
from sessions.models import PREPARATIONS, TALKS, Appointment, VisitMove

# Whoever comes within a day is called within two hours, and half an hour before they would be there.
SOON, CALL_SOON, BEFORE = timedelta(days=1), timedelta(hours=2), timedelta(minutes=30)
# After a call that nobody answered.
AGAIN_IN = timedelta(hours=1)
BECAUSE = Why(Appointment.CancelledBy.CLINIC, VisitMove.Reason.CLINICIAN_AWAY)


class NothingChosen(Refused):
    """No line of the proposal was chosen."""

    def __init__(self) -> None:
        super().__init__(_("Choose at least one visit. Nothing was changed."))


class NotAway(Refused):
    """The time off was taken back, or is about somebody's visits elsewhere."""

    def __init__(self, name: str) -> None:
        super().__init__(_("%(name)s is not away any more. Nothing was changed.") % {"name": name})


class NotOneOfTheirs(Refused):
    """A line names a visit that does not need the person who is away, or is not here."""

    def __init__(self) -> None:
        super().__init__(_("A visit in this proposal no longer needs anybody else. Look at the new one below."))


class OutOfOrder(Refused):
    """A dose would change places with another one, or with the preparation for it."""

    def __init__(self) -> None:
        super().__init__(
            _("It would change places with another dose of this patient, or with the preparation for one. Choose another time, or call and decide.")
        )  # fmt: skip


class NoneOfIt(Refused):
    """One line cannot be done, so none is. ``visit`` is whose line it is."""

    def __init__(self, visit: Appointment, why: Refused) -> None:
        when = localtime.moment_text(visit.starts_at, visit.location.tz)
        super().__init__(
            _("Nothing was changed, because of the visit on %(when)s: %(why)s") % {"when": when, "why": why.message}
        )
        self.visit = visit


@dataclass(frozen=True)
class _Hours:
    """The doses and talks of the patients concerned, which talk belongs to which dose, and when doses and preparations of each begin."""

    spans: dict[uuid.UUID, Span]
    pairs: list[tuple[uuid.UUID, uuid.UUID]]
    steps: dict[uuid.UUID, dict[uuid.UUID, datetime]]
    doses: set[uuid.UUID]


@transaction.atomic
def carry_out(
    *,
    by: User,
    time_off: TimeOff,
    location: Location,
    moved: Sequence[Moved],
    undecided: Sequence[Dropped],
    now: datetime,
) -> int:
    """Move the visits as proposed, put everybody concerned on the calls list, and return how many calls there are. All or none.

    ``undecided`` stay as they are and are called about. Refuses, with the visit it is about, whatever moving refuses; one that has
    begun, was changed since it was looked at, or does not need the person; a talk or dose that would leave the other's hours; and a dose
    or a preparation that would come before or after another dose than it did.
    """
    if not (moved or undecided):
        raise NothingChosen
    touched: list[Moved | Dropped] = [*moved, *undecided]
    with holds.last_word():
        own = _lock_all(time_off, location, moved, touched)
        for line in touched:
            with _about(line.visit):
                _guard(own.get(line.visit.pk), line, time_off, now)
        patients = {visit.patient_id for visit in own.values()}
        before = _hours(patients)
        for one in moved:
            with _about(one.visit):
                holds.let_go(own[one.visit.pk])
        waiting = {one.visit.pk: one.visit for one in moved}
        for one in sorted(moved, key=lambda move: (move.place.starts_at, move.visit.pk)):
            with _about(one.visit):
                changes.move_for_course(
                    by=by, appointment=one.visit, team=one.place.team, room=one.place.room,
                    starts_at=one.place.starts_at, seen_version=one.seen_version, not_yet_moved=list(waiting.values()),
                    now=now, why=BECAUSE,
                )  # fmt: skip
            del waiting[one.visit.pk]
        _guard_hours(before, _hours(patients), moved)
    for line in touched:
        starts = min(line.visit.starts_at, line.place.starts_at if isinstance(line, Moved) else line.visit.starts_at)
        due_at = min(_call_by(location, starts, now), _take_over_calls(by, line.visit, time_off, now) or starts)
        reminders.ask_to_call(by=by, visit=line.visit, due_at=due_at, now=now)
    audit.record(
        by, audit.Verb.ABSENCE_REPLANNED, time_off, now=now, location_id=location.pk,
        details={"moved": len(moved), "undecided": len(undecided)},
    )  # fmt: skip
    return len(touched)


def _take_over_calls(by: User, visit: Appointment, time_off: TimeOff, now: datetime) -> datetime | None:
    """Close the calls about a visit that were asked for before the absence, and return when the first was due; None without any.

    One call says it all, and the list of the absence has those that it asked for.
    """
    items = WorkItem.objects.open().filter(kind=WorkItem.Kind.CALL_PATIENT, subject_id=visit.pk)
    older = items.filter(created_at__lt=time_off.entered_at).order_by("due_at").first()
    if older is None:
        return None
    worklist.close_about(
        by=by, kind=WorkItem.Kind.CALL_PATIENT, subject_id=visit.pk, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
    )
    return older.due_at


def _call_by(location: Location, starts: datetime, now: datetime) -> datetime:
    by = now + CALL_SOON if starts - now <= SOON else businessdays.end_of_next(location=location, now=now)
    return max(now, min(by, starts - BEFORE))


def _lock_all(
    time_off: TimeOff, location: Location, moved: Sequence[Moved], touched: Sequence[Moved | Dropped]
) -> dict[uuid.UUID, Appointment]:
    """Lock what all visits take and will take, at once and in order, then the visits; return these. Refuses who is not away."""
    before = [holds.team_of(one.visit) for one in touched]
    rooms = {one.place.room.pk for one in moved if one.place.room is not None}
    rooms |= {one.visit.room_id for one in touched if one.visit.room_id is not None}
    # Taking time off back locks the person: it is decided before this or sees it.
    away = holds.Team((time_off.user,))
    holds.lock_for_many(rooms, [away, *before, *(one.place.team for one in moved)], {one.visit.patient_id for one in touched})  # fmt: skip
    if not TimeOff.objects.filter(pk=time_off.pk, cancelled_at=None).exists():
        raise NotAway(time_off.user.name)
    keys = [one.visit.pk for one in touched]
    rows = Appointment.objects.locked().filter(pk__in=keys, location=location).order_by("pk")
    return {visit.pk: visit for visit in rows}


@contextlib.contextmanager
def _about(visit: Appointment) -> Iterator[None]:
    try:
        yield
    except Refused as refusal:
        raise NoneOfIt(visit, refusal) from refusal


def _guard(visit: Appointment | None, line: Moved | Dropped, time_off: TimeOff, now: datetime) -> None:
    if visit is None or not needs(visit, holds.team_of(visit), time_off):
        raise NotOneOfTheirs
    if visit.version != line.seen_version:
        raise changes.ChangedMeanwhile(visit)
    if isinstance(line, Moved) and visit.starts_at <= now:
        raise changes.NotPossibleNow(_("It has begun or should have. Decide it on its page."))


def needs(visit: Appointment, team: holds.Team, time_off: TimeOff) -> bool:
    """Return whether a visit needs somebody while they are away."""
    return bool(seats_of(visit, [who.pk for who in team.people], time_off))


def seats_of(visit: Appointment, people: Sequence[uuid.UUID], time_off: TimeOff) -> list[int]:
    """Return the seats of a visit that somebody who is away would have to fill then."""
    return [
        n
        for n, (who, seat) in enumerate(zip(people, visit.visit_type.shape.seats, strict=True))
        if who == time_off.user_id
        and any(
            visit.starts_at + one.starts < time_off.ends_at and time_off.starts_at < visit.starts_at + one.ends
            for one in seat.stretches
        )
    ]


def _hours(patients: Iterable[uuid.UUID]) -> _Hours:
    """Return the doses and talks of some patients. One query."""
    spans: dict[uuid.UUID, Span] = {}
    doses: dict[uuid.UUID, dict[uuid.UUID, Span]] = defaultdict(dict)
    talks: dict[uuid.UUID, dict[uuid.UUID, Span]] = defaultdict(dict)
    steps: dict[uuid.UUID, dict[uuid.UUID, datetime]] = defaultdict(dict)
    rows = Appointment.objects.live().filter(patient__in=list(patients))
    for pk, patient, start, end, is_dose, code in rows.values_list(
        "pk", "patient_id", "starts_at", "ends_at", "visit_type__is_dosing", "visit_type__code"
    ):
        spans[pk] = (start, end)
        if is_dose or code in TALKS:
            (doses if is_dose else talks)[patient][pk] = (start, end)
        if is_dose or code in PREPARATIONS:
            steps[patient][pk] = start
    pairs = [pair for patient in doses for pair in standin.pairs(doses[patient], talks[patient])]
    return _Hours(spans, pairs, steps, {pk for own in doses.values() for pk in own})


def _guard_hours(before: _Hours, after: _Hours, moved: Sequence[Moved]) -> None:
    """Refuse a talk and its dose that were within their hours and are not any more, and doses in another order than before."""
    by_key = {one.visit.pk: one.visit for one in moved}
    for dose, talk in before.pairs:
        if (dose in by_key or talk in by_key) and not courserest.is_within(after.spans[dose], after.spans[talk]):
            with _about(by_key.get(talk) or by_key[dose]):
                raise courses.OutOfItsHours(
                    _("The talk would not be one to three days after its dose any more. Plan both together on the visit’s page.")
                )  # fmt: skip

    for patient, steps in before.steps.items():
        if not standin.is_in_order(steps, after.steps[patient], before.doses):
            with _about(next(one.visit for one in moved if one.visit.pk in steps)):
                raise OutOfOrder


@transaction.atomic
def say_not_reached(*, by: User, item: WorkItem, now: datetime) -> WorkItem:
    """Return the call, still to be made and due again in an hour. Refuses one that is done."""
    item = WorkItem.objects.select_for_update(no_key=True).select_related("location").get(pk=item.pk)
    if item.closed_at is not None:
        raise worklist.AlreadyClosed
    tried = _("Not reached: %(when)s.") % {"when": localtime.moment_text(now, item.location.tz)}
    item.outcome_note = f"{item.outcome_note} {tried}".strip()[-500:]
    item.due_at = max(item.due_at, now + AGAIN_IN)
    item.save(update_fields=["outcome_note", "due_at"])
    audit.record(by, audit.Verb.CALL_NOT_ANSWERED, item, now=now, details={"kind": item.kind})
    return item
