"""Health facts as lines to read: what it is, how it stands, since when, and who said so. One query for all of a patient's.

Nothing is judged here. A medicine's line says how it was read, and that an unread one was not.
"""

import json
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, JSONField, QuerySet, Value
from django.db.models.functions import JSONObject
from django.utils.translation import gettext

from assessments import facts, healthwords, whereto
from assessments.models import (
    Allergy,
    Condition,
    Diagnosis,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Medication,
    Source,
    TreatmentTrial,
)
from clinic import localtime
from clinic.written import WHO, Written
from patients.models import Patient

TABLES: tuple[type[HealthFact], ...] = (
    Allergy, Condition, Diagnosis, FamilyHistory, HealthStatement, Medication, TreatmentTrial,
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One fact to read. ``key`` is the fact's id with a hyphen, for the page's anchors; ``url`` is where it is corrected."""

    key: str
    title: str
    state: str
    notes: tuple[str, ...]
    said: str
    tone: str = ""
    note: str = ""
    url: str = ""


@dataclass(frozen=True)
class Said:
    """Of one row what the plain fact does not carry: who said so, and in which words."""

    source: str
    by: str
    note: str
    text: str
    code: str
    is_retraction: bool
    # What was tried, in the columns of TRIED; nothing of other tables.
    tried: dict[str, Any] | None = None


@dataclass(frozen=True)
class Lines:
    conditions: tuple[Line, ...]
    absent: tuple[str, ...]
    allergies: tuple[Line, ...]
    medicines: tuple[Line, ...]
    stopped: tuple[str, ...]
    trials: tuple[Line, ...]
    family: tuple[Line, ...]
    indications: tuple[Line, ...]
    diagnoses: tuple[Line, ...]
    # The answers to screening's questions, and the questions that nobody asked.
    answers: tuple[Line, ...]
    not_asked: tuple[str, ...]
    # Who said that the list of allergies is complete; None: nobody.
    allergies_complete: Line | None
    keys: frozenset[str]


def anchor(fact_id: str) -> str:
    """Return the fragment of a fact on a page: "condition:1" stands at "condition-1"."""
    return fact_id.replace(":", "-")


def of(patient: Patient, known: tuple[facts.Fact, ...], tz: ZoneInfo) -> Lines:
    """Return the standing facts as lines, newest first; ``known`` are those of ``factsheet.facts_of``."""
    said = _said(patient)
    found: dict[str, list[Line]] = {
        name: []
        for name in ("condition", "allergy", "medication", "trial", "family", "indicated", "diagnosis", "answer")
    }
    absent: list[str] = []
    stopped: list[str] = []
    asked: set[str] = set()
    complete: Line | None = None
    for fact in sorted(facts.that_stand(known), key=lambda one: (one.at, one.id), reverse=True):
        row = said.get(fact.id, NOBODY)
        by = _by(fact, row, tz)
        match fact:
            case facts.Condition(state=facts.State.ABSENT):
                absent.append(str(fact.kind.label))
            case facts.Condition():
                found["condition"].append(_told(_condition(fact, by), fact, row))
            case facts.Allergy():
                found["allergy"].append(_told(_allergy(fact, row, by), fact, row))
            case facts.Medication(taking=facts.Taking.STOPPED):
                stopped.append(fact.text)
            case facts.Medication():
                found["medication"].append(_told(_medicine(fact, by), fact, row))
            case facts.TreatmentTrial():
                found["trial"].append(_told(_trial(fact, row, by), fact, row))
            case facts.FamilyHistory():
                found["family"].append(_told(_family(fact, by), fact, row))
            case facts.Indicated():
                found["indicated"].append(_told(_indicated(fact, row, by), fact, row))
            case facts.Statement(kind=facts.StatementKind.ALLERGIES_COMPLETE):
                complete = complete or (_told(_answer(fact, by), fact, row) if fact.value else None)
            case facts.Statement() if fact.kind in healthwords.ASKED:
                asked.add(fact.kind)
                found["answer"].append(_told(_answer(fact, by), fact, row))
            case facts.Fact() if fact.id.startswith("diagnosis:") and not row.is_retraction:
                found["diagnosis"].append(_told(Line(anchor(fact.id), row.text, "", _coded(row), by), fact, row))
    lines = {name: tuple(rows) for name, rows in found.items()}
    elsewhere = {facts.StatementKind.ALLERGIES_COMPLETE, facts.StatementKind.MEDICINES_COMPLETE}
    return Lines(
        conditions=lines["condition"], absent=tuple(sorted(absent)), allergies=lines["allergy"], medicines=lines["medication"],
        stopped=tuple(stopped), trials=lines["trial"], family=lines["family"], indications=lines["indicated"],
        diagnoses=lines["diagnosis"], answers=lines["answer"], allergies_complete=complete,
        not_asked=tuple(str(healthwords.QUESTIONS[kind]) for kind in healthwords.ASKED if kind not in asked | elsewhere),
        keys=frozenset(line.key for rows in lines.values() for line in rows),
    )  # fmt: skip


# The columns in which a table keeps words that the plain fact leaves out: free text, and a code.
WORDS: dict[type[HealthFact], tuple[str, str]] = {
    Allergy: ("reaction", ""), Condition: ("", "icd10"), Diagnosis: ("text", "icd10"),
}  # fmt: skip
TRIED = ("treatment", "max_dose", "weeks", "outcome")
NOBODY = Said("", "", "", "", "", is_retraction=False)


def _said(patient: Patient) -> dict[str, Said]:
    """Return who said so, who wrote it down and what was noted, by the fact's id: one query for all tables."""
    return {
        f"{table}:{pk}": Said(source, by, note, text, code, is_gone, json.loads(tried) if tried else None)
        for table, pk, source, by, note, text, code, is_gone, tried in WHO_SAID.rows(who=patient.pk)
    }


def _who_said() -> QuerySet[Any, Any]:
    columns = ("r_table", "r_pk", "r_source", "r_by", "r_note", "r_text", "r_code", "r_gone", "r_tried")
    parts: list[QuerySet[Any, Any]] = []
    for model in TABLES:
        text, code = WORDS.get(model, ("", ""))
        rows = model._default_manager.filter(patient=Patient(pk=WHO)).order_by()
        parts.append(
            rows.annotate(
                r_table=Value(str(model._meta.model_name)),
                r_pk=F("id"),
                r_source=F("source"),
                r_by=F("recorded_by__name"),
                r_note=F("note"),
                r_text=F(text) if text else Value(""),
                r_code=F(code) if code else Value(""),
                r_gone=F("is_retraction"),
                r_tried=JSONObject(**{name: F(name) for name in TRIED})
                if model is TreatmentTrial
                else Value(None, output_field=JSONField()),
            ).values_list(*columns)
        )
    return parts[0].union(*parts[1:], all=True)


WHO_SAID = Written(_who_said)


def _by(fact: facts.Fact, row: Said, tz: ZoneInfo) -> str:
    day = localtime.day_text(localtime.day_of(fact.at, tz))
    if not row.source:
        return day
    return gettext("%(day)s · said by %(source)s · written by %(name)s") % {
        "day": day, "source": Source(row.source).label, "name": row.by,
    }  # fmt: skip


def _told(line: Line, fact: facts.Fact, row: Said) -> Line:
    """Return the line with what was noted, and where it is corrected."""
    table, _colon, pk = fact.id.partition(":")
    return replace(line, note=row.note, url=whereto.fact_page(table, pk))


def _coded(row: Said) -> tuple[str, ...]:
    return (f"ICD-10-CM {row.code}",) if row.code else ()


def _indicated(fact: facts.Indicated, row: Said, by: str) -> Line:
    """Say what the treatment is for: in the clinician's words, with the code, and as the policy's list has it."""
    return Line(anchor(fact.id), row.text, str(healthwords.INDICATIONS[fact.indication]), _coded(row), by)


def _allergy(fact: facts.Allergy, row: Said, by: str) -> Line:
    agent = Allergy.Agent(fact.agent).label if fact.agent else gettext("not coded: check")
    notes = (row.text,) if row.text else (gettext("reaction not recorded"),)
    return Line(
        anchor(fact.id),
        fact.substance,
        str(agent),
        notes,
        by,
        "" if fact.agent == facts.AllergyAgent.OTHER else "amber",
    )


def _answer(fact: facts.Statement, by: str) -> Line:
    return Line(anchor(fact.id), str(healthwords.QUESTIONS[fact.kind]), healthwords.yes_no(fact.value), (), by)


def _condition(fact: facts.Condition, by: str) -> Line:
    notes: list[str] = []
    if fact.onset_on:
        notes.append(gettext("since %(day)s") % {"day": localtime.day_text(fact.onset_on)})
    if fact.resolved_on:
        notes.append(gettext("over since %(day)s") % {"day": localtime.day_text(fact.resolved_on)})
    if fact.by_prescriber:
        notes.append(gettext("confirmed by a prescriber"))
    return Line(anchor(fact.id), str(fact.kind.label), str(Condition.State(fact.state).label), tuple(notes), by)


def _medicine(fact: facts.Medication, by: str) -> Line:
    """Say how the line was read, in the words of the chart."""
    tone, words = healthwords.how_read(fact.text, fact.confirmed_as if fact.is_settled else None)
    notes = (gettext("not known whether it is taken"),) if fact.taking is facts.Taking.UNKNOWN else ()
    return Line(anchor(fact.id), fact.text, words, notes, by, "" if tone == "neutral" else tone)


def _trial(fact: facts.TreatmentTrial, row: Said, by: str) -> Line:
    said = {True: gettext("yes"), False: gettext("no"), None: gettext("not assessed")}
    notes = (
        gettext("adequate: %(answer)s") % {"answer": said[fact.adequate]},
        gettext("failed: %(answer)s") % {"answer": said[fact.failed]},
        gettext("this episode: %(answer)s") % {"answer": said[fact.current_episode]},
    )
    return Line(
        anchor(fact.id), _what_was_tried(row.tried), gettext("counts as a trial") if fact.counts else "", notes, by
    )


def _what_was_tried(row: dict[str, Any] | None) -> str:
    if row is None:
        return "—"
    weeks = gettext("%(weeks)s weeks") % {"weeks": row["weeks"]} if row["weeks"] is not None else ""
    return " · ".join(part for part in (row["treatment"], row["max_dose"], weeks, row["outcome"]) if part)


def _family(fact: facts.FamilyHistory, by: str) -> Line:
    words = {True: gettext("yes"), False: gettext("no"), None: gettext("not known")}
    degree = {
        True: gettext("a first-degree relative"),
        False: gettext("no first-degree relative"),
        None: gettext("degree not asked"),
    }
    notes = (degree[fact.first_degree],) if fact.psychosis else ()
    return Line(anchor(fact.id), gettext("Psychosis in the family"), words[fact.psychosis], notes, by)


__all__ = ["Line", "Lines", "anchor", "of"]
