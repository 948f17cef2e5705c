"""What stands in the way of a clearance and of a dose, item by item; and two prescribers at once."""

import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assessments import flagdata, gate, standing, workup
from assessments.actions import clearances, flags, reviews
from assessments.models import Clearance, Measurement, ScreeningFlag
from assessments.screening import Binds, Finding, Flag, Severity
from clinic.actions import signatures
from clinic.errors import Refused
from clinic.models import Role, Signature
from patients.actions import consents
from patients.models import LifeState
from tests import factories as make
from tests.assessments.records import write_clean
from tests.cast import Cast, make_cast

NOW = make.NOON
TODAY = NOW.date()


def row(severity: Severity = Severity.BLOCK, finding: Finding = Finding.FOUND, **fields: Any) -> ScreeningFlag:
    """A flag that was never stored."""
    flag = Flag(
        code="CV-X", rule_version=1, severity=severity, finding=finding, trigger="condition:1", says="Something.", lifts="A fact.",
        binds=fields.pop("binds", Binds.CLEARANCE),
    )  # fmt: skip
    values = {"status": "open", "severity": severity.value, "finding": finding.value, "code": flag.code}
    return ScreeningFlag(data=flagdata.as_data(flag), **{**values, **fields})


YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
# The flag, what it is to a clearance, what it is to a dose.
FLAGS = [
    (row(), ["block"], ["block"]),
    (row(Severity.OVERRIDE), ["override"], ["override"]),
    (row(Severity.OVERRIDE, Finding.MISSING), ["question"], ["question"]),
    (row(Severity.BLOCK, Finding.UNREAD), ["question"], ["question"]),
    (row(Severity.INFO), [], []),
    (row(binds=Binds.DOSING), [], ["block"]),
    (row(binds=Binds.DAY), [], ["block"]),
    (row(Severity.OVERRIDE, status="overridden", expires_on=TODAY), [], []),
    (row(Severity.OVERRIDE, status="overridden", expires_on=YESTERDAY), ["override"], ["override"]),
    (row(Severity.OVERRIDE, status="resolved"), [], []),
]


@pytest.mark.parametrize(("flag", "clearance", "dose"), FLAGS)
def test_what_a_flag_holds(cast: Cast, flag: ScreeningFlag, clearance: list[str], dose: list[str]) -> None:
    held = gate.for_clearance(is_screened=True, flags=[flag], lines=[], on=TODAY)
    assert [one.code for one in held] == clearance
    given = gate.for_dose(
        patient=cast.pat, dose=gate.Dose(route="sl", mg=Decimal(100), on=TODAY, sessions_given=0),
        clearances=[Clearance(status="cleared", route="sl", max_mg=200, max_sessions=6, expires_on=TODAY)], is_screened=True,
        flags=[flag], consents_missing=[],
    )  # fmt: skip
    assert [one.code for one in given] == dose
    assert gate.for_clearance(is_screened=True, flags=[flag], lines=[], on=TODAY, decided={flag.pk}) == ()


def test_whom_nobody_screened_has_no_flags_and_is_not_let_by(cast: Cast) -> None:
    (unmet,) = gate.for_clearance(is_screened=False, flags=[], lines=[], on=TODAY)
    assert unmet.code == "not_screened"


def cleared(**changed: Any) -> Clearance:
    values = {"status": "cleared", "route": "sl", "max_mg": 200, "max_sessions": 6, "expires_on": TODAY}
    return Clearance(**{**values, **changed})


@pytest.mark.parametrize(
    ("clearance", "given", "mg", "codes"),
    [
        (cleared(), 5, "200", []),
        (cleared(), 5, "200.5", ["clearance_mg"]),
        (cleared(), 6, "200", ["clearance_sessions"]),
        (cleared(expires_on=YESTERDAY), 0, "1", ["clearance_expired"]),
        (cleared(expires_on=YESTERDAY, max_mg=0), 9, "1", ["clearance_expired", "clearance_mg", "clearance_sessions"]),
        (cleared(status="suspended"), 0, "1", ["clearance_suspended"]),
        (cleared(status="clinician_review"), 0, "1", ["clearance"]),
        (cleared(route="im"), 0, "1", ["clearance"]),
        (None, 0, "1", ["clearance"]),
    ],
)
def test_what_a_clearance_allows(
    cast: Cast, clearance: Clearance | None, given: int, mg: str, codes: list[str]
) -> None:
    unmet = gate.for_dose(
        patient=cast.pat, dose=gate.Dose(route="sl", mg=Decimal(mg), on=TODAY, sessions_given=given),
        clearances=[clearance] if clearance else [], is_screened=True, flags=[], consents_missing=[],
    )  # fmt: skip
    assert [one.code for one in unmet] == codes


