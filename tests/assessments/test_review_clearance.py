"""The review page: what a prescriber sees, decides and signs, and every way in which it is refused."""

import itertools
import re
import uuid
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assessments import whereto
from assessments.actions import clearances, flags
from assessments.models import (
    Allergy,
    Clearance,
    ClearanceMove,
    Condition,
    Diagnosis,
    Measurement,
    Medication,
    ScreeningFlag,
)
from clinic import keyset, policy
from clinic.actions import signatures
from clinic.models import AuditEvent, Licence, PolicyVersion, Role, Signature, WorkItem
from patients.models import BreakGlass, LifeState
from tests import factories as make
from tests.assessments.records import write_clean
from tests.cast import Cast
from tests.conftest import SignedIn

Status = Clearance.Status
PROOF = {"password": signatures.DEMO_PROOF.password, "code": signatures.DEMO_PROOF.code}
CLEARED = {"outcome": "cleared", "route": "sl", "max_mg": "200", "max_sessions": "6"}


@pytest.fixture(autouse=True)
def _demo(settings: Any) -> None:
    """Everybody signs with the demo's proof here; the real one is tested where signing is."""
    settings.DEMO_MODE = True


@pytest.fixture
def ready(cast: Cast, now: datetime) -> Cast:
    """Pat has answered everything well, all examinations are there, and Dana, who is licensed, is asked."""
    make.make_licences(cast.dana)
    write_clean(cast.pat, cast.dana, now)
    for kind, values in (("heart_rate", {"first": 66}), ("urinalysis", {"result": "normal"})):
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind=kind, **values)
    flags.rescreen(by=cast.nina, patient=cast.pat, now=now)
    clearances.begin_review(by=cast.dana, patient=cast.pat, now=now)
    return cast


def url(cast: Cast, name: str = "review_clearance") -> str:
    return reverse(f"assessments:{name}", args=[cast.pat.pk])


def question(cast: Cast) -> Clearance:
    return Clearance.objects.get(patient=cast.pat, route="")


def send(client: Client, cast: Cast, clearance: Any = None, **data: Any) -> Any:
    about = clearance or Clearance.objects.filter(patient=cast.pat).order_by("-opened_at").first()
    named = {"clearance": str(about.pk), "seen_version": about.version} if about else {}
    return client.post(url(cast, "decide_clearance"), {**named, **PROOF, **data})


def refusal(response: Any) -> str:
    """Return what the page refuses with; "" for an answer that refuses nothing."""
    text = response.content.decode()
    return (
        " ".join(re.sub(r"<[^>]+>", " ", text.split('class="error-summary"')[1].split("</ul>")[0]).split())
        if "error-summary" in text
        else ""
    )


def medicine(cast: Cast, text: str, now: datetime) -> ScreeningFlag:
    make.make_health_fact(Medication, cast.pat, cast.nina, at=now - timedelta(minutes=5), text=text, taking="current")
    flags.rescreen(by=cast.nina, patient=cast.pat, now=now)
    return ScreeningFlag.objects.get(patient=cast.pat, status="open", severity="override", finding="found")


def said_about(row: ScreeningFlag, **changed: str) -> dict[str, str]:
    said = {"reason": "monitored", "text": "Takes 1 mg at night.", "plan": "Asked when last taken before each dose."}
    return {f"{name}-{row.pk}": value for name, value in {**said, **changed}.items()}


