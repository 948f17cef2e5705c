"""Is this somebody we know? A pure comparison of two people's facts, with what speaks for it.

Nothing here decides: the desk is shown the evidence and says whether it is the same person. Candidates are found by
indexed queries in patients/search.py.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _


class Evidence(StrEnum):
    """One fact that two people share."""

    BIRTH_DATE = "birth_date"
    EMAIL = "email"
    FAMILY_NAME = "family_name"
    NAME = "name"
    NAME_SWAPPED = "name_swapped"
    PHONE = "phone"
    SIMILAR_NAME = "similar_name"

    @property
    def label(self) -> Any:
        return LABELS[self]


LABELS = {
    Evidence.BIRTH_DATE: _("same birth date"),
    Evidence.EMAIL: _("same e-mail"),
    Evidence.FAMILY_NAME: _("same last name"),
    Evidence.NAME: _("same name"),
    Evidence.NAME_SWAPPED: _("first and last name swapped"),
    Evidence.PHONE: _("same phone"),
    Evidence.SIMILAR_NAME: _("similar name"),
}
# How much each fact says. Families share an address and a surname; nobody shares everything.
WEIGHTS = {
    Evidence.BIRTH_DATE: 35,
    Evidence.EMAIL: 40,
    # Counted only with the birth date: it is what a nickname leaves ("Peg" for "Margaret"), and what twins share.
    Evidence.FAMILY_NAME: 10,
    Evidence.NAME: 40,
    Evidence.NAME_SWAPPED: 30,
    Evidence.PHONE: 35,
    Evidence.SIMILAR_NAME: 25,
}
# Worth a question to the person at the desk; likely enough to be named so.
WORTH_ASKING = 40
LIKELY = 70
# Names as alike as "Jon" and "John" (0.86) or "Mei" and "Mey" (0.67), and unlike "Ana" and "Anton" (0.5). On its own
# it is never worth a question.
ALIKE = 0.65
# A beginning of so many letters is a short form of the name.
SHORT_FORM = 3


@dataclass(frozen=True)
class Facts:
    """What is known of one person. Empty means not known, and not known is never a match."""

    given_name: str
    family_name: str
    chosen_name: str = ""
    birth_date: date | None = None
    email: str = ""
    phone: str = ""


@dataclass(frozen=True)
class Match:
    """How much two people have in common."""

    score: int
    evidence: tuple[Evidence, ...]

    @property
    def is_likely(self) -> bool:
        return self.score >= LIKELY

    @property
    def is_worth_asking(self) -> bool:
        return self.score >= WORTH_ASKING


# Hyphens part names as spaces do; apostrophes and full stops are left out.
_JOINTS = str.maketrans(dict.fromkeys("-‐‑–", " ") | dict.fromkeys("'’‘`."))


def folded(name: str) -> str:
    """Return a name in lower case without accents, apostrophes and hyphens, for comparison only."""
    plain = unicodedata.normalize("NFKD", name.casefold()).translate(_JOINTS)
    if not plain.isascii():
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(plain.split())


def compare(one: Facts, other: Facts) -> Match:
    """Return what two people share, strongest first. Symmetric."""
    found: list[Evidence] = []
    if one.email and one.email.casefold() == other.email.casefold():
        found.append(Evidence.EMAIL)
    if one.phone and one.phone == other.phone:
        found.append(Evidence.PHONE)
    if one.birth_date and one.birth_date == other.birth_date:
        found.append(Evidence.BIRTH_DATE)
    name = _names(one, other)
    if name is None and Evidence.BIRTH_DATE in found and _same_family(one, other):
        name = Evidence.FAMILY_NAME
    if name is not None:
        found.append(name)
    return Match(
        min(100, sum(WEIGHTS[item] for item in found)),
        tuple(sorted(found, key=lambda item: (-WEIGHTS[item], item))),
    )


def _names(one: Facts, other: Facts) -> Evidence | None:
    family, other_family = folded(one.family_name), folded(other.family_name)
    given = [folded(name) for name in (one.given_name, one.chosen_name) if name]
    other_given = [folded(name) for name in (other.given_name, other.chosen_name) if name]
    if family == other_family and set(given) & set(other_given):
        return Evidence.NAME
    if family in other_given and other_family in given:
        return Evidence.NAME_SWAPPED
    if _alike(family, other_family) and any(_alike(a, b) for a in given for b in other_given):
        return Evidence.SIMILAR_NAME
    return None


def _same_family(one: Facts, other: Facts) -> bool:
    return bool(one.family_name) and folded(one.family_name) == folded(other.family_name)


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    # "Pat" and "Patricia": a short form is how most people say their name.
    if min(len(one), len(other)) >= SHORT_FORM and (one.startswith(other) or other.startswith(one)):
        return True
    # SequenceMatcher depends on the order of its arguments; asked in one order, the answer is symmetric.
    first, second = sorted((one, other))
    return SequenceMatcher(None, first, second).ratio() >= ALIKE


class Verdict(StrEnum):
    """What two records say about one fact, with the icon that stands beside its word."""

    SAME = "same"
    SIMILAR = "similar"
    DIFFERS = "differs"
    UNKNOWN = "unknown"

    @property
    def label(self) -> Any:
        return _VERDICTS[self][0]

    @property
    def icon(self) -> str:
        return str(_VERDICTS[self][1])


_VERDICTS = {
    Verdict.SAME: (_("same"), "check-lg"),
    Verdict.SIMILAR: (_("similar"), "plus-slash-minus"),
    Verdict.DIFFERS: (_("differs"), "x-lg"),
    Verdict.UNKNOWN: (_("not known of both"), "dash-lg"),
}


@dataclass(frozen=True)
class Beside:
    """One fact of two people beside each other."""

    label: Any
    entered: Any
    recorded: Any
    verdict: Verdict


def beside(entered: Facts, recorded: Facts) -> list[Beside]:
    """Return what agrees and what differs between what was entered and what is recorded, fact by fact. Missing is no difference."""
    evidence = set(compare(entered, recorded).evidence)

    def verdict(same: Evidence, one: object, other: object) -> Verdict:
        if not one or not other:
            return Verdict.UNKNOWN
        return Verdict.SAME if same in evidence else Verdict.DIFFERS

    def called(facts: Facts) -> str:
        chosen = f" ({facts.chosen_name})" if facts.chosen_name else ""
        return f"{facts.given_name}{chosen} {facts.family_name}"

    names = Verdict.DIFFERS
    if Evidence.NAME in evidence:
        names = Verdict.SAME
    elif evidence & {Evidence.NAME_SWAPPED, Evidence.SIMILAR_NAME, Evidence.FAMILY_NAME}:
        names = Verdict.SIMILAR
    return [
        Beside(_("Name"), called(entered), called(recorded), names),
        Beside(_("Birth date"), entered.birth_date, recorded.birth_date, verdict(Evidence.BIRTH_DATE, entered.birth_date, recorded.birth_date)),
        Beside(_("Phone"), entered.phone, recorded.phone, verdict(Evidence.PHONE, entered.phone, recorded.phone)),
        Beside(_("E-mail"), entered.email, recorded.email, verdict(Evidence.EMAIL, entered.email, recorded.email)),
    ]  # fmt: skip
