"""Today: who is arriving, late, here, in a room and done, and the work that waits.

The columns are states of the day or times of the day; which is in the address, and so is whose visits are shown. The
board is one query into plain strings, because a hot page pays for every tag of every row. It refreshes itself by asking
with the version it shows, and is answered with nothing when nothing changed.
"""

import hashlib
import json
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Count, Exists, Min, OuterRef
from django.http import HttpResponse
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import audit, localtime
from clinic.access import Permission, holds, memberships_of, staff_view
from clinic.http import StaffRequest, answer
from clinic.models import WorkItem
from clinic.navigation import ALARMS, remember_bell_count
from patients.duplicates import folded
from sessions.models import UNDO_CHECK_IN_WITHIN, Appointment, ChangeRequest

Status = Appointment.Status
_WORDS = {
    Status.IN_PROGRESS: gettext_lazy("In room"),
    Status.COMPLETED: gettext_lazy("Done"),
    Status.LEFT: gettext_lazy("Left"),
    Status.NO_SHOW: gettext_lazy("Did not come"),
}


# The day in four parts, by the hour of the location's clock at which a visit begins: the mornings, when most people come,
# in two, so that no column is much longer than the others.
_BANDS = (
    (0, gettext_lazy("Before 10:00")),
    (10, gettext_lazy("10:00 to 12:00")),
    (12, gettext_lazy("12:00 to 15:00")),
    (15, gettext_lazy("From 15:00")),
)


@dataclass(frozen=True)
class Asked:
    """What the address says of the board: whose visits, and what its columns are."""

    is_mine: bool
    by_time: bool

    @classmethod
    def of(cls, request: StaffRequest) -> "Asked":
        """Return what the page asked for, or the form on it, which carries the same."""

        def has(name: str, value: str) -> bool:
            return value in {request.GET.get(name), request.POST.get(name)}

        return cls(has("mine", "1"), has("by", "time"))

    def values(self, **changes: bool) -> dict[str, str]:
        """Return the parameters of the address, with some changed."""
        wanted = {"is_mine": self.is_mine, "by_time": self.by_time} | changes
        return ({"mine": "1"} if wanted["is_mine"] else {}) | ({"by": "time"} if wanted["by_time"] else {})

    def url(self, **changes: bool) -> str:
        """Return the address of the page, with some of its parameters changed."""
        values = urlencode(self.values(**changes))
        return reverse("sessions:today") + (f"?{values}" if values else "")


class Card(NamedTuple):
    """One visit on the board, every word of it ready.

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
    # (word of the vocabulary of states, words) of each small fact.
    marks: list[tuple[str, str]]
    # The one tap that comes next, and the rarer one: where it posts and its words.
    act_url: str
    # Another act, another id: the focus must not stand on the next act when a second Enter follows the first.
    act_key: str
    act: str
    other_url: str
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


_FIELDS = (
    "id", "status", "starts_at", "confirmed_at", "checked_in_at", "called", "patient__family_name", "visit_type__name",
    "clinician__name", "room__name", "visit_type__no_show_after_minutes", "asks", "patient_id", "patient__birth_date",
    "clinician_id",
)  # fmt: skip


@staff_view(Permission.APPOINTMENT_READ)
def today(request: StaffRequest) -> HttpResponse:
    """The day at the chosen location: a board of visits by state or by time, and the work that waits for this person."""
    context = _board(request) | {"waiting": _waiting(request)}
    return answer(request, "sessions/today.html", context, part="board")


@staff_view(Permission.APPOINTMENT_READ, is_poll=True)
def today_board(request: StaffRequest) -> HttpResponse:
    """The board alone, for the page that is open: 204 while it shows what is true. It never keeps a session alive."""
    context = _board(request)
    if request.GET.get("v") == context["version"]:
        return HttpResponse(status=204)
    return answer(request, "sessions/today.html#board", context)


def board_answer(request: StaffRequest, toast: dict[str, str]) -> HttpResponse:
    """Return the board after something was done on it, with the toast that says so."""
    response = answer(request, "sessions/today.html#board", _board(request))
    response.headers["HX-Trigger"] = json.dumps({"toast": toast})
    return response


def visits_path() -> str:
    """Return the path that every visit's own begins with: sixty lookups of a URL cost more than the query of a board."""
    return reverse("sessions:book_intake").removesuffix("book-intake/")


