"""Two people compared by a table of cases."""

from dataclasses import replace
from datetime import date

import pytest

from patients.duplicates import Evidence, Facts, Verdict, beside, compare, folded

PAT = Facts("Pat", "Moreau", birth_date=date(1984, 5, 17), email="pat@post.example", phone="+13035550123")


@pytest.mark.parametrize(
    ("other", "evidence", "likely"),
    [
        (PAT, {Evidence.EMAIL, Evidence.NAME, Evidence.PHONE, Evidence.BIRTH_DATE}, True),
        (Facts("Patrick", "O'Neil", email="PAT@post.example"), {Evidence.EMAIL}, False),
        (Facts("PAT", "MÓREAU", birth_date=date(1984, 5, 17)), {Evidence.NAME, Evidence.BIRTH_DATE}, True),
        (Facts("Moreau", "Pat"), {Evidence.NAME_SWAPPED}, False),
        (Facts("Patt", "Moreaux", birth_date=date(1984, 5, 17)), {Evidence.SIMILAR_NAME, Evidence.BIRTH_DATE}, False),
        (Facts("Robin", "Moreau", phone="+13035550123"), {Evidence.PHONE}, False),
        (Facts("Patricia", "Moreau"), {Evidence.SIMILAR_NAME}, False),
        (Facts("Al", "Moreau", birth_date=date(1984, 5, 17)), {Evidence.FAMILY_NAME, Evidence.BIRTH_DATE}, False),
        (Facts("Quinn", "Abbott", birth_date=date(1991, 11, 2)), set(), False),
        (Facts("", "", email="", phone=""), set(), False),
    ],
)
def test_compare(other: Facts, evidence: set[Evidence], likely: bool) -> None:
    match = compare(PAT, other)
    assert set(match.evidence) == evidence
    assert match.is_likely is likely
    assert compare(other, PAT) == match


def test_a_surname_and_a_phone_are_not_worth_a_question() -> None:
    assert not compare(PAT, Facts("Robin", "Moreau", phone="+13035550123")).is_worth_asking
    assert compare(PAT, Facts("Robin", "Moreau", email=PAT.email)).is_worth_asking


def test_a_chosen_name_is_a_name() -> None:
    assert Evidence.NAME in compare(PAT, replace(PAT, given_name="Patricia", chosen_name="Pat")).evidence


def test_strongest_first() -> None:
    assert compare(PAT, PAT).evidence[0] in {Evidence.EMAIL, Evidence.NAME}
    assert compare(PAT, PAT).score == 100


@pytest.mark.parametrize(("name", "key"), [("O’Brien", "obrien"), ("Ana-María", "ana maria"), ("  Ümit  ", "umit")])
def test_folded(name: str, key: str) -> None:
    assert folded(name) == key


def test_what_agrees_and_what_differs_stand_beside_each_other() -> None:
    """Whoever decides sees the facts; what nobody knows of one is no difference."""
    twin = Facts("Alex", "Moreau", birth_date=PAT.birth_date, email="alex@post.example")
    assert [fact.verdict for fact in beside(twin, PAT)] == [
        Verdict.SIMILAR, Verdict.SAME, Verdict.UNKNOWN, Verdict.DIFFERS
    ]  # fmt: skip
    assert compare(twin, PAT).is_worth_asking
    assert [fact.verdict for fact in beside(PAT, PAT)] == [Verdict.SAME] * 4
    assert beside(Facts("Quinn", "Abbott"), PAT)[0].verdict is Verdict.DIFFERS
    assert all(one.label and one.icon for one in Verdict)
