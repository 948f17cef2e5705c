"""What became of a visit, told: its moves, and for a second editor what it was and what it is now. Reads only.

Where it was comes from its moves, its state and who changed it from the audit: each change raises the version by one and
leaves one row there.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import audit, audit_words, localtime
from clinic.models import AuditEvent, Outcome, Room, User
from sessions.actions import holds
from sessions.models import Appointment, VisitMove

Status = Appointment.Status
Verb = audit.Verb

# The state after each change of a visit; a move keeps it or takes "confirmed" back.
_AFTER: dict[str, Status | None] = {
    Verb.APPOINTMENT_BOOKED: None,
    Verb.APPOINTMENT_HELD: Status.HELD,
    Verb.APPOINTMENT_CONFIRMED: Status.CONFIRMED,
    Verb.APPOINTMENT_MOVED: None,
    Verb.APPOINTMENT_CHECKED_IN: Status.CHECKED_IN,
    Verb.APPOINTMENT_CHECK_IN_UNDONE: None,
    Verb.APPOINTMENT_STARTED: Status.IN_PROGRESS,
    Verb.APPOINTMENT_COMPLETED: Status.COMPLETED,
    Verb.APPOINTMENT_LEFT: Status.LEFT,
    Verb.APPOINTMENT_MISSED: Status.NO_SHOW,
    Verb.APPOINTMENT_MISS_UNDONE: Status.BOOKED,
    Verb.APPOINTMENT_RECORDED: Status.COMPLETED,
    Verb.APPOINTMENT_RECORD_UNDONE: None,
    Verb.APPOINTMENT_CANCELLED: Status.CANCELLED,
}


@dataclass(frozen=True)
class Row:
    """One fact of a visit: what it was, and what it is now."""

    label: str
    before: str
    now: str

    @property
    def is_changed(self) -> bool:
        return self.before != self.now


@dataclass(frozen=True)
class Deed:
    """Who did what to a visit, when and why."""

    what: str
    by: str
    when: str
    why: str = ""


@dataclass(frozen=True)
class Changed:
    """What a visit was for somebody who saw an older version, what it is now, and who changed it, in order."""

    rows: tuple[Row, ...]
    deeds: tuple[Deed, ...]


def moves_of(visit: Appointment) -> list[VisitMove]:
    """Return a visit's moves in order. One query."""
    moves = VisitMove.objects.filter(appointment=visit).select_related("moved_by", "room_from", "room_to")
    return list(moves.order_by("version"))


def names_of(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the names of some people. One query, none for nobody."""
    wanted = set(ids)
    return dict(User.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}


def move_text(move: VisitMove, visit: Appointment, names: dict[uuid.UUID, str]) -> str:
    """Return what a move changed, from what to what, and on whose wish, in one line."""
    tz = visit.location.tz
    parts = []
    if move.starts_from != move.starts_to:
        parts.append((localtime.moment_text(move.starts_from, tz), localtime.moment_text(move.starts_to, tz)))
    if move.people_from != move.people_to:
        parts.append((_people(move.people_from, names), _people(move.people_to, names)))
    if move.room_from != move.room_to:
        parts.append((_room(move.room_from), _room(move.room_to)))
    said = [_("from %(before)s to %(now)s") % {"before": before, "now": now} for before, now in parts]
    words = str(capfirst("; ".join(said)))
    return f"{words}. {move.why}" if move.why else words


def _room(room: Room | None) -> str:
    return room.name if room else _("no room")


def _people(ids: Sequence[uuid.UUID], names: dict[uuid.UUID, str]) -> str:
    return ", ".join(names.get(who, "") for who in dict.fromkeys(ids))


def since(visit: Appointment, seen_version: int) -> Changed:
    """Return what became of a visit since a version of it that somebody saw, in at most six queries however much did."""
    tz = visit.location.tz
    moved = [one for one in moves_of(visit) if one.version > seen_version]
    people_now = [who.pk for who in holds.team_of(visit).people]
    first = moved[0] if moved else None
    starts_at = first.starts_from if first else visit.starts_at
    people = first.people_from if first else people_now
    room = first.room_from if first else visit.room
    events = list(
        AuditEvent.objects.filter(
            subject_id=visit.pk, verb__in=list(_AFTER), outcome=Outcome.DONE
        ).order_by("id").values_list("verb", "actor_id", "at", "details")
    )  # fmt: skip
    later = events[seen_version:] if len(events) == visit.version else []
    names = names_of([*people, *people_now, *(actor for _verb, actor, _at, _details in later if actor)])
    state = _state_after([(verb, details) for verb, _actor, _at, details in events[:seen_version]]) if later else ""
    rows = [
        Row(_("When"), localtime.moment_text(starts_at, tz), localtime.moment_text(visit.starts_at, tz)),
        Row(_("With"), _people(people, names), _people(people_now, names)),
        Row(_("Room"), room.name if room else "", visit.room.name if visit.room else ""),
        # What cannot be told is not shown as changed.
        Row(_("State"), str(capfirst(Status(state).label)) if state else visit.word, visit.word),
    ]
    why = {move.version: move.why for move in moved}
    deeds = [
        Deed(audit_words.said(verb), names.get(actor, "") if actor else "", localtime.moment_text(at, tz), why.get(version, ""))
        for version, (verb, actor, at, _details) in enumerate(later, start=seen_version + 1)
    ]  # fmt: skip
    if not deeds:
        deeds = [
            Deed(audit_words.said(Verb.APPOINTMENT_MOVED), move.moved_by.name, _moment(move.moved_at, visit), move.why)
            for move in moved
        ]
    return Changed(tuple(row for row in rows if row.before or row.now), tuple(deeds))


def _moment(moment: datetime, visit: Appointment) -> str:
    return localtime.moment_text(moment, visit.location.tz)


def _state_after(events: Sequence[tuple[str, dict[str, object]]]) -> str:
    """Return the state that a visit was in after some changes, in order; "" where it cannot be told."""
    state: str = ""
    was_confirmed = False
    for verb, details in events:
        if verb == Verb.APPOINTMENT_MOVED:
            is_new_time = _starts(details, "from") != _starts(details, "to")
            state, was_confirmed = (Status.BOOKED, False) if is_new_time else (state, was_confirmed)
        elif verb == Verb.APPOINTMENT_CHECK_IN_UNDONE:
            state = Status.CONFIRMED if was_confirmed else Status.BOOKED
        elif verb == Verb.APPOINTMENT_RECORD_UNDONE:
            state = str(details.get("is", ""))
        elif verb == Verb.APPOINTMENT_BOOKED:
            state = Status.BOOKED
        else:
            state = _AFTER.get(verb) or ""
        was_confirmed = was_confirmed or state == Status.CONFIRMED
    return state


def _starts(details: dict[str, object], side: str) -> object:
    place = details.get(side)
    return place.get("starts_at") if isinstance(place, dict) else None