def test_the_gate_asks_the_tables_in_six_questions(cast: Cast, now: datetime) -> None:
    make.make_clearance(cast.pat, "cleared", by=cast.dana)

    def codes() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            unmet = standing.unmet_for_dose(patient=cast.pat, route="sl", mg=Decimal(200), sessions_given=0, now=now)
        assert len(queries) <= 6
        return [one.code for one in unmet]

    assert codes() == ["consent", "consent", "not_screened"]
    write_clean(cast.pat, cast.dana, now)
    flags.rescreen(by=cast.nina, patient=cast.pat, now=now)
    for kind, route in (("treatment", ""), ("ketamine", "sl")):
        make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver, kind=kind, route=route))
    assert codes() == []
    # Whoever may not understand what is done to them is not dosed on what they signed when they did.
    consents.raise_concern(by=cast.theo, patient=cast.pat, now=now)
    assert codes() == ["capacity"]
    consents.settle_concern(by=cast.theo, patient=cast.pat, found="Tired that morning; explains it well.", now=now)
    assert codes() == []
    cast.pat.life_state = LifeState.DISCHARGED
    assert codes() == ["life_state"]


def test_missing_work_up_is_named_until_somebody_says_why(cast: Cast) -> None:
    lines = [
        workup.Line(workup.Item.ECG, workup.Standing.ABSENT),
        workup.Line(workup.Item.LIVER_TEST, workup.Standing.OLD),
        workup.Line(workup.Item.PREGNANCY_TEST, workup.Standing.ON_THE_DAY),
    ]
    codes = [one.code for one in gate.for_clearance(is_screened=True, flags=[], lines=lines, on=TODAY)]
    # The liver test is screening's own question.
    assert codes == ["workup-ecg"]
    assert gate.for_clearance(is_screened=True, flags=[], lines=lines, on=TODAY, workup_words="  ") != ()
    assert gate.for_clearance(is_screened=True, flags=[], lines=lines, on=TODAY, workup_words="Seen elsewhere.") == ()


@pytest.mark.django_db(transaction=True)
def test_two_prescribers_decide_at_once_and_one_decision_stands(settings: Any) -> None:
    settings.DEMO_MODE = True
    cast = make_cast()
    doris = make.make_user("Doris Drew")
    make.make_member(doris, cast.denver, Role.PRESCRIBER)
    make.make_care_team_member(cast.pat, doris)
    for who in (cast.dana, doris):
        make.make_licences(who)
    write_clean(cast.pat, cast.dana, NOW)
    for kind, values in (("heart_rate", {"first": 66}), ("urinalysis", {"result": "normal"})):
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind=kind, **values)
    clearance = clearances.begin_review(by=cast.dana, patient=cast.pat, now=NOW)
    barrier, said = threading.Barrier(2), []

    def decide(by: Any, outcome: str) -> None:
        barrier.wait()
        try:
            reviews.decide(
                by=by, clearance=clearance, seen_version=clearance.version, outcome=outcome, route="sl", max_mg=200, max_sessions=6,
                conditions="", reason="So decided.", proof=signatures.DEMO_PROOF, now=NOW,
            )  # fmt: skip
            said.append("done")
        except Refused as refused:
            said.append(type(refused).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=one) for one in ((cast.dana, "cleared"), (doris, "declined"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(said) == ["DecidedMeanwhile", "done"]
    assert Signature.objects.count() == 1
    clearance.refresh_from_db()
    assert clearance.status in ("cleared", "declined")