def _board(request: StaffRequest) -> dict[str, Any]:
    """Return the columns of today's board and their version."""
    location, now = request.location, request.now
    tz = location.tz
    day = localtime.day_of(now, tz)
    asked = Asked.of(request)
    visits = (
        Appointment.objects.visible_to(request.user, Permission.APPOINTMENT_READ)
        .filter(location=location)
        .between(*localtime.day_bounds(day, tz))
        .exclude(status=Status.ENTERED_IN_ERROR)
        .with_called()
        .annotate(
            asks=Exists(ChangeRequest.objects.filter(appointment=OuterRef("pk"), status=ChangeRequest.Status.OPEN))
        )
        .order_by("starts_at", "id")
    )
    rows = list(visits.values_list(*_FIELDS))
    twins = _twins(rows) if holds(request.user, Permission.PATIENT_READ, location.pk) else {}
    columns = _by_time(now, tz) if asked.by_time else _by_state()
    away = Column("away", _("Not coming"), "cancelled", [], "")
    may = (
        holds(request.user, Permission.APPOINTMENT_CHECK_IN, location.pk),
        holds(request.user, Permission.APPOINTMENT_CONDUCT, location.pk),
    )
    seen: list[uuid.UUID] = []
    path = visits_path()
    for row in rows:
        if asked.is_mine and row[14] != request.user.pk:
            continue
        key, card = _card(row, path, now, tz, *may, twin=twins.get(row[12], ""), says_state=asked.by_time)
        if asked.by_time and key != "away":
            key = _band_of(row[2], tz)
        (columns.get(key) or away).cards.append(card)
        seen.append(row[12])
    audit.listed(request, "today", seen, now=now)
    shown = [*columns.values()]
    version = hashlib.sha256(repr([*shown, away, day, location.pk, asked]).encode()).hexdigest()[:16]
    return {
        "columns": shown,
        "away": away,
        "version": version,
        "asked": asked,
        "asked_values": asked.values(),
        "choices": _choices(asked),
        "day": localtime.day_text(day),
        "zone": localtime.zone_text(now, tz),
        "place": location.name,
        "count": len(seen),
        "poll_url": f"{reverse('sessions:today_board')}?{urlencode({'v': version, **asked.values()})}",
    }


def _by_state() -> dict[str, Column]:
    return {
        "arriving": Column("arriving", _("Arriving"), "arriving", [], _("Nobody else is expected today.")),
        "late": Column("late", _("Late"), "late", [], _("Nobody is late.")),
        "here": Column("here", _("Here"), "here", [], _("Nobody is waiting.")),
        "in_room": Column("in_room", _("In room, done"), "in_room", [], _("No visit is under way or done yet.")),
    }


def _by_time(now: datetime, tz: Any) -> dict[str, Column]:
    present = _band_of(now, tz)
    keys = {f"from_{hour}": title for hour, title in _BANDS}
    return {
        key: Column(key, str(title), "", [], _("Nobody comes then."), key == present) for key, title in keys.items()
    }


def _band_of(moment: datetime, tz: Any) -> str:
    """Return the key of the part of the day in which a moment lies, by the location's clock."""
    return f"from_{max(hour for hour, _title in _BANDS if hour <= moment.astimezone(tz).hour)}"


def _twins(rows: list[tuple[Any, ...]]) -> dict[uuid.UUID, str]:
    """Return when they were born, in words, for the people of a day who look alike by name on the board."""
    alike = defaultdict[str, dict[uuid.UUID, date]](dict)
    for row in rows:
        alike[folded(f"{row[5]} {row[6]}")][row[12]] = row[13]
    return {
        who: _("born %(day)s") % {"day": formats.date_format(born, "j M Y")}
        for people in alike.values()
        if len(people) > 1
        for who, born in people.items()
    }


def _choices(asked: Asked) -> list[dict[str, Any]]:
    """Return the two rows of links over the board: whose visits, and what the columns are."""
    return [
        {
            "label": label,
            "links": [
                {"label": words, "url": asked.url(**{name: value}), "is_chosen": getattr(asked, name) is value}
                for value, words in options
            ],
        }
        for name, label, options in (
            ("is_mine", _("Whose visits"), ((False, _("Everybody’s")), (True, _("Mine")))),
            ("by_time", _("In what order"), ((False, _("By state")), (True, _("By time")))),
        )
    ]


