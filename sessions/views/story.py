"""What happened to a visit so far, and what a second editor is shown of what became of it meanwhile."""

from datetime import datetime

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.errors import Refused
from sessions import whatchanged
from sessions.actions import changes
from sessions.models import Appointment


def story(visit: Appointment) -> list[dict[str, str]]:
    """Return what happened to the visit so far, oldest first; what has no moment of its own stands last."""
    moments: list[tuple[datetime | None, str, str, str, str]] = [
        (visit.booked_at, _("Booked"), "calendar", visit.booked_by.name, ""),
        (visit.confirmed_at, _("Confirmed"), "check-circle", "", ""),
        (visit.checked_in_at, _("Here"), "door-open", "", ""),
        (visit.started_at, _("In room"), "activity", "", ""),
        (visit.finished_at, visit.word, "check2-all", "", ""),
        (visit.recorded_at, _("Recorded afterwards"), "journal-check",
         visit.recorded_by.name if visit.recorded_by else "",
         ": ".join(filter(None, [str(capfirst(visit.get_record_reason_display())), visit.record_note]))),
        (visit.no_show_at, _("Did not come"), "hourglass", "", ""),
        (visit.cancelled_at, _("Cancelled"), "x", _cancelled_words(visit), ""),
    ]  # fmt: skip
    moves = whatchanged.moves_of(visit)
    names = whatchanged.names_of(who for move in moves for who in (*move.people_from, *move.people_to))
    moments += [
        (move.moved_at, _("Moved"), "calendar-week", move.moved_by.name, whatchanged.move_text(move, visit, names))
        for move in moves
    ]
    told = [
        {"time": localtime.moment_text(at, visit.location.tz), "title": title, "icon": icon, "by": by, "text": text}
        for at, title, icon, by, text in _in_order(moments)
    ]
    if visit.no_show_undone_because:
        told.append({"title": _("“Did not come” was taken back"), "icon": "arrow-counterclockwise", "time": "",
                     "text": visit.no_show_undone_because})  # fmt: skip
    return told


def _in_order(
    moments: list[tuple[datetime | None, str, str, str, str]],
) -> list[tuple[datetime, str, str, str, str]]:
    happened = [(at, title, icon, by, text) for at, title, icon, by, text in moments if at is not None]
    # A visit that was recorded afterwards began before that was written down.
    return sorted(happened, key=lambda one: one[0])


def _cancelled_words(visit: Appointment) -> str:
    if not visit.is_cancelled:
        return ""
    words = [visit.get_cancelled_by_display(), visit.get_cancel_reason_display()]
    return ", ".join([*words, *([_("late")] if visit.cancel_is_late else [])])


def changed_since(refusal: Refused, seen_version: int) -> whatchanged.Changed | None:
    """Return what a second editor is shown beside the refusal; None when it was refused for something else."""
    if not isinstance(refusal, changes.ChangedMeanwhile):
        return None
    return whatchanged.since(refusal.appointment, seen_version)
