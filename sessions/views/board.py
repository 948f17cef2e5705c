"""The cards of the day's board: one visit each, every word of it ready, in the column where it belongs now. Rows in, cards out.

A hot page pays for every tag of every row, so a card is plain strings.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.packetprogress import Progress
from clinic import localtime
from patients.consentneeds import Summary
from patients.duplicates import folded
from patients.needs import Need, needs_of
from sessions import lateness
from sessions.models import INTAKE, UNDO_CHECK_IN_WITHIN, Appointment, EscortAnswer
from sessions.models.escorts import ASKED_WHILE
from sessions.models.escorts import LOOKS as ESCORT_LOOKS
from sessions.views.boardrows import Row

Status = Appointment.Status

# The day in four parts, by the hour of the location's clock at which a visit begins: the mornings, when most people come,
# in two, so that no column is much longer than the others.
_BANDS = (
    (0, gettext_lazy("Before 10:00")),
    (10, gettext_lazy("10:00 to 12:00")),
    (12, gettext_lazy("12:00 to 15:00")),
    (15, gettext_lazy("From 15:00")),
)
_WHY = {
    lateness.Why.PAST_ITS_END: gettext_lazy("%(who)s’s %(time)s is past its end"),
    lateness.Why.BEGAN_LATE: gettext_lazy("%(who)s’s %(time)s began late"),
    lateness.Why.NOT_BEGUN: gettext_lazy("%(who)s’s %(time)s has not begun"),
}
_STAGES = {
    Status.REQUESTED: lateness.Stage.EXPECTED,
    Status.HELD: lateness.Stage.EXPECTED,
    Status.BOOKED: lateness.Stage.EXPECTED,
    Status.CONFIRMED: lateness.Stage.EXPECTED,
    Status.CHECKED_IN: lateness.Stage.HERE,
    Status.IN_PROGRESS: lateness.Stage.IN_ROOM,
    Status.COMPLETED: lateness.Stage.OVER,
    Status.LEFT: lateness.Stage.OVER,
}


GONE = frozenset({Status.COMPLETED, Status.LEFT, Status.NO_SHOW, Status.CANCELLED})


class Card(NamedTuple):
    """One visit on the board.

    The template unpacks it: a name of its own costs half of what an attribute of a card does, sixty times ten.
    """

    url: str
    # Short, for the id of the elements that keep the focus when the board is refreshed.
    key: str
    time: str
    name: str
    meta: str
    # When they were born, where somebody else of the same name comes today.
    twin: str
    # (icon, words) of what makes the visit possible for them: an interpreter, a room without steps.
    needs: list[Need]
    # By how much the clinic keeps them waiting, and what does; "" for nothing.
    late: str
    late_because: str
    # What has to be done before the visit, and what is done, in words; the visit's page leads on.
    to_do: str
    done: str
    # That they said they come: most cards have it, so it is written shorter than other marks.
    confirmed: str
    # What may be answered about the escort: where it posts, and (value, words) of each answer.
    ask_url: str
    ask: list[tuple[str, str]]
    # (word of the vocabulary of states, words) of each small fact.
    marks: list[tuple[str, str]]
    # The one tap that comes next, and the rarer one: where it posts and its words.
    act_url: str
    # Another act, another id: the focus must not stand on the next act when a second Enter follows the first.
    act_key: str
    act: str
    other_url: str
    other_key: str
    other: str
    # A page for what takes more than a tap.
    more_url: str
    more: str
    # What stands in the place of the button where there is nothing more to do.
    state: tuple[str, str] | None
    is_loud: bool


@dataclass
class Column:
    """One state of the day, drawn with a word of the vocabulary, or one part of it, which may be now."""

    key: str
    title: str
    status: str
    cards: list[Card]
    empty: str
    is_now: bool = False


@dataclass(frozen=True)
class Reader:
    """Who looks: when, by which clock, what they may do, and whether the columns are parts of the day.

    ``path`` is what every visit's own address begins with: sixty lookups of a URL cost more than the query of a board.
    """

    now: datetime
    tz: ZoneInfo
    path: str
    may_check_in: bool
    may_conduct: bool
    by_time: bool
    # Locations of whose patients the reader may know who they are.
    patients_of: frozenset[uuid.UUID]


class Papers(NamedTuple):
    """What is known of a patient's packet and consents; None where the reader may not know, or nothing is to be said."""

    packet: Progress | None = None
    consents: Summary | None = None