def _card(
    row: tuple[Any, ...],
    path: str,
    now: datetime,
    tz: Any,
    may_check_in: bool,
    may_conduct: bool,
    *,
    twin: str,
    says_state: bool,
) -> tuple[str, Card]:
    """Return the state's column a visit belongs in now, and its card, which names that state itself if told so."""
    (pk, status, starts_at, confirmed_at, checked_in_at, called, family, kind, clinician, room, minutes, asks) = row[
        :12
    ]
    marks: list[tuple[str, str]] = []
    act = other = more = ("", "")
    is_loud = False
    if status in Appointment.OPEN:
        late_by = int((now - starts_at).total_seconds() // 60)
        key = "late" if late_by > 0 else "arriving"
        if key == "late":
            marks.append(("late", _("%(n)d min late") % {"n": late_by}))
            is_loud = True
        if confirmed_at is not None:
            marks.append(("confirmed", _("Confirmed")))
        elif says_state and key == "arriving":
            marks.append(("planned", _("Planned")))
        if may_check_in and status in Appointment.AWAITED:
            act = ("check-in", _("Check in"))
            if late_by >= minutes:
                other = ("no-show", _("Did not come"))
        if may_conduct and status in Appointment.NEVER_CHECKED_IN and late_by >= minutes:
            more = ("record-afterwards", _("Took place"))
    elif status == Status.CHECKED_IN:
        key = "here"
        if says_state:
            marks.append(("here", _("Here")))
        waited = int((now - checked_in_at).total_seconds() // 60)
        marks.append(("arriving", _("waiting %(n)d min") % {"n": waited}))
        if may_conduct:
            act = ("start", _("Into the room"))
        if may_check_in and now <= checked_in_at + UNDO_CHECK_IN_WITHIN:
            other = ("undo-check-in", _("Undo"))
    elif status in {Status.IN_PROGRESS, Status.COMPLETED, Status.LEFT}:
        key = "in_room"
        marks.append((Appointment.LOOKS[status], str(_WORDS[status])))
        if status == Status.IN_PROGRESS and may_conduct:
            act = ("finish", _("Done"))
    else:
        key = "away"
        marks.append((Appointment.LOOKS[status], str(_WORDS.get(status, _("Cancelled")))))
    if asks:
        marks.append(("due", _("Asks to change")))
    where = [kind, clinician.split(" ", 1)[0], *([room] if room else [])]
    url = f"{path}{pk}/"
    card = Card(
        url=url, key=pk.hex[-7:], time=localtime.clock_text(starts_at, tz), name=f"{called} {family}",
        meta=" · ".join(where), twin=twin, marks=marks, act_url=f"{url}{act[0]}/", act_key=act[0][:1], act=act[1], other_url=f"{url}{other[0]}/",
        other=other[1], more_url=f"{url}{more[0]}/", more=more[1], is_loud=is_loud,
        state=marks.pop(0) if marks and not act[1] and key in {"in_room", "away"} else None,
    )  # fmt: skip
    return key, card


def _waiting(request: StaffRequest) -> list[dict[str, Any]]:
    """Return the open work of this person and their roles by kind, the oldest of each, most pressing first."""
    items = list(
        WorkItem.objects.mine(request.user, memberships_of(request.user))
        .values("kind")
        .annotate(count=Count("id"), oldest=Min("created_at"), due=Min("due_at"))
    )
    items.sort(key=lambda item: (item["kind"] not in WorkItem.PRESSING, item["due"]))
    alarms = sum(item["count"] for item in items if item["kind"] in ALARMS)
    remember_bell_count(request.user, sum(item["count"] for item in items), alarms)
    url = reverse("clinic:worklist")
    return [
        {
            "label": WorkItem.Kind(item["kind"]).label,
            "count": item["count"],
            "age": localtime.age_text(item["oldest"], request.now),
            "is_overdue": item["due"] < request.now,
            "url": f"{url}?kind={item['kind']}",
        }
        for item in items
    ]