def test_a_prescriber_of_the_team_clears_and_the_signed_words_can_be_checked(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    client = signed_in(ready.dana)
    page = client.get(url(ready)).content.decode()
    assert "Nothing stands in the way" in page
    assert "checked" not in page.split('id="div_id_outcome"')[1].split("</fieldset>")[0]

    response = send(client, ready, **CLEARED, reason="Two trials without effect.")
    assert response.status_code == 302
    clearance = Clearance.objects.get(patient=ready.pat)
    assert (clearance.status, clearance.route, clearance.max_mg, clearance.max_sessions) == ("cleared", "sl", 200, 6)
    assert (clearance.decided_by, clearance.expires_on) == (ready.dana, now.date() + timedelta(days=90))
    move = ClearanceMove.objects.get(clearance=clearance, to_status="cleared")
    assert move.signature == clearance.signature
    assert move.signature is not None
    assert signatures.matches(move.signature, move.content)
    assert move.signature.purpose == Signature.Purpose.CLEARANCE
    for words in (
        "Pat Moreau",
        "under the tongue",
        "200 mg",
        "6 sessions",
        "Tue 13 Apr 2027",
        "Two trials",
        "Dana Deng",
    ):
        assert words in move.content, words
    assert not WorkItem.objects.open().filter(kind="clearance_review").exists()
    event = AuditEvent.objects.get(verb="clearance.decided")
    assert "Two trials" not in str(event.details)
    assert "What was signed" in client.get(url(ready)).content.decode()


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"outcome": "cleared"}, "names its route, the most mg of a dose and the most sessions"),
    ({**CLEARED, "route": ""}, "names its route"),
    ({**CLEARED, "max_sessions": ""}, "names its route"),
    ({**CLEARED, "max_mg": "401"}, "at most 400 mg by this route"),
    ({**CLEARED, "max_mg": "0"}, "has to be 1 at least"),
    ({**CLEARED, "max_mg": "much"}, "Write a whole number"),
    ({**CLEARED, "max_sessions": "13"}, "at most 12 sessions"),
    ({**CLEARED, "route": "im", "max_mg": "106"}, "at most 105 mg by this route"),
    ({**CLEARED, "conditions": "BP before."}, "Choose “cleared with conditions”"),
    ({**CLEARED, "outcome": "cleared_with_conditions"}, "Say what the conditions are"),
    ({"outcome": "declined"}, "Say why, in words"),
    ({"outcome": "referred_out", "reason": "  "}, "Say why, in words"),
    ({"outcome": "deferred", "reason": "Later."}, "Choose the day on which it is looked at again"),
    ({"outcome": "deferred", "reason": "Later.", "until": "2027-01-13"}, "after today"),
    ({"outcome": "deferred", "reason": "Later.", "until": "2028-01-14"}, "within a year"),
    ({"outcome": "suspended", "reason": "So."}, "Choose one of those offered"),
    ({}, "You decided about none of the flags"),
    ({**CLEARED, "code": "111111"}, "the password or the code is not right"),
]


def test_what_is_incomplete_or_too_much_is_refused_and_nothing_is_signed(ready: Cast, signed_in: SignedIn) -> None:
    client = signed_in(ready.dana)
    for data, said in REFUSED:
        response = send(client, ready, **{"reason": "", **data})
        page = response.content.decode()
        assert response.status_code == 422, data
        assert said in page, (data, refusal(response))
        # What was typed stays, the proof does not.
        assert all(data[name] in page for name in ("max_mg", "conditions", "reason") if data.get(name, "").strip())
        if "outcome" in data and data["outcome"] != "suspended":
            assert re.search(rf'value="{data["outcome"]}"[^>]* checked', page)
        assert PROOF["password"] not in re.findall(r'value="([^"]*)"', page)
    assert not Signature.objects.exists()
    assert question(ready).status == Status.CLINICIAN_REVIEW


def test_every_no_and_not_yet_is_signed_and_the_promised_call_is_on_a_list(ready: Cast, signed_in: SignedIn) -> None:
    client = signed_in(ready.dana)
    for outcome, patient_reads in (
        ("medical_clearance_pending", "Under review."),
        ("more_info_requested", "We will call you."),
        ("deferred", "We will call you."),
        ("declined", "We will call you."),
    ):
        WorkItem.objects.filter(kind="call_patient").delete()
        data = {"outcome": outcome, "reason": "Blood pressure first.", "until": "2027-02-01", "max_mg": "200"}
        assert refusal(send(client, ready, **data)) == ""
        clearance = question(ready)
        assert (clearance.status, clearance.max_mg) == (outcome, None)
        assert clearance.patient_words == patient_reads
        assert "Blood pressure" not in clearance.patient_words + clearance.desk_words
        assert clearance.expires_on == (date(2027, 2, 1) if outcome == "deferred" else None)
        calls = WorkItem.objects.open().filter(kind="call_patient", owner=ready.dana)
        assert calls.exists() is (patient_reads == "We will call you.")
    # Declined is the end of it: nothing is asked any more, so nothing is decided.
    assert refusal(send(client, ready, **CLEARED)) != ""
    assert not Clearance.objects.live().exists()


