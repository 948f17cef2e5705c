"""Corrections: a new response with a reason, the old one visible behind it, and no alert closed by either."""

import itertools
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from assessments import definitions
from assessments.actions import entries, responses
from assessments.actions.entries import Given, Way
from assessments.models import AssessmentResponse, RiskAlert, Score
from clinic.models import AuditEvent, new_id
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

NOON = make.NOON
PHQ = definitions.current("phq-9")
ONES = {item.id: 1 for item in PHQ.items}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(now: datetime) -> None:
    """Freeze the clock for every test here."""


@pytest.fixture
def theo(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.theo)


def entered(cast: Cast, answers: dict[str, int] | None = None, way: Way = Way.READ_OUT) -> AssessmentResponse:
    return entries.enter(
        by=cast.theo, patient=cast.pat, definition=PHQ, way=way, given=Given(items=answers or ONES),
        submission_key=new_id(), held=(), answered_at=NOON, now=NOON,
    )  # fmt: skip


def page_of(response: AssessmentResponse, verb: str = "correct") -> str:
    return reverse(f"assessments:{verb}_response", args=[response.pk])


def typed(reason: str = "Misheard the third answer.", **values: Any) -> dict[str, Any]:
    given = {f"item_{item}": str(value) for item, value in {**ONES, **values}.items()}
    return {"submission_key": str(new_id()), "reason": reason, **given}


def test_a_correction_stands_and_the_old_answers_stay_visible(cast: Cast, theo: Client) -> None:
    """Hazard: a corrected answer disappears, and with it what somebody acted on."""
    old = entered(cast)
    answer = theo.post(page_of(old), typed(q3="3"), follow=True)
    new = AssessmentResponse.objects.get(corrects=old)
    assert (new.answers["q3"], new.correction_reason, new.answered_at) == (3, "Misheard the third answer.", NOON)
    assert list(AssessmentResponse.objects.standing()) == [new]
    assert [Score.objects.get(response=row).total for row in (old, new)] == [9, 11]
    said = answer.content.decode()
    assert "Misheard the third answer." in said
    assert "stands" in said
    chart = theo.get(reverse("assessments:chart_questionnaires", args=[cast.pat.pk])).content.decode()
    assert "<del>PHQ-9</del>" in chart
    assert "Corrected: see the newer one" in chart
    before = theo.get(reverse("assessments:response", args=[old.pk])).content.decode()
    assert "These answers were corrected." in before
    assert reverse("assessments:response", args=[new.pk]) in before
    assert "assessments:correct" not in before
    assert page_of(old) not in before, "only what stands is corrected"
    assert AuditEvent.objects.filter(verb="answers.corrected", subject_id=new.pk).exists()


def test_the_form_holds_what_is_on_record_and_blanks_as_blanks(cast: Cast, theo: Client) -> None:
    old = entered(cast, {"q1": 2, "q9": 0})
    said = theo.get(page_of(old)).content.decode()
    assert said.count(" checked>") == 10
    assert said.count('value="blank" checked') + said.count('value="blank" class="form-check-input" checked') <= 8
    sent = {name: value for name, value in typed().items() if not name.startswith("item_")}
    assert theo.post(page_of(old), sent).status_code == 422, "nothing is taken over from the old answers unseen"


def test_a_correction_of_an_alarming_answer_leaves_its_alert_open(cast: Cast, theo: Client) -> None:
    """Hazard: correcting the answer makes the alert go away before anybody spoke with the patient."""
    old = entered(cast, {**ONES, "q9": 3})
    (alert,) = RiskAlert.objects.all()
    theo.post(page_of(old), typed(q9="0"))
    alert.refresh_from_db()
    assert (alert.closed_at, alert.response_id) == (None, old.pk)
    theo.post(page_of(AssessmentResponse.objects.get(corrects=old), "take_back"), {"submission_key": str(new_id()), "reason": "Wrong patient."})  # fmt: skip
    alert.refresh_from_db()
    assert alert.closed_at is None
    assert RiskAlert.objects.count() == 1


def test_a_correction_that_alarms_raises_an_alert_of_its_own(cast: Cast, theo: Client) -> None:
    old = entered(cast, {**ONES, "q9": 0})
    assert not RiskAlert.objects.exists()
    said = theo.post(page_of(old), typed(q9="2"), follow=True).content.decode()
    assert RiskAlert.objects.get().tier == "orange"
    assert "These answers raised an alert (orange)." in said


def test_taken_back_stays_visible_and_counts_no_more(cast: Cast, theo: Client) -> None:
    old = entered(cast)
    theo.post(page_of(old, "take_back"), {"submission_key": str(new_id()), "reason": "Entered for the wrong patient."})
    row = AssessmentResponse.objects.get(corrects=old)
    assert (row.is_retraction, row.answers, Score.objects.filter(response=row).exists()) == (True, {}, False)
    assert not AssessmentResponse.objects.standing().exists()
    chart = theo.get(reverse("assessments:chart_questionnaires", args=[cast.pat.pk])).content.decode()
    assert "Taken back" in chart
    assert chart.count(">PHQ-9<") == 1, "what took it back is no line of its own"
    for each in (old, row):
        assert (
            "Entered for the wrong patient."
            in theo.get(reverse("assessments:response", args=[each.pk])).content.decode()
        )
    for verb in ("correct", "take_back"):
        assert theo.get(page_of(row, verb)).status_code == 404
    with pytest.raises(entries.TakenBack):
        entries.take_back(by=cast.theo, response=row, reason="again", submission_key=new_id(), held=(), now=NOON)
    with pytest.raises(entries.TakenBack):
        entries.correct(
            by=cast.theo, response=row, given=Given(items={}), reason="again", submission_key=new_id(), held=(),
            answered_at=NOON, now=NOON,
        )  # fmt: skip


