"""What is wrong with, or missing from, the answers of a packet. Pure; nothing here is ever a reason not to keep what was typed."""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import phonenumbers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.packetquestions import ON, YES, Kind, Question, Section, Step

_CHOOSE = gettext_lazy("This has no answer yet.")
_WRITE = gettext_lazy("This is empty.")
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name[:3]: number for name, number in list(_MONTHS.items())} | {"sept": 9}
# Words that leave a year as vague as it is.
_VAGUE = re.compile(
    r"^(?:about|around|circa|in|since|early|late|mid|spring|summer|fall|autumn|winter|the|of|year|\s)+(?=\d)", re.I
)
# How far two ways to write one height may lie apart, in centimetres.
_HEIGHT_SLACK = 3


@dataclass(frozen=True)
class Problems:
    """Sentences by field: what nobody answered, which may be left for a talk, and what cannot be right."""

    unanswered: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.unanswered or self.wrong)

    @property
    def every(self) -> dict[str, Any]:
        return {**self.unanswered, **self.wrong}


def of_step(step: Step, draft: Mapping[str, str], today: date) -> Problems:
    """Return what is open on one screen. What the patient said they would rather talk about is not asked again."""
    found = Problems()
    for name, question in step.asked(draft):
        value = draft.get(name, "").strip()
        if not value:
            if question.is_needed:
                found.unanswered[name] = _CHOOSE if question.kind is Kind.CHOICE else _WRITE
            continue
        if sentence := _wrong(question, value, today):
            found.wrong[name] = sentence
    _check_list(step, draft, found)
    _check_height(step, draft, found)
    _check_escort(step, draft, found)
    return Problems({}, found.wrong) if draft.get(step.left_open) == ON else found


def of_section(section: Section, draft: Mapping[str, str], today: date) -> dict[str, Problems]:
    """Return the screens of a part on which something is open, by their names."""
    by_step = {step.name: of_step(step, draft, today) for step in section.steps}
    return {name: problems for name, problems in by_step.items() if problems}


def _wrong(question: Question, value: str, today: date) -> Any:
    if question.kind is Kind.CHOICE:
        return "" if value in dict(question.choices) else _("Choose one of those offered.")
    if len(value) > question.longest:
        room = {"show_value": len(value), "limit_value": question.longest}
        return _("This is too long: it has %(show_value)d characters, and there is room for %(limit_value)d.") % room
    if question.kind is Kind.NUMBER:
        number = whole_number(value)
        if number is None:
            return _("Write a whole number.")
        if not question.least <= number <= question.most:
            return _("This has to be between %(least)d and %(most)d.") % {
                "least": question.least,
                "most": question.most,
            }
    if question.kind is Kind.PHONE and not phone_in(value):
        return _("Enter a phone with its area code, for example (303) 555-0188.")
    if question.kind is Kind.WHEN and is_to_come(value, today):
        return _("This day has not come yet. Look at the year again.")
    return ""


def _check_list(step: Step, draft: Mapping[str, str], found: Problems) -> None:
    if step.rows is None:
        return
    none, is_filled = step.rows.none.name, bool(step.rows.filled(draft))
    if draft.get(none) == ON and is_filled:
        found.wrong[none] = _(
            "There is something in the list, and this box says that there is nothing. Which is right?"
        )
    elif draft.get(none) != ON and not is_filled:
        found.unanswered[none] = _("Write into the list, or tick this box.")


def _check_height(step: Step, draft: Mapping[str, str], found: Problems) -> None:
    if not any(question.name == "height_cm" for question in step.questions):
        return
    feet, inches, metric = (whole_number(draft.get(name, "")) for name in ("height_feet", "height_inches", "height_cm"))
    if inches is not None and feet is None:
        found.wrong.setdefault("height_feet", _("Write the feet too."))
    written = inches_to_cm(feet, inches)
    if written is not None and not 90 <= written <= 250:
        found.wrong.setdefault("height_feet", _("A height lies between 3 and 8 feet. Look at it again."))
    if written is not None and metric is not None and abs(written - metric) > _HEIGHT_SLACK:
        found.wrong.setdefault("height_cm", _("These two are not the same height. Clear one of them."))


def _check_escort(step: Step, draft: Mapping[str, str], found: Problems) -> None:
    if step.name != "escort" or draft.get("escort_possible") != YES:
        return
    if draft.get("escort_same") == ON:
        if draft.get("has_emergency") != YES or not phone_in(draft.get("emergency_phone", "")):
            found.wrong["escort_same"] = _(
                "Nobody is named for an emergency with a phone. Write here who takes you home."
            )
        return
    for name in ("escort_name", "escort_relationship", "escort_phone"):
        if not draft.get(name, "").strip():
            found.unanswered[name] = _WRITE


def whole_number(text: str) -> int | None:
    """Return a number of up to four digits, or None for anything else."""
    text = text.strip()
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None


def inches_to_cm(feet: int | None, inches: int | None) -> int | None:
    """Return a height in whole centimetres; feet alone are feet and no inches."""
    return None if feet is None else round((feet * 12 + (inches or 0)) * 2.54)


def phone_in(text: str) -> str:
    """Return a phone in E.164, or "" when it is none. Written without a country it is one of the United States."""
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return ""
    if number.extension or not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def day_in(text: str, today: date) -> date | None:
    """Return the latest day that the words can mean, never after today; None when they name no single day, month or year.

    The latest, because what lies shorter back weighs more (domain.md 1.3): of "2026" it is the last day of the year.
    """
    day = _latest_day(text)
    return None if day is None or is_to_come(text, today) else min(day, today)


def is_to_come(text: str, today: date) -> bool:
    """Return whether the words name a day, month or year that has not begun."""
    first = _first_day(text)
    return first is not None and first > today


def _parts(text: str) -> tuple[int, int | None, int | None] | None:
    """Return year, month and day as far as they are written; None when anything else stands there too."""
    plain = _VAGUE.sub("", " ".join(text.lower().replace(",", " ").split()))
    if found := re.fullmatch(r"(\d{4})", plain):
        return int(found[1]), None, None
    if found := re.fullmatch(r"(\d{1,2})[/.-](\d{4})", plain):
        return int(found[2]), int(found[1]), None
    if found := re.fullmatch(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?", plain):
        return int(found[1]), int(found[2]), int(found[3]) if found[3] else None
    if found := re.fullmatch(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", plain):
        return int(found[3]), int(found[1]), int(found[2])
    # "March 2021", "in March 2021", "March 14 2021".
    plain = re.sub(r"^(?:about|around|in|since|early|late|mid)\s+", "", plain)
    if (found := re.fullmatch(r"([a-z]+)\.?\s+(?:(\d{1,2})\s+)?(\d{4})", plain)) and found[1] in _MONTHS:
        return int(found[3]), _MONTHS[found[1]], int(found[2]) if found[2] else None
    return None


def _first_day(text: str) -> date | None:
    parts = _parts(text)
    if parts is None:
        return None
    year, month, day = parts
    return _date(year, month or 1, day or 1)


def _latest_day(text: str) -> date | None:
    parts = _parts(text)
    if parts is None:
        return None
    year, month, day = parts
    if month is None:
        return _date(year, 12, 31)
    if day is not None:
        return _date(year, month, day)
    return _date(year, month, calendar.monthrange(year, month)[1]) if 1 <= month <= 12 and year >= 1 else None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        made = date(year, month, day)
    except ValueError:
        return None
    return made if made.year >= 1900 else None
