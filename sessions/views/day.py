"""Today: who is arriving, late, here, in a room and done, and the work that waits.

The columns are states of the day or times of the day; which is in the address, and so is whose visits are shown. The
board is one query into plain strings, because a hot page pays for every tag of every row. It refreshes itself by asking
with the version it shows, and is answered with nothing when nothing changed.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Min
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments import packetprogress
from clinic import audit, localtime
from clinic.access import Permission, holds, locations_where, memberships_of, staff_view
from clinic.http import StaffRequest, answer
from clinic.models import WorkItem
from clinic.navigation import ALARMS, remember_bell_count
from patients import consentneeds
from sessions.views import board, boardrows
from sessions.views.boardrows import Row


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
    may_read = holds(request.user, Permission.APPOINTMENT_READ, location.pk)
    all_rows = boardrows.of_day(location, day, now) if may_read else []
    rows = [row for row in all_rows if row.clinician_id == request.user.pk] if asked.is_mine else all_rows
    reader = board.Reader(
        now=now, tz=tz, path=visits_path(), by_time=asked.by_time,
        may_check_in=holds(request.user, Permission.APPOINTMENT_CHECK_IN, location.pk),
        may_conduct=holds(request.user, Permission.APPOINTMENT_CONDUCT, location.pk),
        patients_of=locations_where(request.user, Permission.PATIENT_READ),
    )  # fmt: skip
    shown, away = board.columns_of(
        reader, rows=rows, all_rows=all_rows, papers=_papers(request, rows),
        knows_births=holds(request.user, Permission.PATIENT_READ, location.pk),
    )  # fmt: skip
    audit.listed(request, "today", [row.patient_id for row in rows], now=now)
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
        "count": len(rows),
        "poll_url": f"{reverse('sessions:today_board')}?{urlencode({'v': version, **asked.values()})}",
    }


def _papers(request: StaffRequest, rows: list[Row]) -> dict[uuid.UUID, board.Papers]:
    """Return what this reader may know of the packet and the consents of whoever is still to be seen, by the visit.

    In words, and of patients only whose home is where the reader may know it: as on the patient's own page.
    """
    of_packet, of_consent = (
        locations_where(request.user, of) for of in (Permission.PACKET_STATUS, Permission.CONSENT_STATUS)
    )
    return {
        row.pk: board.Papers(
            packetprogress.said_of(json.loads(row.packet) if row.packet else None, request.now)
            if row.home_id in of_packet
            else None,
            consentneeds.summary_of(
                [json.loads(one) for one in row.signed or []], row.offered or [], row.routes or [], request.now
            )
            if row.home_id in of_consent
            else None,
        )
        for row in rows
        if row.is_awaited
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
