"""Who is meant by what was typed? Finding people by any part of a name, a birth date, a phone, an e-mail, a number.

Three tiers, each with its index (docs/decisions/0006-patient-search.md): the beginning of the last name, then every
word anywhere in the name, and only when both find nothing the nearest spelling, which is given 150 ms and no more.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Collate

from patients.duplicates import Facts, Match, compare
from patients.models import Patient
from patients.models.patients import PatientQuerySet

LIMIT = 25
# The nearest spelling reads many index entries when the words are common; a search box may not wait for it.
NEAREST_TIMEOUT = "150ms"
# "Wega" against "Vega" is 0.4. Below that everything resembles everything.
NEAREST_THRESHOLD = "0.4"
# Of a family with one name, so many are compared. More are not told apart by a list.
CANDIDATES = 200

DATE_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%m-%d-%Y", "%d.%m.%Y", "%b %d %Y", "%b %d, %Y", "%B %d %Y",
    "%B %d, %Y", "%d %b %Y", "%d %B %Y",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """The people found, and whether there are more, whether only near spellings fit, whether time ran out."""

    patients: list[Patient]
    has_more: bool = False
    is_nearest: bool = False
    was_cut_short: bool = False


def birth_date_in(text: str) -> date | None:
    """Return the date a text means, as clinics write it: 1984-05-17, 5/17/1984 (month first), 17.5.1984, May 17 1984."""
    tidy = " ".join(text.strip().split())
    for pattern in DATE_FORMATS:
        try:
            day = datetime.strptime(tidy, pattern).date()  # noqa: DTZ007 - only its day is used: a zone would mean nothing
        except ValueError:
            continue
        return day if day.year >= 1875 else None
    return None


def find(patients: PatientQuerySet, text: str) -> Found:
    """Return those of ``patients`` whom ``text`` means, at most 25, nearest first.

    ``patients`` is already narrowed to whom the asker may see. The number of queries depends on what kind of thing was
    typed and never on how many are found.
    """
    text = " ".join(text.replace("\x00", "").split())[:100]
    if not text:
        return Found([])
    rows = patients.select_related("home_location")
    born = birth_date_in(text)
    if born is not None:
        return _cut(rows.filter(birth_date=born).order_by("search_key", "id"))
    if "@" in text:
        # The comparison with "" is what lets the partial index serve.
        return _cut(rows.exclude(email="").filter(email__startswith=text.lower()).order_by("email", "id"))
    digits = re.sub(r"\D", "", text)
    # A number read out on the phone is typed with the hyphen, a space or neither.
    if number := re.fullmatch(r"([A-Za-z]{1,4})[- ]?(\d+)", text):
        return _cut(rows.filter(mrn__startswith="-".join(number.groups()).upper()).order_by("mrn"))
    if len(digits) >= 3 and re.fullmatch(r"[\d\s()+./-]+", text):
        return _cut(
            rows.filter(Q(phone__contains=digits) | Q(mrn__startswith=f"SW-{digits}")).order_by("search_key", "id")
        )
    return _by_name(rows, text)


def _cut(rows: PatientQuerySet) -> Found:
    found = list(rows[: LIMIT + 1])
    return Found(found[:LIMIT], has_more=len(found) > LIMIT)


def _by_name(rows: PatientQuerySet, text: str) -> Found:
    key = fold(text)
    if not key:
        return Found([])
    in_index_order = (Collate("search_key", "C"), "id")
    starting = list(rows.filter(search_key__startswith=key).order_by(*in_index_order)[: LIMIT + 1])
    if len(key) == 1:
        # Half of everybody has that letter somewhere; the beginnings are what is meant.
        return Found(starting[:LIMIT], has_more=len(starting) > LIMIT)
    anywhere = Q()
    for word in key.split()[:6]:
        # Two letters make no trigram of their own; at the beginning of a word they do.
        anywhere &= Q(search_key__contains=word) if len(word) > 2 else _word_begins(word)
    seen = {patient.pk for patient in starting}
    others = [p for p in rows.filter(anywhere).order_by("search_key", "id")[: 2 * LIMIT + 1] if p.pk not in seen]
    found = [*starting, *others]
    if found:
        return Found(found[:LIMIT], has_more=len(found) > LIMIT)
    return _nearest(rows, key)


def _word_begins(word: str) -> Q:
    return Q(search_key__startswith=word) | Q(search_key__contains=f" {word}")


def _nearest(rows: PatientQuerySet, key: str) -> Found:
    """Return whose name is spelled most like ``key``; nobody when the time is up first."""
    before = _setting("statement_timeout")
    try:
        with transaction.atomic():
            _set("statement_timeout", NEAREST_TIMEOUT)
            _set("pg_trgm.word_similarity_threshold", NEAREST_THRESHOLD)
            alike = rows.filter(search_key__trigram_word_similar=key)
            nearness = TrigramWordSimilarity(key, "search_key")
            found = list(alike.annotate(nearness=nearness).order_by("-nearness", "search_key", "id")[:LIMIT])
            _set("statement_timeout", before)
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", "") != "57014":  # query_canceled
            raise
        return Found([], was_cut_short=True)
    return Found(found, is_nearest=bool(found))


def _setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s, true)", [name])
        return str(cursor.fetchone()[0])


def _set(name: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


def fold(text: str) -> str:
    """Return ``text`` as the database folds names, so that both sides of a comparison are made by one function."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient_search_key(%s, '', '', '')", [text])
        return str(cursor.fetchone()[0]).strip()


def facts_of(patient: Patient) -> Facts:
    """Return what duplicates.py compares of a patient."""
    return Facts(
        given_name=patient.given_name,
        family_name=patient.family_name,
        chosen_name=patient.chosen_name,
        birth_date=patient.birth_date,
        email=patient.email,
        phone=str(patient.phone.as_e164) if patient.phone else "",
    )


def known_as(patients: PatientQuerySet, facts: Facts, *, but: Iterable[object] = ()) -> list[tuple[Patient, Match]]:
    """Return who of ``patients`` may be the person of ``facts``, likeliest first, with the evidence.

    Two queries; each branch of the second has its index: e-mail, phone, birth date, beginning of the name.
    """
    name = fold(f"{facts.family_name} {facts.given_name[:2]}")
    same = Q(search_key__startswith=name)
    if facts.given_name:
        same |= Q(search_key__startswith=fold(f"{facts.given_name} {facts.family_name[:2]}"))
    if facts.email:
        same |= ~Q(email="") & Q(email=facts.email.lower())
    if facts.phone:
        same |= Q(phone=facts.phone)
    if facts.birth_date:
        same |= Q(birth_date=facts.birth_date)
    # No order: an ordered list would be walked along its index instead of asking the five that were made for this.
    rows = patients.filter(same).select_related("home_location")[:CANDIDATES]
    left_out = set(but)
    scored = [(patient, compare(facts, facts_of(patient))) for patient in rows if patient.pk not in left_out]
    asked = [pair for pair in scored if pair[1].is_worth_asking]
    return sorted(asked, key=lambda pair: (-pair[1].score, pair[0].mrn))
