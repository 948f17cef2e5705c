"""What the review page shows, in words and in order: flags, scores, measurements, work-up, and what became of the clearance so far.

Rows in, dictionaries for the template out; nothing is decided here. The number of queries does not grow with the rows.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assessments import answered, definitions, factlines, healthwords, plausible, screening, sparklines, whereto, workup
from assessments.definitions import UnknownInstrument
from assessments.models import Clearance, ClearanceMove, Measurement, Score, ScreeningFlag, Source
from clinic import localtime
from patients.models import Patient
from patients.models.consents import Route

# The newest answers of all instruments together; a review looks back years, not lives.
MOST_SCORES = 300
BINDS = {
    screening.Binds.CLEARANCE: "",
    screening.Binds.DOSING: _("holds every dose, not the clearance"),
    screening.Binds.DAY: _("holds the dose of that day"),
}
UNITS = {
    Measurement.Kind.BLOOD_PRESSURE: "mmHg", Measurement.Kind.HEART_RATE: _("a minute"), Measurement.Kind.OXYGEN_SATURATION: "%",
    Measurement.Kind.WEIGHT: "kg", Measurement.Kind.HEIGHT: "cm", Measurement.Kind.LIVER_TEST: _("× upper limit (ALT / AST)"),
}  # fmt: skip
ICONS = {"block": "slash-circle", "override": "exclamation-triangle", "info": "info-circle"}
TONES = {"block": "red", "override": "amber", "info": "blue"}


@dataclass(frozen=True)
class FlagLine:
    """One flag as it is read, with its fields while it is open and the reader may decide it."""

    id: uuid.UUID
    severity: str
    severity_words: str
    tone: str
    icon: str
    sentence: str
    lifts: str
    code: str
    raised: str
    trigger_at: str
    is_question: bool
    is_info: bool
    is_open: bool
    binds: str
    awaits: bool
    is_contradicted: bool
    decided: str
    reason: str
    text: str
    plan: str
    override_needs: str
    ask_before_dose: str
    fields: Any = None
    # Where the question is answered, or the fact corrected; none for whoever may not write.
    links: tuple[whereto.Link, ...] = ()


def birth_date_text(patient: Patient) -> str:
    return date_format(patient.birth_date, "j M Y")


def flag_lines(
    rows: Iterable[ScreeningFlag],
    tz: ZoneInfo,
    *,
    shown: frozenset[str],
    health_url: str,
    form: Any = None,
    writes_for: Patient | None = None,
    prescribes: bool = False,
) -> dict[str, list[FlagLine]]:
    """Return the flags under what they do: those that stop, that ask for a decision, that are questions, that are decided, and to know.

    ``shown`` are the anchors of the facts on this page; what is not on it leads to its own page, or to ``health_url``.
    ``writes_for`` is the patient when the reader may record facts: each flag then leads to where it is answered.
    """
    found: dict[str, list[FlagLine]] = {"blocks": [], "overrides": [], "questions": [], "decided": [], "infos": []}
    mine = {row.pk for row in form.flags} if form is not None else set()
    for row in rows:
        flag = row.flag
        fields = form.about(row) if row.pk in mine else None
        line = _flag_line(row, flag, tz, shown, health_url, fields)
        if writes_for is not None and not line.is_info:
            line = replace(line, links=whereto.of_flag(writes_for, flag, prescribes=prescribes))
        kind = "infos" if line.is_info else "questions" if line.is_question else f"{row.severity}s"
        # What is decided already does not hide what is still to be.
        if kind == "overrides" and not line.is_open:
            kind = "decided"
        found[kind].append(line)
    return found


def _flag_line(
    row: ScreeningFlag, flag: screening.Flag, tz: ZoneInfo, shown: frozenset[str], health_url: str, fields: Any
) -> FlagLine:
    return FlagLine(
        id=row.pk, severity=row.severity, severity_words=str(ScreeningFlag.Severity(row.severity).label), tone=TONES[row.severity],
        icon=ICONS[row.severity], sentence=flag.sentence, lifts=flag.what_lifts, code=row.code,
        raised=localtime.moment_text(row.raised_at, tz), trigger_at=_where(flag.trigger, shown, health_url),
        is_question=flag.is_question, is_info=flag.severity is screening.Severity.INFO,
        is_open=row.status == ScreeningFlag.Status.OPEN, binds=str(BINDS[flag.binds]), awaits=flag.awaits_prescriber,
        is_contradicted=bool(flag.contradicted_by), decided=_decided(row, tz),
        reason=row.get_reason_code_display() if row.reason_code else "", text=row.reason_text, plan=row.plan_text,
        override_needs=flag.what_override_needs,
        ask_before_dose=flag.what_to_ask, fields=fields,
    )  # fmt: skip


def _where(trigger: str | None, shown: frozenset[str], health_url: str) -> str:
    """Return where the fact is: on this page, else its own, else among all; "" for a fact's absence, and whom no fact is shown.

    Whoever reads health facts reads answers too (docs/access.md).
    """
    if not trigger:
        return ""
    anchor = factlines.anchor(":".join(trigger.split(":")[:2]))
    if anchor in shown:
        return f"#{anchor}"
    return health_url and (whereto.page_of(trigger) or health_url)


def _decided(row: ScreeningFlag, tz: ZoneInfo) -> str:
    if row.decided_by is None or row.decided_at is None:
        return ""
    when = {"who": row.decided_by.name, "when": localtime.moment_text(row.decided_at, tz)}
    if row.status == ScreeningFlag.Status.ACKNOWLEDGED:
        return gettext("Seen by %(who)s, %(when)s") % when
    until = localtime.day_text(row.expires_on) if row.expires_on else ""
    return gettext("Decided by %(who)s, %(when)s; holds until %(until)s") % {**when, "until": until}


def scores(patient: Patient, tz: ZoneInfo) -> tuple[list[dict[str, Any]], frozenset[str]]:
    """Return one line an instrument, by name, with its course; and the anchors of the answers shown. One query."""
    newest = list(Score.objects.standing_of(patient).order_by("-response__answered_at", "-response__id")[:MOST_SCORES])
    by_code: dict[str, list[Score]] = {}
    for score in reversed(newest):
        by_code.setdefault(score.response.code, []).append(score)
    lines = [line for course in by_code.values() if (line := _score_line(course, tz))]
    anchors = frozenset(f"assessmentresponse-{score.response_id}" for course in by_code.values() for score in course)
    return sorted(lines, key=lambda line: str(line["name"])), anchors


def _score_line(course: list[Score], tz: ZoneInfo) -> dict[str, Any] | None:
    last = course[-1].response
    try:
        definition = definitions.get(last.code, last.version, last.language)
    except UnknownInstrument:
        return None
    has_total = definition.low is not None and definition.high is not None
    readings = [(score.response.answered_at, score.total) for score in course]
    line = sparklines.draw(readings, definition.low or 0, definition.high or 0) if has_total else None
    return {
        "name": definition.name,
        "title": definition.title,
        "result": answered.result(definition, last, course[-1]),
        "day": localtime.day_text(localtime.day_of(last.answered_at, tz)),
        "line": line if line is not None and len(line.dots) > 1 else None,
        "key": f"assessmentresponse-{course[-1].response_id}",
        "rows": [
            {
                "key": f"assessmentresponse-{score.response_id}",
                "day": localtime.day_text(localtime.day_of(score.response.answered_at, tz)),
                # Of what is past the number is shown; what alarmed in it was read when it came.
                "result": answered.result(definition, score.response, score, has_alarms=False),
            }
            for score in reversed(course[:-1])
        ],
    }


def vitals(measured: Iterable[Measurement], tz: ZoneInfo) -> tuple[list[dict[str, Any]], frozenset[str]]:
    """Return the newest value of each kind with up to five older ones, and their anchors. ``measured`` are newest first."""
    by_kind: dict[str, list[Measurement]] = {}
    for row in measured:
        by_kind.setdefault(row.kind, []).append(row)
    found = [
        {
            "label": Measurement.Kind(kind).label,
            "newest": _value(rows[0], tz),
            "older": [_value(row, tz) for row in rows[1:6]],
        }
        for kind, rows in sorted(by_kind.items(), key=lambda one: Measurement.Kind.values.index(one[0]))
    ]
    return found, frozenset(f"measurement-{row.pk}" for rows in by_kind.values() for row in rows[:6])


def _value(row: Measurement, tz: ZoneInfo) -> dict[str, Any]:
    numbers = [healthwords.number(value) or "—" for value in (row.first, row.second)]
    two = row.kind in {Measurement.Kind.BLOOD_PRESSURE, Measurement.Kind.LIVER_TEST}
    value = row.get_result_display() if row.result else "/".join(numbers if two else numbers[:1])
    unit = str(UNITS.get(Measurement.Kind(row.kind), ""))
    if row.kind == Measurement.Kind.WEIGHT and row.first is not None:
        unit = f"kg ({healthwords.number(plausible.pounds(row.first))} lb)"
    return {
        "key": f"measurement-{row.pk}",
        "value": value,
        "unit": unit,
        "when": localtime.moment_text(row.at, tz),
        "by": row.recorded_by.name,
        "note": row.note,
        "source": row.get_source_display() if row.source != Source.CLINICIAN else "",
        "url": whereto.fact_page("measurement", row.pk),
        "has_finding": row.has_finding,
    }


def workup_lines(lines: Iterable[workup.Line], *, writes_for: Patient | None = None) -> list[dict[str, Any]]:
    """Return the work-up as the page reads it: what is due first, with where it is recorded if the reader may."""
    found = [
        {
            "label": line.label, "words": line.words, "is_due": line.is_due, "is_there": line.is_there, "because": line.because,
            "on": localtime.day_text(line.on) if line.on else "", "anchor": f"unmet-workup-{line.item}", "needs_words": line.needs_words,
            "link": whereto.of_line(writes_for, line) if writes_for is not None else None,
        }
        for line in lines
    ]  # fmt: skip
    return sorted(found, key=lambda line: not line["is_due"])


def clearance_line(clearance: Clearance, tz: ZoneInfo) -> dict[str, Any]:
    """Return one clearance in words: its state, what it allows, and until when."""
    limits = []
    if clearance.route:
        limits.append(str(Route(clearance.route).label))
    if clearance.max_mg is not None:
        limits.append(gettext("at most %(mg)s mg") % {"mg": clearance.max_mg})
    if clearance.max_sessions is not None:
        limits.append(gettext("%(count)s sessions") % {"count": clearance.max_sessions})
    return {
        "id": clearance.pk,
        "state": clearance.get_status_display(),
        "tone": clearance.colour,
        "icon": "shield-check" if clearance.is_cleared else "shield-slash" if clearance.is_suspended else "shield",
        "limits": " · ".join(limits),
        "conditions": clearance.conditions,
        "until": localtime.day_text(clearance.expires_on) if clearance.expires_on else "",
        "is_deferred": clearance.status == Clearance.Status.DEFERRED,
        "since": localtime.moment_text(clearance.since, tz),
        "is_live": clearance.is_live,
    }


def moves(found: Iterable[ClearanceMove], tz: ZoneInfo) -> list[dict[str, Any]]:
    """Return the steps so far, newest first, each with who took it, why, and what was signed."""
    return [
        {
            "to": move.get_to_status_display(),
            "cause": move.get_cause_display(),
            "who": move.by.name,
            "when": localtime.moment_text(move.at, tz),
            "reason": move.reason,
            "flag": move.flag.flag.sentence if move.flag is not None else "",
            "content": move.content,
        }
        for move in found
    ]
