"""The facts of this floor that never scroll away on a chart: allergies, what stops a dose, the clearance, open alerts.

Only what its reader may know (domain.md 9.3): with the status alone a clearance is a colour in words, and an alert is "clinician
contact required". One query, which asks for nothing that the reader may not know.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import JSONObject
from django.utils.translation import gettext, ngettext

from assessments.facts import StatementKind
from assessments.models import Allergy, Clearance, HealthStatement, RiskAlert, ScreeningFlag
from assessments.reviewpage import clearance_line
from clinic import localtime
from clinic.access import Permission, holds
from clinic.models import User
from clinic.written import WHO, Written
from patients.models import Patient


@dataclass(frozen=True)
class Fact:
    """One chip of the strip: words, an icon and a tone, never a colour alone."""

    words: str
    icon: str
    tone: str


def facts(user: User, patient: Patient, now: datetime) -> list[Fact]:
    """Return the chips for this reader, the gravest first."""

    def may(permission: Permission) -> bool:
        return holds(user, permission, patient.home_location_id)

    shown = {
        "alert": may(Permission.ALERT_STATUS), "flag": may(Permission.CLEARANCE_READ),
        "clearance": may(Permission.CLEARANCE_STATUS), "allergy": may(Permission.HEALTH_READ),
    }  # fmt: skip
    rows = _rows(patient, tuple(part for part, is_shown in shown.items() if is_shown))
    found = _alerts(rows["alert"], may_read=may(Permission.ALERT_READ)) if shown["alert"] else []
    if shown["flag"]:
        found += _flags(rows["flag"])
    if shown["clearance"]:
        found += _clearances(rows["clearance"], patient, now, in_full=may(Permission.CLEARANCE_READ))
    if shown["allergy"]:
        found += _allergies(rows["allergy"], rows["statement"])
    return found


Row = dict[str, Any]


def _rows(patient: Patient, parts: tuple[str, ...]) -> dict[str, list[Row]]:
    """Return the rows of these parts, oldest first, in one query; none for no part."""
    found: dict[str, list[Row]] = {part: [] for part in (*parts, "statement")}
    if parts:
        # What came in the same moment, by its id, so that it stands in one order.
        for part, _at, _pk, body in sorted(_asked(parts).rows(who=patient.pk), key=lambda row: row[1:3]):
            found[part].append(json.loads(body))
    return found


@cache
def _asked(parts: tuple[str, ...]) -> Written:
    """Return the query of these parts, written once for each kind of reader."""

    def write() -> QuerySet[Any, Any]:
        first, *rest = (rows for part in parts for rows in PARTS[part](Patient(pk=WHO)))
        return first.union(*rest, all=True)

    return Written(write)


def _part(name: str, rows: QuerySet[Any], at: str, **body: Any) -> QuerySet[Any, Any]:
    """Return rows in the one shape that all parts have."""
    named = rows.order_by().annotate(r_part=Value(name), r_at=F(at), r_pk=F("id"), r_body=JSONObject(**body))
    shaped: QuerySet[Any, Any] = named.values_list("r_part", "r_at", "r_pk", "r_body")
    return shaped


def _alert_rows(patient: Patient) -> list[QuerySet[Any, Any]]:
    return [_part("alert", RiskAlert.objects.open().filter(patient=patient), "raised_at", tier=F("tier"))]


def _flag_rows(patient: Patient) -> list[QuerySet[Any, Any]]:
    rows = ScreeningFlag.objects.open().filter(patient=patient).exclude(severity=ScreeningFlag.Severity.INFO)
    return [_part("flag", rows, "raised_at", severity=F("severity"), finding=F("data__finding"))]


def _clearance_rows(patient: Patient) -> list[QuerySet[Any, Any]]:
    names = ("id", "status", "since", "route", "max_mg", "max_sessions", "expires_on")
    rows = Clearance.objects.live().filter(patient=patient)
    return [_part("clearance", rows, "opened_at", **{name: F(name) for name in names})]


def _allergy_rows(patient: Patient) -> list[QuerySet[Any, Any]]:
    """Return the allergies, and who said whether they are all."""
    said = HealthStatement.objects.standing().filter(Q(kind=StatementKind.ALLERGIES_COMPLETE), patient=patient)
    return [
        _part("allergy", Allergy.objects.standing().filter(patient=patient), "at", substance=F("substance")),
        _part("statement", said, "at", value=F("value")),
    ]


PARTS: dict[str, Callable[[Patient], list[QuerySet[Any, Any]]]] = {
    "alert": _alert_rows, "flag": _flag_rows, "clearance": _clearance_rows, "allergy": _allergy_rows,
}  # fmt: skip


def _alerts(rows: list[Row], *, may_read: bool) -> list[Fact]:
    if not rows:
        return []
    if not may_read:
        return [Fact(gettext("Clinician contact required"), "telephone", "red")]
    count = len(rows)
    words = ngettext("One open alert", "%(count)s open alerts", count) % {"count": count}
    is_grave = bool({RiskAlert.Tier.RED, RiskAlert.Tier.ORANGE} & {row["tier"] for row in rows})
    return [Fact(words, "exclamation-octagon", "red" if is_grave else "amber")]


def _flags(rows: list[Row]) -> list[Fact]:
    blocks = overrides = questions = 0
    for row in rows:
        if row["finding"] != ScreeningFlag.Finding.FOUND:
            questions += 1
        elif row["severity"] == ScreeningFlag.Severity.BLOCK:
            blocks += 1
        else:
            overrides += 1
    said = [
        (blocks, ngettext("One fact stops a dose", "%(count)s facts stop a dose", blocks), "slash-circle", "red"),
        (overrides, ngettext("One flag to decide", "%(count)s flags to decide", overrides), "exclamation-triangle", "amber"),
        (questions, ngettext("One question not answered", "%(count)s questions not answered", questions), "question-circle", "neutral"),
    ]  # fmt: skip
    return [Fact(words % {"count": count}, icon, tone) for count, words, icon, tone in said if count]


def _clearances(rows: list[Row], patient: Patient, now: datetime, *, in_full: bool) -> list[Fact]:
    live = [_clearance(row) for row in rows]
    today = localtime.day_of(now, patient.home_location.tz)
    for one in live:
        # What ran out is not green until beat comes by.
        if one.is_cleared and one.expires_on is not None and one.expires_on < today:
            one.status = Clearance.Status.EXPIRED
    if not in_full:
        tones = ("red", "green", "amber", "neutral")
        worst = next((one for colour in tones for one in live if one.colour == colour), None)
        return [
            Fact(worst.desk_words if worst else gettext("no clearance"), "shield", worst.colour if worst else "neutral")
        ]
    found = []
    for one in live:
        line = clearance_line(one, patient.home_location.tz)
        until = ""
        if line["until"]:
            said = gettext("again on %(day)s") if line["is_deferred"] else gettext("until %(day)s")
            until = said % {"day": line["until"]}
        words = " · ".join(part for part in (str(line["state"]), line["limits"], until) if part)
        found.append(Fact(words[:1].upper() + words[1:], line["icon"], line["tone"]))
    return found or [Fact(gettext("No clearance"), "shield", "neutral")]


def _clearance(row: Row) -> Clearance:
    """Return as much of a clearance as is told of it; it is never saved."""
    return Clearance(
        id=uuid.UUID(row["id"]), status=row["status"], since=datetime.fromisoformat(row["since"]), route=row["route"],
        max_mg=row["max_mg"], max_sessions=row["max_sessions"],
        expires_on=date.fromisoformat(row["expires_on"]) if row["expires_on"] else None,
    )  # fmt: skip


def _allergies(rows: list[Row], said: list[Row]) -> list[Fact]:
    """Return the allergies, newest first; that there are none is only said when somebody said so, and nobody who was asked was unsure."""
    if names := [row["substance"] for row in reversed(rows)]:
        return [Fact(gettext("Allergic to %(what)s") % {"what": ", ".join(names)}, "exclamation-triangle", "red")]
    if not said:
        return [Fact(gettext("Allergies: not asked"), "capsule", "neutral")]
    if not all(row["value"] for row in said):
        return [Fact(gettext("Allergies: not known"), "capsule", "amber")]
    return [Fact(gettext("No known allergies"), "capsule", "neutral")]
