"""What the answers of a packet say for the record. Pure: drafts in, facts as plain values out.

"No" is a condition that is absent, said by the patient. "Not sure" is a fact too: asked, and not known. What nobody answered is
no fact at all, and never a no. What a patient writes is never confirmed by it: whether a trial was adequate, what an allergy
belongs to, what a medicine counts as is left to a clinician.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from assessments.facts import ConditionKind, State, StatementKind
from assessments.packetchecks import day_in, inches_to_cm, phone_in, whole_number
from assessments.packetconditions import EVERY, STATES, Asked
from assessments.packetparts import HELPED, HOW_OFTEN, MEDICINES, SUBSTANCES, TREATMENTS, USED
from assessments.packetquestions import NO, ON, UNSURE, YES, Rows, Section

NOTE = 500
_ANSWERS = {YES: True, NO: False, UNSURE: None}


class Table(StrEnum):
    """The kinds of fact a packet can make, by the model's name."""

    ALLERGY = "allergy"
    CONDITION = "condition"
    FAMILY_HISTORY = "family_history"
    MEASUREMENT = "measurement"
    MEDICATION = "medication"
    STATEMENT = "statement"
    TRIAL = "trial"


@dataclass(frozen=True)
class Said:
    """One fact as a patient gave it: its table and the values of its columns."""

    table: Table
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """Somebody whom the patient named: kind is the model's."""

    kind: str
    name: str
    relationship: str
    phone: str


Drafts = Mapping[str, Mapping[str, str]]


def facts_from(drafts: Drafts, today: date, *, born: date = date.min) -> list[Said]:
    """Return every fact that the answers of all parts make, in the order of the packet. ``today`` is the patient's day.

    A day before ``born`` is a slip of the pen, and then it is not known when it was.
    """
    return [
        *_about(drafts.get("about_you", {})),
        *_contacts(drafts.get("contacts", {})),
        *_conditions(drafts, today, born),
        *_family(drafts.get("family", {})),
        *_medicines(drafts.get("medicines", {})),
        *_substances(drafts.get("substances", {})),
        *_trials(drafts.get("treatments", {})),
    ]


def people_from(drafts: Drafts) -> list[Person]:
    """Return whom the patient named for an emergency and for the way home, each once; without a phone, nobody."""
    draft = drafts.get("contacts", {})
    named = [_person(draft, "emergency", "emergency")] if draft.get("has_emergency") == YES else []
    if draft.get("escort_possible") == YES and draft.get("escort_same") != ON:
        named.append(_person(draft, "escort", "escort"))
    people = [person for person in named if person is not None]
    if draft.get("escort_possible") == YES and draft.get("escort_same") == ON:
        return [Person("both", one.name, one.relationship, one.phone) for one in people]
    if len(people) == 2 and (people[0].name.casefold(), people[0].phone) == (
        people[1].name.casefold(),
        people[1].phone,
    ):
        return [Person("both", people[0].name, people[0].relationship, people[0].phone)]
    return people


def identity_from(draft: Mapping[str, str]) -> dict[str, Any]:
    """Return what the patient said about who they are and how we talk with them, by the patient's own columns.

    Only what was answered; somebody who would rather not say their sex said nothing.
    """
    said: dict[str, Any] = {}
    for name, longest in (("chosen_name", 80), ("pronouns", 30), ("access_needs", 200)):
        if text := " ".join(draft.get(name, "").split()):
            said[name] = text[:longest]
    if draft.get("sex_at_birth") in {"female", "male", "intersex"}:
        said["sex_at_birth"] = draft["sex_at_birth"]
    if draft.get("language") in {"en", "es", "other"}:
        said["language"] = draft["language"]
    if draft.get("needs_interpreter") in {YES, NO}:
        said["needs_interpreter"] = draft["needs_interpreter"] == YES
    return said


def _person(draft: Mapping[str, str], prefix: str, kind: str) -> Person | None:
    name, phone = draft.get(f"{prefix}_name", "").strip(), phone_in(draft.get(f"{prefix}_phone", ""))
    if not name or not phone:
        return None
    return Person(kind, name[:120], draft.get(f"{prefix}_relationship", "").strip()[:40] or _("not said"), phone)


def _statement(kind: StatementKind, answer: str) -> Iterator[Said]:
    if answer in _ANSWERS:
        yield Said(Table.STATEMENT, {"kind": kind.value, "value": _ANSWERS[answer]})


def _about(draft: Mapping[str, str]) -> Iterator[Said]:
    feet, inches = whole_number(draft.get("height_feet", "")), whole_number(draft.get("height_inches", ""))
    centimetres = whole_number(draft.get("height_cm", "")) or inches_to_cm(feet, inches)
    if centimetres is not None:
        yield Said(Table.MEASUREMENT, {"kind": "height", "first": centimetres})
    yield from _statement(StatementKind.PREGNANCY_POSSIBLE, draft.get("pregnancy_possible", ""))
    yield from _statement(StatementKind.BREASTFEEDING, draft.get("breastfeeding", ""))


def _contacts(draft: Mapping[str, str]) -> Iterator[Said]:
    yield from _statement(StatementKind.ESCORT_POSSIBLE, draft.get("escort_possible", ""))


def _conditions(drafts: Drafts, today: date, born: date) -> Iterator[Said]:
    homes = {ConditionKind.PREGNANCY: "about_you"} | dict.fromkeys(
        (ConditionKind.KETAMINE_MISUSE, ConditionKind.SUBSTANCE_USE_DISORDER, ConditionKind.OPIOID_USE_DISORDER), "substances"
    )  # fmt: skip
    for asked in EVERY:
        draft = drafts.get(homes.get(asked.kind, "history"), {})
        values = condition(asked, draft, today, born)
        if values is not None:
            yield Said(Table.CONDITION, values)