def test_a_block_a_question_and_an_undecided_override_each_stand_in_the_way_and_lead_there(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    make.make_health_fact(Condition, ready.pat, ready.nina, at=now, kind="aneurysm", state="current")
    row = medicine(ready, "lorazepam 1 mg", now)
    make.make_health_fact(Medication, ready.pat, ready.nina, at=now, text="xanax and blue pills", taking="current")
    client = signed_in(ready.dana)

    response = send(client, ready, **CLEARED)

    page = response.content.decode()
    assert response.status_code == 422
    assert "This patient cannot be cleared yet. Stops a dose: On record: aneurysmal vascular disease" in page
    # Screened anew before deciding: what nobody had screened for is found, and stays found.
    for found in ScreeningFlag.objects.open().filter(patient=ready.pat):
        assert f'href="#flag-{found.pk}"' in page or found.flag.severity == "info", found.code
        assert f'id="flag-{found.pk}"' in page
    assert f'id="id_reason-{row.pk}"' in page
    # What nobody could read of a line does not hide what was read.
    assert "Alprazolam (benzodiazepine); “blue” not recognised: check" in page
    assert not Signature.objects.exists()


def test_the_page_leads_from_what_is_missing_to_where_it_is_recorded(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    """A prescriber with five minutes goes from each open question to its form, and reads what was noted beside each fact."""
    quinn = ready.quinn
    make.make_care_team_member(quinn, ready.dana)
    line = make.make_health_fact(
        Medication, quinn, ready.nina, text="a green pill", taking="current", note="brought no box"
    )
    allergy = make.make_health_fact(
        Allergy, quinn, ready.nina, substance="penicillin", agent="other", reaction="anaphylaxis", note="in 2019"
    )
    make.make_health_fact(Diagnosis, quinn, ready.dana, text="PTSD after a crash", icd10="F43.10", indication="ptsd")
    make.make_health_fact(Diagnosis, quinn, ready.dana, text="Asthma", indication="")
    make.make_health_fact(Measurement, quinn, ready.nina, kind="weight", first=71)
    flags.rescreen(by=ready.nina, patient=quinn, now=now)
    clearances.begin_review(by=ready.dana, patient=quinn, now=now)
    body = signed_in(ready.dana).get(reverse("assessments:review_clearance", args=[quinn.pk])).content.decode()
    for name, kind in (
        ("record_statement", "?kind=can_consent"), ("record_statement", "?kind=prescribed_remotely"),
        ("record_statement", "?kind=breastfeeding"), ("record_statement", "?kind=medicines_complete"),
        ("record_measurement", "?kind=liver_test"), ("record_measurement", "?kind=urinalysis"), ("record_measurement", "?kind=ecg"),
        ("record_condition", ""), ("record_family_history", ""), ("enter_questionnaire", ""),
    ):  # fmt: skip
        where = reverse(f"assessments:{name}", args=[quinn.pk]) + kind
        assert (f'href="{where}"' in body) is (kind != "?kind=ecg"), where
    assert f'href="{reverse("assessments:confirm_medicine", args=[line.pk])}"' in body
    assert f'href="{reverse("assessments:health_fact", args=["allergy", allergy.pk])}"' in body
    # Only a prescriber says what a medicine is; a nurse is led to the line and to no form that would refuse her.
    make.make_care_team_member(quinn, ready.nina)
    read = signed_in(ready.nina).get(reverse("assessments:chart_flags", args=[quinn.pk])).content.decode()
    assert reverse("assessments:confirm_medicine", args=[line.pk]) not in read
    assert f'<a href="{reverse("assessments:health_fact", args=["medication", line.pk])}">Show the fact</a>' in read
    item_9 = whereto.page_of(f"assessmentresponse:{line.pk}:item9")
    assert (item_9, whereto.page_of("disposition:1")) == (reverse("assessments:response", args=[line.pk]), "")
    for words in (
        "brought no box", "anaphylaxis", "in 2019", "Allergic to penicillin", "PTSD after a crash", "ICD-10-CM F43.10", "Asthma",
        "Nobody has said that the list is complete", "Can the patient give informed consent?", "kg (156.5 lb)",
    ):  # fmt: skip
        assert words in body, words
    assert "No known allergies" not in body
    assert "<strong>No known allergies.</strong>" in signed_in(ready.dana).get(url(ready)).content.decode()


def test_flags_and_the_clearance_are_decided_together_under_one_signature(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    row = medicine(ready, "lorazepam 1 mg", now)
    make.make_health_fact(
        Medication, ready.pat, ready.dana, at=now, text="lorazepam 1 mg", taking="current", by_prescriber=True,
        confirmed_as=["benzodiazepines"], lorazepam_mg_a_day=1, corrects=Medication.objects.get(), correction_reason="amount",
    )  # fmt: skip
    flags.rescreen(by=ready.dana, patient=ready.pat, now=now)
    row = ScreeningFlag.objects.open().get(patient=ready.pat, severity="override", finding="found")

    response = send(signed_in(ready.dana), ready, **CLEARED, **said_about(row))

    assert response.status_code == 302, response.content.decode()
    row.refresh_from_db()
    clearance = Clearance.objects.get(patient=ready.pat)
    assert (row.status, clearance.status) == ("overridden", "cleared")
    assert row.signature == clearance.signature
    assert Signature.objects.count() == 1
    content = ClearanceMove.objects.get(to_status="cleared").content
    assert row.content == content
    assert clearance.signature is not None
    assert signatures.matches(clearance.signature, content)
    for words in ("MED-BENZO", "Takes 1 mg at night.", "Asked when last taken"):
        assert words in content


def test_flags_alone_are_decided_where_nothing_is_asked(ready: Cast, signed_in: SignedIn, now: datetime) -> None:
    client = signed_in(ready.dana)
    send(client, ready, **CLEARED)
    row = medicine(ready, "clonidine and phenelzine 15 mg", now)
    response = send(client, ready, **said_about(row))
    assert response.status_code == 302
    row.refresh_from_db()
    assert row.status == "overridden"
    assert row.signature is not None
    assert row.signature.purpose == Signature.Purpose.OVERRIDE
    assert row.signature is not None
    assert signatures.matches(row.signature, row.content)
    assert Clearance.objects.get(patient=ready.pat).status == Status.CLEARED
    # What is decided does not hide what is still to be.
    medicine(ready, "oxycodone 5 mg", now)
    page = client.get(url(ready)).content.decode()
    assert (
        page.index("oxycodone 5 mg is an opioid")
        < page.index('id="flags-decided"')
        < page.index("Takes 1 mg at night.")
    )


def test_half_an_override_is_no_override(ready: Cast, signed_in: SignedIn, now: datetime) -> None:
    row = medicine(ready, "phenelzine 15 mg", now)
    client = signed_in(ready.dana)
    for changed in ({"reason": ""}, {"text": " "}, {"plan": ""}):
        assert send(client, ready, **CLEARED, **said_about(row, **changed)).status_code == 422
    row.refresh_from_db()
    assert (row.status, question(ready).status) == ("open", Status.CLINICIAN_REVIEW)
    assert not Signature.objects.exists()


def test_what_is_missing_of_the_work_up_is_gone_without_only_in_words(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    make.make_health_fact(
        Condition, ready.pat, ready.dana, at=now, kind="arrhythmia", state="past", by_prescriber=True,
        corrects=Condition.objects.get(kind="arrhythmia"), correction_reason="asked again",
    )  # fmt: skip
    flags.rescreen(by=ready.dana, patient=ready.pat, now=now)
    row = ScreeningFlag.objects.open().get(patient=ready.pat, code="CV-ARR")
    client = signed_in(ready.dana)
    refused = send(client, ready, **CLEARED, **said_about(row))
    assert "Work-up: ECG is not on record" in refused.content.decode()
    response = send(
        client, ready, **CLEARED, **said_about(row), workup_words="ECG of last month seen at the cardiologist’s."
    )
    assert response.status_code == 302
    content = ClearanceMove.objects.get(to_status="cleared").content
    assert "Without: ECG" in content
    assert "seen at the cardiologist’s" in content


def test_what_was_filled_in_stands_in_nobodys_way_when_something_else_is_refused(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    make.make_health_fact(Measurement, ready.pat, ready.nina, kind="ecg", result="abnormal")
    row = medicine(ready, "lorazepam 1 mg", now)
    typed = {**CLEARED, **said_about(row), "max_mg": "9000", "workup_words": "Seen by cardiology."}
    body = send(signed_in(ready.dana), ready, **typed).content.decode()
    assert "at most 400 mg" in body
    assert "Work-up: ECG" not in body
    assert "Not decided: lorazepam" not in body


def test_a_finding_that_no_rule_reads_is_gone_past_only_in_words(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    make.make_health_fact(Measurement, ready.pat, ready.nina, kind="ecg", result="abnormal", note="QTc 512 ms")
    client = signed_in(ready.dana)
    refused = send(client, ready, **CLEARED).content.decode()
    assert "Work-up: ECG is not normal. Say below why it may go ahead." in refused
    assert send(client, ready, **CLEARED, workup_words="Repeated by cardiology: 430 ms.").status_code == 302
    content = ClearanceMove.objects.get(to_status="cleared").content
    assert "In spite of what was found: ECG\nBecause: Repeated by cardiology: 430 ms." in content
    assert "Without:" not in content


def test_a_form_about_one_clearance_never_decides_another(ready: Cast, signed_in: SignedIn) -> None:
    """The one it was about has been decided; another question of the same version is open."""
    client = signed_in(ready.dana)
    first = question(ready)
    send(client, ready, outcome="declined", reason="No.")
    client.post(url(ready, "begin_review"))
    second = Clearance.objects.live().get(patient=ready.pat)
    assert (second.pk != first.pk, second.version) == (True, first.version)
    response = send(client, ready, first, **CLEARED)
    assert response.status_code == 422
    assert "Nothing of yours was signed" in refusal(response)
    second.refresh_from_db()
    assert second.status == Status.CLINICIAN_REVIEW
    assert send(client, ready, second, **CLEARED).status_code == 302


def test_somebody_else_decided_meanwhile(ready: Cast, signed_in: SignedIn) -> None:
    seen = question(ready)
    send(signed_in(ready.dana), ready, outcome="medical_clearance_pending", reason="ECG first.")
    doris = make.make_user("Doris Drew")
    make.make_member(doris, ready.denver, Role.PRESCRIBER)
    make.make_licences(doris)
    make.make_care_team_member(ready.pat, doris)
    response = send(signed_in(doris), ready, seen, **CLEARED)
    assert response.status_code == 422
    assert "“waiting for a medical clearance” since Wed 13 Jan 2027" in response.content.decode()
    assert "by Dana Deng. Nothing of yours was signed" in response.content.decode()
    assert question(ready).decided_by == ready.dana


def test_scenario_50_a_prescriber_without_a_valid_licence_and_dea_registration_decides_nothing(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    client = signed_in(ready.dana)
    for changed in ({"kinds": ("professional",)}, {"expires_on": now.date() - timedelta(days=1)}, {"state": "AZ"}):
        Licence.objects.all().delete()
        make.make_licences(ready.dana, **changed)
        assert 'id="id_outcome_0"' not in client.get(url(ready)).content.decode()
        for data in (CLEARED, {"outcome": "declined", "reason": "No."}):
            assert send(client, ready, **data).status_code == 422
    assert question(ready).status == Status.CLINICIAN_REVIEW
    assert not Signature.objects.exists()


def test_a_policy_older_than_the_work_up_decides_nothing_and_still_takes_facts(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    values = {key: value for key, value in policy.FIRST_LIMITS.items() if key != "workup"}
    make.make_policy(ready.dana, values, number=2)
    client = signed_in(ready.dana)
    for answer in (client.get(url(ready)), send(client, ready, **CLEARED)):
        assert answer.status_code == 409
        assert "An ECG is asked for from the age of" in answer.content.decode()
    assert question(ready).status == Status.CLINICIAN_REVIEW
    assert medicine(ready, "lorazepam 1 mg", now).status == "open"


# Who reads, who decides: domain.md 9.3. 403: not this role's. 404: not this person's patient.
WHO = {
    "dana": (200, 302), "nina": (200, 403), "theo": (200, 403), "tess": (404, 403), "milo": (403, 403), "frida": (403, 403),
    "ada": (403, 403), "petra": (403, 403), "omar": (404, 404), "olga": (403, 403), "iris": (404, 403),
}  # fmt: skip


def test_who_reads_and_who_decides(ready: Cast, signed_in: SignedIn) -> None:
    # Dana last: she may.
    for who, (reads, decides) in reversed(WHO.items()):
        client = signed_in(getattr(ready, who))
        assert client.get(url(ready)).status_code == reads, who
        assert client.get(url(ready, "chart_flags")).status_code == reads, who
        assert send(client, ready, **CLEARED).status_code == decides, who
        for verb in ("begin_review", "acknowledge_flags"):
            assert client.post(url(ready, verb)).status_code == decides, (who, verb)
        assert client.get(url(ready, "decide_clearance")).status_code == 405
        assert Clearance.objects.filter(patient=ready.pat, status="cleared").exists() is (who == "dana")


def test_an_emergency_opening_reads_and_never_decides(ready: Cast, signed_in: SignedIn, now: datetime) -> None:
    doris = make.make_user("Doris Drew")
    make.make_member(doris, ready.denver, Role.PRESCRIBER)
    make.make_licences(doris)
    BreakGlass.objects.create(
        patient=ready.pat, user=doris, reason="emergency", reason_text="Called in.", started_at=now,
        expires_at=now + timedelta(hours=2),
    )  # fmt: skip
    client = signed_in(doris)
    assert "Only a prescriber of this patient’s care team decides" in client.get(url(ready)).content.decode()
    response = send(client, ready, **CLEARED)
    assert response.status_code == 422
    assert question(ready).status == Status.CLINICIAN_REVIEW
    seen = make.make_flag(ready.pat, severity="info")
    client.post(url(ready, "acknowledge_flags"), {"flags": [str(seen.pk)]})
    seen.refresh_from_db()
    assert seen.status == "open", "the team has still to see it"
    ScreeningFlag.objects.filter(pk=seen.pk).update(status="resolved", settled_at=now)
    # What the patient says is never lost for want of the team; a new question waits for it.
    client.post(reverse("assessments:withdraw_clearance", args=[question(ready).pk]), {"reason": "Does not go on."})
    assert question(ready).status == Status.WITHDRAWN_BY_PATIENT
    page = client.post(url(ready, "begin_review"), follow=True).content.decode()
    assert "decides or opens a review. Ask to be added to the team" in page
    assert not Clearance.objects.live().exists()
    assert url(ready, "begin_review") not in page


def test_ids_of_another_patient_in_the_body_reach_nothing(ready: Cast, signed_in: SignedIn, now: datetime) -> None:
    make.make_care_team_member(ready.quinn, ready.dana)
    theirs = make.make_clearance(ready.quinn, "clinician_review")
    flag = make.make_flag(ready.quinn)
    client = signed_in(ready.dana)
    assert send(client, ready, theirs, outcome="declined", reason="No.", **said_about(flag)).status_code == 404
    assert "You decided about none of the flags" in refusal(send(client, ready, **said_about(flag)))
    client.post(url(ready, "acknowledge_flags"), {"flags": [str(flag.pk), str(uuid.uuid4()), "x"]})
    theirs.refresh_from_db()
    flag.refresh_from_db()
    assert (theirs.status, flag.status) == (Status.CLINICIAN_REVIEW, "open")
    assert question(ready).status == Status.CLINICIAN_REVIEW
    assert client.get(reverse("assessments:withdraw_clearance", args=[uuid.uuid4()])).status_code == 404


@pytest.mark.parametrize("state", [LifeState.DISCHARGED, LifeState.DECEASED])
def test_nobody_is_cleared_who_left_care(ready: Cast, signed_in: SignedIn, state: LifeState) -> None:
    ready.pat.life_state, ready.pat.portal_user, ready.pat.portal_since = state, None, None
    ready.pat.save(update_fields=["life_state", "portal_user", "portal_since"])
    response = send(signed_in(ready.dana), ready, **CLEARED)
    assert response.status_code == 422
    assert f"this patient is {state.label}" in response.content.decode()


def test_a_suspended_clearance_says_why_to_clinicians_and_is_cleared_again_when_the_fact_is_lifted(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    client = signed_in(ready.dana)
    send(client, ready, **CLEARED)
    fact = make.make_health_fact(
        Condition, ready.pat, ready.nina, at=now - timedelta(minutes=5), kind="aneurysm", state="current",
        corrects=Condition.objects.get(kind="aneurysm"), correction_reason="scan",
    )  # fmt: skip
    flags.rescreen(by=ready.nina, patient=ready.pat, now=now)
    clearance = Clearance.objects.get(patient=ready.pat)
    assert clearance.status == Status.SUSPENDED
    page = client.get(url(ready)).content.decode()
    assert "a new fact that stops a dose" in page
    assert clearance.desk_words == "not cleared"
    todo = signed_in(ready.pat_user).get(reverse("assessments:to_do")).content.decode()
    assert "Under review." in todo, "what the patient may know, and no reason"
    assert "stops a dose" not in todo
    assert "aneurysm" not in todo
    assert send(client, ready, clearance, **CLEARED).status_code == 422

    make.make_health_fact(
        Condition, ready.pat, ready.dana, at=now, kind="aneurysm", state="absent", by_prescriber=True, corrects=fact,
        correction_reason="the scan was another patient’s",
    )  # fmt: skip
    flags.rescreen(by=ready.dana, patient=ready.pat, now=now)
    clearance.refresh_from_db()
    assert refusal(send(client, ready, clearance, **CLEARED)) == ""
    clearance.refresh_from_db()
    assert clearance.status == Status.CLEARED
    steps = ClearanceMove.objects.filter(clearance=clearance).order_by("at", "id").values_list("to_status", flat=True)
    assert list(steps)[-4:] == ["cleared", "suspended", "clinician_review", "cleared"]


def test_a_renewal_replaces_the_clearance_of_its_route_and_another_route_is_its_own(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    client = signed_in(ready.dana)
    send(client, ready, **CLEARED)
    first = Clearance.objects.get(patient=ready.pat)
    assert "Open a review" in client.get(url(ready)).content.decode()
    client.post(url(ready, "begin_review"))
    client.post(url(ready, "begin_review"))
    second = question(ready)
    send(client, ready, second, **{**CLEARED, "max_mg": "300"})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status, second.max_mg) == ("expired", "cleared", 300)


@pytest.mark.parametrize("outcome", ["declined", "referred_out", "deferred"])
def test_a_no_to_treatment_ends_what_is_cleared_and_says_so_before_and_in_what_is_signed(
    ready: Cast, signed_in: SignedIn, now: datetime, outcome: str
) -> None:
    """Without this, a patient who was declined at a renewal went on being cleared by the older decision."""
    tongue = make.make_clearance(ready.pat, "cleared", by=ready.dana)
    muscle = make.make_clearance(ready.pat, "suspended", by=ready.dana, route="im")
    client = signed_in(ready.dana)
    asked = f"{url(ready)}?clearance={question(ready).pk}"
    assert "also ends what stands now" in client.get(asked).content.decode()
    data = {"outcome": outcome, "reason": "No longer safe at home.", "until": "2027-02-01"}
    assert refusal(send(client, ready, question(ready), **data)) == ""
    ended = question(ready)
    assert ended.status == outcome
    for one in (tongue, muscle):
        one.refresh_from_db()
        assert one.status == Status.EXPIRED
        step = ClearanceMove.objects.get(clearance=one, to_status="expired")
        assert (step.cause, step.by) == ("person", ready.dana)
        assert str(ended.get_status_display()) in step.reason
    words = ClearanceMove.objects.get(clearance=ended, to_status=outcome).content
    assert "Ends: under the tongue · at most 200 mg · 6 sessions; into a muscle" in words


def test_a_not_yet_and_a_no_to_one_route_leave_the_others(ready: Cast, signed_in: SignedIn) -> None:
    tongue = make.make_clearance(ready.pat, "cleared", by=ready.dana)
    muscle = make.make_clearance(ready.pat, "suspended", by=ready.dana, route="im")
    client = signed_in(ready.dana)
    assert refusal(send(client, ready, question(ready), outcome="more_info_requested", reason="The ECG.")) == ""
    assert "also ends what stands now" not in client.get(f"{url(ready)}?clearance={muscle.pk}").content.decode()
    assert refusal(send(client, ready, muscle, outcome="declined", reason="Not by needle.")) == ""
    tongue.refresh_from_db()
    assert tongue.status == Status.CLEARED


def test_to_know_is_seen_once_and_by_somebody(ready: Cast, signed_in: SignedIn, now: datetime) -> None:
    make.make_health_fact(Medication, ready.pat, ready.nina, at=now, text="sertraline 50 mg", taking="current")
    flags.rescreen(by=ready.nina, patient=ready.pat, now=now)
    row = ScreeningFlag.objects.get(patient=ready.pat, severity="info", finding="found", status="open")
    client = signed_in(ready.dana)
    client.post(url(ready, "acknowledge_flags"), {"flags": [str(row.pk)]})
    row.refresh_from_db()
    assert (row.status, row.decided_by) == ("acknowledged", ready.dana)
    assert "Seen by Dana Deng" in client.get(url(ready)).content.decode()


def test_the_patient_stops(ready: Cast, signed_in: SignedIn) -> None:
    clearance = question(ready)
    # What is cleared ends with it, and can be ended where nothing is asked.
    tongue = make.make_clearance(ready.pat, "cleared", by=ready.dana)
    quinns = make.make_clearance(ready.quinn, "cleared", by=ready.dana)
    make.make_care_team_member(ready.quinn, ready.dana)
    review = reverse("assessments:review_clearance", args=[ready.quinn.pk])
    stops = reverse("assessments:withdraw_clearance", args=[quinns.pk])
    assert stops in signed_in(ready.dana).get(review).content.decode()
    where = reverse("assessments:withdraw_clearance", args=[clearance.pk])
    assert signed_in(ready.tess).get(where).status_code == 404
    assert signed_in(ready.frida).post(where).status_code == 403
    client = signed_in(ready.theo)
    assert client.get(where).status_code == 200
    clearance.refresh_from_db()
    assert clearance.status == Status.CLINICIAN_REVIEW
    assert client.post(where, {"reason": "Told me on the phone."}).status_code == 302
    assert client.post(where, {"reason": "Again."}).status_code == 422
    for one in (clearance, tongue):
        one.refresh_from_db()
        assert one.status == Status.WITHDRAWN_BY_PATIENT
        assert ClearanceMove.objects.get(clearance=one, to_status=one.status).reason == "Told me on the phone."
    quinns.refresh_from_db()
    assert quinns.status == Status.CLEARED


def test_nothing_is_the_default_and_get_writes_nothing(ready: Cast, signed_in: SignedIn) -> None:
    client = signed_in(ready.dana)
    before = Clearance.objects.values().get(patient=ready.pat)
    page = client.get(url(ready)).content.decode()
    form = page.split('id="review"')[1].split("</form>")[0]
    assert " checked" not in form
    for name in ("max_mg", "max_sessions", "until"):
        assert re.search(rf'<input[^>]*name="{name}"[^>]*value=', form) is None
    assert re.search(r"<option[^>]*selected[^>]*>(?!Choose one)", form) is None
    assert Clearance.objects.values().get(patient=ready.pat) == before


def test_the_page_asks_as_many_questions_of_the_database_for_much_as_for_little(
    ready: Cast, signed_in: SignedIn, now: datetime
) -> None:
    client = signed_in(ready.dana)

    def count() -> int:
        client.get(url(ready))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(url(ready))
        return len(queries)

    little = count()
    for number in range(30):
        make.make_health_fact(
            Medication,
            ready.pat,
            ready.nina,
            at=now - timedelta(days=number),
            text=f"phenelzine {number} mg",
            taking="current",
        )
        make.make_health_fact(
            Measurement, ready.pat, ready.nina, at=now - timedelta(days=number), kind="heart_rate", first=60 + number
        )
    make.make_clearance(ready.pat, "expired")
    flags.rescreen(by=ready.nina, patient=ready.pat, now=now)
    assert count() == little
    assert little <= 32, little


class TestList:
    def test_it_shows_what_is_suspended_first_and_then_the_longest_waiting(
        self, ready: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        make.make_clearance(ready.quinn, "suspended", by=ready.dana, since=now)
        make.make_clearance(make.make_patient(ready.denver, "Vera"), "packet_submitted", since=now - timedelta(days=9))
        make.make_clearance(make.make_patient(ready.denver, "Wanda"), "cleared", by=ready.dana)
        make.make_clearance(ready.sol, "packet_submitted")
        response = signed_in(ready.dana).get(reverse("assessments:clearances"))
        page = response.content.decode()
        assert page.index("Quinn Abbott") < page.index("Vera") < page.index("Pat Moreau")
        assert "Wanda" not in page
        assert "Sol" not in page
        # Quinn has no care team: the way leads there and not to a closed page.
        assert reverse("patients:care_team", args=[ready.quinn.pk]) in page
        assert "nobody yet" in page
        assert AuditEvent.objects.filter(verb="list.read").exists()

    def test_it_is_a_page_of_prescribers(self, ready: Cast, signed_in: SignedIn) -> None:
        for who in ("nina", "theo", "frida", "milo", "ada", "petra"):
            assert signed_in(getattr(ready, who)).get(reverse("assessments:clearances")).status_code == 403
        assert "Nothing waits" in signed_in(ready.omar).get(reverse("assessments:clearances")).content.decode()

    def test_its_questions_do_not_grow(self, ready: Cast, signed_in: SignedIn) -> None:
        client = signed_in(ready.dana)
        counts = []
        for number in (1, 33):
            for _patient in range(number):
                make.make_clearance(make.make_patient(ready.denver), "clinician_review")
            client.get(reverse("assessments:clearances"))
            with CaptureQueriesContext(connection) as queries:
                page = client.get(reverse("assessments:clearances")).content.decode()
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert "after=" in page

    def test_every_row_is_on_one_page_there_and_back(self, ready: Cast, now: datetime) -> None:
        for number in range(35):
            for status, days in (("suspended", 1), ("clinician_review", 9)):
                since = now - timedelta(days=days, minutes=number)
                make.make_clearance(make.make_patient(ready.denver), status, by=ready.dana, since=since)
        rows = Clearance.objects.to_decide()
        parts = [rows.filter(status="suspended"), rows.exclude(status="suspended")]
        wanted = [row.pk for part in parts for row in part.order_by("since", "id")]
        pages = [keyset.cut_in_turn(parts, "since", {}, oldest_first=True)]
        while pages[-1].after:
            pages.append(keyset.cut_in_turn(parts, "since", {"after": str(pages[-1].after)}, oldest_first=True))
        assert [row.pk for page in pages for row in page.rows] == wanted
        assert [len(page.rows) for page in pages] == [30, 30, 11]
        assert pages[0].before is None
        for earlier, later in itertools.pairwise(pages):
            back = keyset.cut_in_turn(parts, "since", {"before": str(later.before)}, oldest_first=True)
            assert [row.pk for row in back.rows] == [row.pk for row in earlier.rows]
        for part in parts:
            with connection.cursor() as cursor, transaction.atomic():
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("SET LOCAL enable_sort = off")
                assert "clearance_to_decide" in part.order_by("since", "id")[:31].explain()


def test_the_policy_may_leave_out_no_limit(ready: Cast, signed_in: SignedIn) -> None:
    values = {
        **PolicyVersion.objects.get().values,
        "clearance": {"valid_days": 90, "after_dose_days": 30, "max_days": 180},
    }
    make.make_policy(ready.dana, values, number=2)
    response = send(signed_in(ready.dana), ready, **CLEARED)
    assert "leaves out a limit of clearances" in response.content.decode()


def test_a_dose_of_today_counts_for_the_end_as_the_policy_says(ready: Cast, signed_in: SignedIn, now: datetime) -> None:
    make.make_event(ready.pat, at=now - timedelta(hours=1))
    assert refusal(send(signed_in(ready.dana), ready, **CLEARED)) == ""
    assert Clearance.objects.get(patient=ready.pat).expires_on == now.date() + timedelta(days=90)