class Said(NamedTuple):
    """What a state makes of a card: its column, small facts, and the taps by the last word of their address."""

    column: str
    marks: list[tuple[str, str]]
    act: tuple[str, str] = ("", "")
    other: tuple[str, str] = ("", "")
    more: tuple[str, str] = ("", "")


def columns_of(
    reader: Reader, *, rows: list[Row], all_rows: list[Row], knows_births: bool, papers: Mapping[uuid.UUID, Papers]
) -> tuple[list[Column], Column]:
    """Return the columns with a card for each row, and the list of those who are not coming.

    ``all_rows`` is the whole day at the location, also what is not shown: twins and delays are told from it.
    """
    columns = _by_time(reader) if reader.by_time else _by_state()
    away = Column("away", _("Not coming"), "cancelled", [], "")
    over: list[Card] = []
    twins = _twins(all_rows) if knows_births else {}
    late = _late(all_rows, reader)
    for row in rows:
        said = _said(row, reader)
        card = _card(
            row, said, reader, papers.get(row.pk, Papers()), twin=twins.get(row.patient_id, ""),
            late=late.get(row.pk, ("", "")),
        )  # fmt: skip
        if said.column == "away":
            away.cards.append(card)
        elif reader.by_time:
            columns[_band_of(row.starts_at, reader.tz)].cards.append(card)
        elif said.column == "over":
            over.append(card)
        else:
            columns[said.column].cards.append(card)
    if over:
        # Whoever is in a room now stands above those who have gone.
        columns["in_room"].cards += over
    return [*columns.values()], away


def _by_state() -> dict[str, Column]:
    return {
        "arriving": Column("arriving", _("Arriving"), "arriving", [], _("Nobody else is expected today.")),
        "late": Column("late", _("Late"), "late", [], _("Nobody is late.")),
        "here": Column("here", _("Here"), "here", [], _("Nobody is waiting.")),
        "in_room": Column("in_room", _("In room, done"), "in_room", [], _("No visit is under way or done yet.")),
    }


def _by_time(reader: Reader) -> dict[str, Column]:
    present = _band_of(reader.now, reader.tz)
    keys = {f"from_{hour}": title for hour, title in _BANDS}
    return {
        key: Column(key, str(title), "", [], _("Nobody comes then."), key == present) for key, title in keys.items()
    }


def _band_of(moment: datetime, tz: ZoneInfo) -> str:
    """Return the key of the part of the day in which a moment lies, by the location's clock."""
    return f"from_{max(hour for hour, _title in _BANDS if hour <= moment.astimezone(tz).hour)}"


def _twins(rows: list[Row]) -> dict[uuid.UUID, str]:
    """Return when they were born, in words, for the people of a day who look alike by name on the board."""
    alike = defaultdict[str, dict[uuid.UUID, date]](dict)
    for row in rows:
        alike[folded(f"{row.called} {row.family}")][row.patient_id] = row.born
    return {
        who: _("born %(day)s") % {"day": formats.date_format(born, "j M Y")}
        for people in alike.values()
        if len(people) > 1
        for who, born in people.items()
    }


def _late(rows: list[Row], reader: Reader) -> dict[uuid.UUID, tuple[str, str]]:
    """Return, for each visit that the clinic keeps waiting, by how much and because of what; nobody is named but the clinician."""
    known = {row.pk: row for row in rows}
    facts = [
        lateness.Visit(
            row.pk, row.clinician_id, row.room_id, row.starts_at, row.ends_at, _STAGES[Status(row.status)], row.started_at,
            timedelta(minutes=row.turnover),
        )
        for row in rows
        if row.status in _STAGES
    ]  # fmt: skip
    found = {}
    for pk, delay in lateness.delays(facts, reader.now).items():
        found[pk] = (
            _("About %(n)d min behind") % {"n": delay.minutes},
            _because(known[delay.cause], delay.why, reader),
        )
    for pk, (holding, why) in lateness.without_a_room(facts, reader.now).items():
        found[pk] = (_("%(room)s not free") % {"room": known[pk].room}, _because(known[holding], why, reader))
    return found