def condition(asked: Asked, draft: Mapping[str, str], today: date, born: date = date.min) -> dict[str, Any] | None:
    """Return the columns of one condition, or None when it has no answer.

    A yes without a word on how it stands is present, and nobody says it is stable. An event lies in the past; one without a
    readable day has none, and the rules count it as recent. Words about the time that name no day stay beside it as a note.
    """
    answer = draft.get(asked.name, "")
    if answer == NO:
        return {"kind": asked.kind.value, "state": State.ABSENT.value}
    if answer == UNSURE:
        return {"kind": asked.kind.value, "state": State.UNKNOWN.value}
    if answer != YES:
        return None
    chosen = draft.get(asked.state_name, "")
    state = State.PAST if asked.is_event else State(chosen) if chosen in dict(STATES) else State.CURRENT
    written = draft.get(asked.when_name, "").strip()
    day = day_in(written, today)
    values: dict[str, Any] = {"kind": asked.kind.value, "state": state.value}
    if day is not None and day >= born:
        values["resolved_on" if state is State.PAST and not asked.is_event else "onset_on"] = day
    if written:
        values["note"] = (_("When, in the patient’s words: %(words)s") % {"words": written})[:NOTE]
    return values


def _family(draft: Mapping[str, str]) -> Iterator[Said]:
    answer = draft.get("family_psychosis", "")
    if answer in _ANSWERS:
        near = _ANSWERS.get(draft.get("family_near", "")) if answer == YES else None
        yield Said(Table.FAMILY_HISTORY, {"psychosis": _ANSWERS[answer], "is_first_degree": near})


def _lines(section: Section, step: str, draft: Mapping[str, str]) -> Iterator[dict[str, str]]:
    found = section.step(step)
    rows: Rows | None = found.rows if found else None
    if rows is not None:
        for _index, line in rows.filled(draft):
            yield {name: value.strip() for name, value in line.items()}


def _medicines(draft: Mapping[str, str]) -> Iterator[Said]:
    listed = [line for line in _lines(MEDICINES, "medicines", draft) if line["name"] or line["dose"]]
    for line in listed:
        # A line with a dose and no name is still a medicine that nobody recognises.
        text = line["name"] or _("(no name) %(dose)s") % {"dose": line["dose"]}
        yield Said(Table.MEDICATION, {"text": text[:200], "dose": line["dose"][:120], "taking": "current"})
    says_none, every = draft.get("no_medicines") == ON, draft.get("medicines_all", "")
    if not listed and says_none:
        yield from _statement(StatementKind.MEDICINES_COMPLETE, YES)
    elif listed and not says_none:
        yield from _statement(StatementKind.MEDICINES_COMPLETE, every)
    yield from _allergies(draft)


def _allergies(draft: Mapping[str, str]) -> Iterator[Said]:
    ketamine, excipient = draft.get("allergy_ketamine", ""), draft.get("allergy_excipient", "")
    if ketamine == YES:
        yield Said(Table.ALLERGY, {"substance": _("ketamine or esketamine"), "agent": "ketamine"})
    if excipient == YES:
        which = draft.get("allergy_excipient_which", "").strip()[:120] or _("a sweetener, flavor or dye, not named")
        yield Said(Table.ALLERGY, {"substance": which, "agent": "excipient"})
    listed = list(_lines(MEDICINES, "allergies", draft))
    for line in listed:
        substance = (line["name"] or _("(no name) %(words)s") % {"words": line["reaction"]})[:120]
        yield Said(Table.ALLERGY, {"substance": substance, "reaction": line["reaction"][:200]})
    # The list is complete when each of the three questions has an answer; one "not sure" makes it unsure.
    says_none = draft.get("no_allergies") == ON
    if ketamine in _ANSWERS and excipient in _ANSWERS and bool(listed) != says_none:
        yield from _statement(StatementKind.ALLERGIES_COMPLETE, UNSURE if UNSURE in (ketamine, excipient) else YES)


def _substances(draft: Mapping[str, str]) -> Iterator[Said]:
    yield from _statement(StatementKind.KETAMINE_USE, draft.get("ketamine_use", ""))
    often = dict(HOW_OFTEN)
    used = [
        (str(text), str(often[answer]), "current" if answer in USED else "unknown")
        for name, text, _help in SUBSTANCES
        if (answer := draft.get(f"use_{name}", "")) in {*USED, UNSURE}
    ]
    if other := draft.get("use_other", "").strip():
        used.append((other[:200], "", "current"))
    for text, dose, taking in used:
        # Into the list of what is taken: it is read for what does not go together with a dose, like everything there.
        yield Said(
            Table.MEDICATION, {"text": text, "dose": dose, "taking": taking, "note": _("Said about substances.")}
        )


def _trials(draft: Mapping[str, str]) -> Iterator[Said]:
    helped = dict(HELPED)
    for line in _lines(TREATMENTS, "trials", draft):
        outcome = line["helped"]
        yield Said(
            Table.TRIAL,
            {
                "treatment": (line["name"] or _("(no name)"))[:120],
                "max_dose": line["dose"][:60],
                "weeks": whole_number(line["weeks"]),
                # Whether it was enough, and for long enough, is a clinician's to say.
                "is_adequate": None,
                "has_failed": {"yes": False, "not": True, "worse": True}.get(outcome),
                "in_current_episode": _ANSWERS.get(line["now"]),
                "outcome": str(helped.get(outcome, "")),
            },
        )
