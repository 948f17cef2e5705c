"""Where the fact is recorded that a flag asks for, or that the work-up is without: from the review straight to the form.

Addresses only; whether somebody may go there is asked by who shows them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from assessments import healthwords
from assessments.models import Measurement
from assessments.screening import Flag
from assessments.workup import Item, Line
from patients.models import Patient

MEASURED = frozenset(Measurement.Kind.values)
# Facts that have a page of their own, where they are corrected, confirmed and taken back.
HAS_PAGE = frozenset(
    {"allergy", "condition", "diagnosis", "familyhistory", "healthstatement", "measurement", "medication", "treatmenttrial"}
)  # fmt: skip

# Rules whose open question names no subject.
ASKS_FOR = {
    "ALL-KET": "statement:allergies_complete", "ELIG-CAPACITY": "statement:can_consent", "ELIG-INDICATION": "indication",
    "ELIG-REMOTE": "statement:prescribed_remotely", "SOC-ESC": "statement:escort_possible",
}  # fmt: skip


# Stands for a record in an address that is reckoned once a process: a page of a review names a hundred, and each costs a walk
# through all of our patterns.
NOBODY = UUID(int=0)


@cache
def _pattern(name: str, key: str, **others: str) -> str:
    return reverse(f"assessments:{name}", kwargs={key: NOBODY, **others})


def _address(pk: object, name: str, key: str, **others: str) -> str:
    return _pattern(name, key, **others).replace(str(NOBODY), str(pk))


def fact_page(table: str, pk: object) -> str:
    """Return where one entry of a table of health facts is read and corrected."""
    return _address(pk, "health_fact", "fact_id", table=table)


@dataclass(frozen=True)
class Link:
    label: str
    url: str


def of_flag(patient: Patient, flag: Flag, *, prescribes: bool) -> tuple[Link, ...]:
    """Return where a question is answered, or where the fact that raised a flag is corrected or confirmed; none for a derived one.

    Only who ``prescribes`` says what a medicine is; the others are led to its line.
    """
    known = [fact for fact in (flag.trigger, *flag.evidence) if fact]
    if not flag.is_question:
        return tuple(_once(link for fact in known[:1] if (link := _page(fact)) is not None))
    own = [link for fact in known if not flag.lifted_by and (link := _page(fact)) is not None]
    if own:
        return tuple(_once(own))
    lines = [fact for fact in known if fact.startswith("medication:")]
    medicines = [_confirm(fact) if prescribes else link for fact in lines if (link := _page(fact)) is not None]
    if medicines:
        return tuple(_once(medicines))
    subjects = sorted(flag.lifted_by) or [ASKS_FOR.get(flag.code, "")]
    return tuple(_once(link for subject in subjects if (link := _record(patient, subject)) is not None))


def of_line(patient: Patient, line: Line) -> Link | None:
    """Return where an examination of the work-up is recorded; None for what is there."""
    if not line.is_due:
        return None
    subject = {Item.MEDICINES: "statement:medicines_complete", Item.SAFETY_SCREEN: "safety:asq"}.get(
        line.item, str(line.item)
    )
    return _record(patient, subject)


def _once(links: Iterable[Link]) -> Iterable[Link]:
    return {link.url: link for link in links}.values()


def _page(fact_id: str) -> Link | None:
    table, pk = _row(fact_id)
    if pk is None or table not in HAS_PAGE:
        return None
    return Link(_("Correct or confirm it"), page_of(fact_id))


def page_of(fact_id: str) -> str:
    """Return the address of the one fact that an id names, a questionnaire's answers too; "" for one without a page."""
    table, pk = _row(fact_id)
    if pk is None:
        return ""
    if table == "assessmentresponse":
        return _address(pk, "response", "response_id")
    return fact_page(table, pk) if table in HAS_PAGE else ""


def _row(fact_id: str) -> tuple[str, UUID | None]:
    """Return table and key of a fact's id, "condition:<key>"; the key is None when it is no row's."""
    table, _colon, rest = fact_id.partition(":")
    try:
        return table, UUID(rest.partition(":")[0])
    except ValueError:
        return table, None


def _confirm(fact_id: str) -> Link:
    _table, pk = _row(fact_id)
    return Link(_("Say what it is, and how much"), _address(pk, "confirm_medicine", "fact_id"))


def _to(patient: Patient, name: str, label: str, **asked: Any) -> Link:
    url = _address(patient.pk, name, "patient_id")
    return Link(label, f"{url}?{urlencode(asked)}" if asked else url)


def _record(patient: Patient, subject: str) -> Link | None:
    """Return the form of a subject as rules and flags name it: "statement:can_consent", "liver_test"."""
    what, _colon, kind = subject.partition(":")
    if what in MEASURED:
        label = _("Record: %(what)s") % {"what": Measurement.Kind(what).label}
        return _to(patient, "record_measurement", label, kind=what)
    match what:
        case "statement" if kind in healthwords.ASKED:
            return _to(patient, "record_statement", _("Record the answer"), kind=kind)
        case "indication":
            return _to(patient, "record_diagnosis", _("Record a diagnosis"))
        case "treatment_trial":
            return _to(patient, "record_trial", _("Record a treatment"))
        case "condition":
            return _to(patient, "record_condition", _("Record a condition"))
        case "medication":
            return _to(patient, "record_medication", _("Record a medicine"))
        case "allergy":
            return _to(patient, "record_allergy", _("Record an allergy"))
        case "family":
            return _to(patient, "record_family_history", _("Record family history"))
        case "substance_score" | "symptom_score" | "safety":
            return _to(patient, "enter_questionnaire", _("Enter answers"))
    return None