def _because(cause: Row, why: lateness.Why, reader: Reader) -> str:
    return _WHY[why] % {"who": _first(cause.clinician), "time": localtime.clock_text(cause.starts_at, reader.tz)}


def _first(name: str) -> str:
    return name.split(" ", 1)[0]


def _minutes(since: datetime, now: datetime) -> int:
    return int((now - since).total_seconds() // 60)


def _said(row: Row, reader: Reader) -> Said:
    """Return what the state of a visit says on its card, and what can be done about it now."""
    if row.status in Appointment.OPEN:
        return _of_expected(row, reader)
    if row.status == Status.CHECKED_IN:
        return _of_here(row, reader)
    if row.status == Status.IN_PROGRESS:
        marks = [("in_room", _("In room"))]
        if (over := _minutes(row.ends_at, reader.now)) > 0:
            marks.append(("late", _("%(long)s past its end") % {"long": _long(over)}))
        return Said("in_room", marks, act=("finish", _("Done")) if reader.may_conduct else ("", ""))
    look = Appointment.LOOKS[row.status]
    if row.status == Status.COMPLETED:
        return Said("over", [(look, _("Done"))])
    if row.status == Status.LEFT:
        if row.started_at is not None:
            return Said("over", [(look, _("Left before the end"))])
        # Nothing of it took place: it must not look like what is done.
        return Said("over", [("late", _("Left before being seen"))])
    return Said("away", [(look, _("Did not come") if row.status == Status.NO_SHOW else _("Cancelled"))])


def _confirmed(row: Row, reader: Reader) -> str:
    """Return that they said they come, and when: by the clock on the same day, by weekday within one week, else by date.

    Most cards have it, and the page has its bytes: as short as it can be said.
    """
    if row.confirmed_at is None or row.status not in Appointment.OPEN:
        return ""
    said, today = row.confirmed_at.astimezone(reader.tz), localtime.day_of(reader.now, reader.tz)
    if said.date() == today:
        when = f"{said:%H:%M}"
    elif today - said.date() < timedelta(days=7):
        when = str(WEEKDAYS_ABBR[said.weekday()])
    else:
        when = formats.date_format(said, "j M")
    return _("Confirmed %(when)s") % {"when": when}


def _long(minutes: int) -> str:
    """Return a length of time as it is said: from an hour on nobody divides by sixty."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return _("%(minutes)d min") % {"minutes": rest}
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": rest}


def _of_expected(row: Row, reader: Reader) -> Said:
    late_by = _minutes(row.starts_at, reader.now)
    is_late = late_by > 0
    marks = [("late", _("%(long)s late") % {"long": _long(late_by)})] if is_late else []
    if row.confirmed_at is None and reader.by_time and not is_late:
        marks.append(("planned", _("Planned")))
    act = other = more = ("", "")
    if reader.may_check_in and row.status in Appointment.AWAITED:
        act = ("check-in", _("Check in"))
        if late_by >= row.no_show_after:
            other = ("no-show", _("Did not come"))
    if reader.may_conduct and row.status in Appointment.NEVER_CHECKED_IN and late_by >= row.no_show_after:
        more = ("record-afterwards", _("Took place"))
    return Said("late" if is_late else "arriving", marks, act, other, more)


def _of_here(row: Row, reader: Reader) -> Said:
    since = row.checked_in_at or row.starts_at
    marks = [("here", _("Here"))] if reader.by_time else []
    marks.append(("arriving", _("waiting %(long)s") % {"long": _long(_minutes(since, reader.now))}))
    act = ("start", _("Into the room")) if reader.may_conduct else ("", "")
    other = ("", "")
    if reader.may_check_in and reader.now <= since + UNDO_CHECK_IN_WITHIN:
        other = ("undo-check-in", _("Undo"))
    elif reader.may_conduct:
        other = ("left", _("Has left"))
    return Said("here", marks, act, other)


def _papers(row: Row, known: Papers) -> tuple[list[str], list[str]]:
    """Return what is still to be done before the visit, and what is done, in words; a packet only where it matters."""
    if not row.is_awaited:
        return [], []
    to_do, done = [], []
    if row.code == INTAKE and known.packet is not None and known.packet.is_in:
        done.append(known.packet.words)
    elif known.packet is not None and (row.code == INTAKE or known.packet.is_out):
        to_do.append(known.packet.words)
    if known.consents is Summary.SIGNED:
        done.append(_("Consent signed"))
    elif known.consents is not None:
        is_withdrawn = known.consents is Summary.WITHDRAWN
        to_do.append(_("Consent taken back: a clinician calls") if is_withdrawn else _("Consent to sign"))
    if row.is_dosing and row.status in Appointment.OPEN:
        if row.names_escort:
            done.append(_("Escort named"))
        else:
            to_do.append(_("No escort named"))
    return to_do, done


def _escort(row: Row, reader: Reader) -> tuple[list[tuple[str, str]], list[tuple[str, str]], str]:
    """Return what is said of the escort of somebody who is here for a dose, the answers that may be given, and what stands."""
    if not row.is_dosing or row.status not in ASKED_WHILE:
        return [], [], ""
    if row.escort is None:
        ask = [(one.value, str(one.label)) for one in EscortAnswer.Answer] if reader.may_check_in else []
        return [("due", _("Escort?") if ask else _("Escort: not asked yet"))], ask, ""
    stands = json.loads(row.escort)
    answer = EscortAnswer.Answer(stands["answer"])
    words = _("%(answer)s (%(who)s, %(time)s)") % {
        "answer": answer.label, "who": _first(stands["who"]),
        "time": localtime.clock_text(datetime.fromisoformat(stands["at"]), reader.tz),
    }  # fmt: skip
    is_here = answer is EscortAnswer.Answer.HERE
    ask = [] if is_here or not reader.may_check_in else [(EscortAnswer.Answer.HERE.value, _("Escort is here now"))]
    return [(ESCORT_LOOKS[answer], words)], ask, answer.value


def _card(row: Row, said: Said, reader: Reader, papers: Papers, *, twin: str, late: tuple[str, str]) -> Card:
    marks: list[tuple[str, Any]] = said.marks
    escort, ask, stands = _escort(row, reader)
    marks += escort
    to_do, done = _papers(row, papers)
    knows_them = row.home_id in reader.patients_of and row.status not in GONE
    if row.asks:
        marks.append(("due", _("Asks to change")))
    where = [row.kind, _first(row.clinician), *([row.room] if row.room else [])]
    url = f"{reader.path}{row.pk}/"
    is_settled = said.column in {"in_room", "over", "away"} and not said.act[1]
    return Card(
        url=url, key=row.pk.hex[-7:], time=localtime.clock_text(row.starts_at, reader.tz), name=f"{row.called} {row.family}",
        meta=" · ".join(where), twin=twin, late=late[0], late_because=late[1],
        needs=needs_of(row.asked, brief=True) if knows_them else [],
        to_do=" · ".join(to_do), done=" · ".join(done),
        confirmed=_confirmed(row, reader),
        ask_url=f"{url}escort/?seen={stands}" if ask else "", ask=ask,
        state=marks.pop(0) if marks and is_settled else None, marks=marks,
        act_url=f"{url}{said.act[0]}/", act_key=said.act[0][:1], act=said.act[1],
        other_url=f"{url}{said.other[0]}/", other_key=f"o{said.other[0][:1]}", other=said.other[1],
        more_url=f"{url}{said.more[0]}/", more=said.more[1], is_loud=said.column == "late",
    )  # fmt: skip