def test_no_correction_without_a_reason(cast: Cast, theo: Client) -> None:
    old = entered(cast)
    for verb, reason in itertools.product(("correct", "take_back"), ("", "   ", "no", "x" * 201)):
        answer = theo.post(page_of(old, verb), typed(reason, q3="3"))
        assert answer.status_code == 422
        if reason.strip():
            assert reason in answer.content.decode(), "what was typed is kept"
    assert AssessmentResponse.objects.count() == 1


def test_the_second_corrector_is_told(cast: Cast, theo: Client) -> None:
    old = entered(cast)
    sent = typed(q3="3")
    assert [theo.post(page_of(old), sent).status_code for _ in range(2)] == [302, 302], "the same form twice is once"
    late = theo.post(page_of(old), typed(q3="2"))
    assert late.status_code == 422
    assert "Somebody has corrected this response already." in late.content.decode()
    assert theo.post(page_of(old, "take_back"), typed()).status_code == 422
    assert AssessmentResponse.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_correctors_at_once(cast: Cast) -> None:
    old = entered(cast)
    barrier, came = threading.Barrier(2), list[str]()

    def correct(value: int) -> None:
        try:
            barrier.wait(5)
            entries.correct(
                by=cast.theo, response=old, given=Given(items={**ONES, "q3": value}), reason="Misheard.",
                submission_key=new_id(), held=(), answered_at=NOON, now=NOON,
            )  # fmt: skip
            came.append("corrected")
        except responses.CorrectedAlready:
            came.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=correct, args=[value]) for value in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == ["corrected", "refused"]


def test_a_sheet_is_corrected_as_a_sheet_and_its_day_too(cast: Cast, theo: Client) -> None:
    old = entries.enter(
        by=cast.theo, patient=cast.pat, definition=PHQ, way=Way.PAPER_TOTAL, given=Given(total=14), submission_key=new_id(),
        held=(), answered_at=datetime(2027, 1, 11, 19, tzinfo=UTC), now=NOON,
    )  # fmt: skip
    said = theo.get(page_of(old)).content.decode()
    assert 'value="2027-01-11"' in said
    assert 'value="14"' in said
    sent = {"submission_key": str(new_id()), "reason": "Misread the sheet.", "day": "2027-01-10", "part_total": "4"}
    assert theo.post(page_of(old), sent).status_code == 302
    new = AssessmentResponse.objects.get(corrects=old)
    assert (new.mode, new.entered, new.answers["total"]) == ("paper", "paper_total", 4)
    assert new.answered_at == datetime(2027, 1, 10, 19, tzinfo=UTC)


def test_what_a_patient_answered_alone_is_corrected_by_their_clinician_and_keeps_its_hour(
    cast: Cast, theo: Client
) -> None:
    at = datetime(2027, 1, 12, 3, 4, 5, tzinfo=UTC)
    old = make.make_response(cast.pat, cast.pat_user, at=at, answers=ONES)
    theo.post(page_of(old), typed(q3="0"))
    new = AssessmentResponse.objects.get(corrects=old)
    assert (new.mode, new.answered_at, new.entered_by) == ("on_behalf", at, cast.theo)


def test_a_rater_who_left_stays_the_rater(cast: Cast, theo: Client) -> None:
    madrs = definitions.current("madrs")
    answers = {item.id: 2 for item in madrs.items}
    old = make.make_response(cast.pat, cast.theo, "madrs", answers=answers, mode="clinician", rater=cast.omar)
    sent = {
        "submission_key": str(new_id()), "reason": "Misread the sheet.", "day": "2027-01-13", "clock": "09:00",
        "rater": str(cast.omar.pk), **{f"item_{item}": "1" for item in answers},
    }  # fmt: skip
    assert theo.post(page_of(old), sent).status_code == 302
    assert AssessmentResponse.objects.get(corrects=old).rater == cast.omar


def test_strangers_correct_nothing(cast: Cast, signed_in: SignedIn) -> None:
    old = entered(cast)
    for who, status in [
        ("frida", 403),
        ("milo", 403),
        ("ada", 403),
        ("petra", 403),
        ("tess", 404),
        ("omar", 404),
        ("olga", 403),
    ]:
        client = signed_in(getattr(cast, who))
        for address in (page_of(old), page_of(old, "take_back")):
            assert client.post(address, typed(q3="3")).status_code == status
        assert client.get(reverse("assessments:response", args=[old.pk])).status_code == status
        assert AssessmentResponse.objects.count() == 1
