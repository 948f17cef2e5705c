"""What staff enter for a patient: read out, rated, from paper. Nothing is filled in for them, and what alarms alarms."""

from datetime import UTC, date, datetime
from typing import Any
from unittest import mock

import pytest
from django.test import Client
from django.urls import reverse

from assessments import definitions
from assessments.actions import entries, responses
from assessments.actions.entries import Given, Way
from assessments.models import AssessmentRequest, AssessmentResponse, InstrumentWording, RiskAlert, Score
from clinic.models import AuditEvent, Role, new_id
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

NOON = make.NOON
PHQ = definitions.current("phq-9")
ALL_ZERO = {f"item_{item.id}": "0" for item in PHQ.items}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(now: datetime) -> None:
    """Freeze the clock for every test here."""


@pytest.fixture
def theo(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.theo)


def address(cast: Cast, code: str, way: Way) -> str:
    return reverse("assessments:enter_questionnaire", args=[cast.pat.pk]) + f"?instrument={code}&how={way}"


def typed(**values: Any) -> dict[str, Any]:
    return {"submission_key": str(new_id()), **values}


def rated(cast: Cast, **values: Any) -> dict[str, Any]:
    return typed(day="2027-01-13", clock="08:30", rater=str(cast.nina.pk), **values)


def the_response() -> AssessmentResponse:
    return AssessmentResponse.objects.get()


# The ways of each instrument.


def test_each_instrument_is_offered_in_the_ways_its_licence_allows(cast: Cast, theo: Client) -> None:
    def offered(code: str) -> tuple[Way, ...]:
        return entries.ways(definitions.current(code), (), NOON.date())

    assert offered("phq-9") == (Way.READ_OUT, Way.PAPER, Way.PAPER_TOTAL)
    assert offered("asq") == (Way.READ_OUT, Way.PAPER)
    assert offered("ptq") == offered("who-5") == (Way.PAPER, Way.PAPER_TOTAL), "no wording, so nobody reads it out"
    assert offered("madrs") == (Way.RATED, Way.RATED_TOTAL)
    assert offered("c-ssrs") == (Way.RATED,), "a category has no total"
    page = theo.get(reverse("assessments:enter_questionnaire", args=[cast.pat.pk])).content.decode()
    assert page.count("how=read_out") == 7
    assert page.count("how=rated_total") == 2


def test_a_way_that_is_not_offered_leads_back_to_the_choice(cast: Cast, theo: Client) -> None:
    for query in ["?instrument=ptq&how=read_out", "?instrument=phq-9&how=rated", "?instrument=x&how=paper", "?how=y"]:
        response = theo.post(
            reverse("assessments:enter_questionnaire", args=[cast.pat.pk]) + query, typed(day="2027-01-01")
        )
        assert response.status_code == 422
        assert not AssessmentResponse.objects.exists()
        with pytest.raises(entries.NotInThisWay):
            entries.enter(
                by=cast.theo, patient=cast.pat, definition=definitions.current("ptq"), way=Way.READ_OUT, given=Given(items={}),
                submission_key=new_id(), held=(), answered_at=NOON, now=NOON,
            )  # fmt: skip


# Nothing filled in.


def test_nothing_is_chosen_beforehand_and_nothing_chosen_is_refused(cast: Cast, theo: Client) -> None:
    """Hazard: a form that nobody filled in becomes "not at all" to every question."""
    for code, way in (("phq-9", Way.READ_OUT), ("ptq", Way.PAPER), ("c-ssrs", Way.RATED), ("pcl-5", Way.PAPER_TOTAL)):
        page = theo.get(address(cast, code, way)).content.decode()
        assert " checked>" not in page
        assert 'value="2027' not in page
        refused = theo.post(address(cast, code, way), typed())
        assert refused.status_code == 422
    said = theo.post(address(cast, "phq-9", Way.READ_OUT), typed()).content.decode()
    assert said.count("Choose an answer, or that there is none.") == 20, "each of ten, beside it and in the summary"
    assert not AssessmentResponse.objects.exists()


def test_what_was_typed_is_kept(cast: Cast, theo: Client) -> None:
    page = theo.post(address(cast, "phq-9", Way.PAPER), typed(day="2027-01-11", item_q3="2", item_q4="blank"))
    assert page.status_code == 422
    said = page.content.decode()
    assert 'value="2027-01-11"' in said
    assert said.count(" checked>") == 2


def test_a_blank_is_a_choice_and_stays_a_blank(cast: Cast, theo: Client) -> None:
    """Hazard: a question left out is stored as no, or as nothing that anybody asks about."""
    answers = {**ALL_ZERO, "item_q2": "blank", "item_q9": "blank"}
    assert theo.post(address(cast, "phq-9", Way.READ_OUT), typed(**answers)).status_code == 302
    assert the_response().answers == {item.id: 0 for item in PHQ.items if item.id not in {"q2", "q9"}}
    score = Score.objects.get()
    assert (score.total, score.reason) == (None, "never_imputed")
    assert RiskAlert.objects.get().tier == "yellow"


def test_a_question_that_was_not_asked_needs_no_answer(cast: Cast, theo: Client) -> None:
    sheet = {f"item_{item}": "0" for item in ("q1", "q2", "q6")}
    assert theo.post(address(cast, "c-ssrs", Way.RATED), rated(cast, **sheet)).status_code == 302
    assert Score.objects.get().category == "none"
    missing = theo.post(address(cast, "c-ssrs", Way.RATED), rated(cast, **{**sheet, "item_q2": "1"}))
    assert missing.status_code == 422, "3 to 5 are asked after a yes to 2"
    assert missing.content.decode().count("Choose an answer, or that there is none.") == 6


# What is stored.


def test_read_out(cast: Cast, theo: Client) -> None:
    page = theo.get(address(cast, "phq-9", Way.READ_OUT)).content.decode()
    assert "Little interest or pleasure in doing things" in page
    theo.post(address(cast, "phq-9", Way.READ_OUT), typed(**{**ALL_ZERO, "item_q1": "3"}))
    row = the_response()
    assert (row.mode, row.entered, row.answered_at, row.entered_by, row.rater) == (
        "on_behalf", "answers", NOON, cast.theo, None,
    )  # fmt: skip
    assert Score.objects.get(response=row).total == 3
    assert AuditEvent.objects.filter(verb="answers.entered", actor_id=cast.theo.pk, patient_id=cast.pat.pk).exists()


def test_rated_with_its_rater_and_hour(cast: Cast, theo: Client) -> None:
    madrs = definitions.current("madrs")
    page = theo.get(address(cast, "madrs", Way.RATED)).content.decode()
    assert "The wording is kept by its licence." in page
    sheet = {f"item_{item.id}": "2" for item in madrs.items}
    theo.post(address(cast, "madrs", Way.RATED), rated(cast, **{**sheet, f"item_{madrs.items[-1].id}": "0"}))
    row = the_response()
    assert (row.mode, row.entered, row.rater, row.entered_by) == ("clinician", "paper_items", cast.nina, cast.theo)
    assert row.answered_at == datetime(2027, 1, 13, 15, 30, tzinfo=UTC), "half past eight in Denver"
    assert Score.objects.get().total == 18


def test_from_paper_with_the_date_on_the_sheet(cast: Cast, theo: Client) -> None:
    theo.post(address(cast, "phq-9", Way.PAPER), typed(day="2027-01-11", **ALL_ZERO))
    row = the_response()
    assert (row.mode, row.entered) == ("paper", "paper_items")
    assert row.answered_at == datetime(2027, 1, 11, 19, 0, tzinfo=UTC), "noon in Denver stands for the day"
    page = theo.get(reverse("assessments:response", args=[row.pk])).content.decode()
    assert "Mon 11 Jan 2027" in page
    assert "11 Jan 2027 12:00" not in page, "nobody knows the hour"


def test_a_total_says_nothing_of_its_safety_question(cast: Cast, theo: Client) -> None:
    """Hazard: the total of a sheet hides a yes to the question about death."""
    theo.post(address(cast, "phq-9", Way.PAPER_TOTAL), typed(day="2027-01-11", part_total="14"))
    row = the_response()
    assert (row.entered, row.answers) == ("paper_total", {"total": 14, "parts": {}})
    assert (Score.objects.get().total, Score.objects.get().band) == (14, "moderate")
    alert = RiskAlert.objects.get()
    assert (alert.tier, alert.response_id) == ("yellow", row.pk)
    page = theo.get(reverse("assessments:response", args=[row.pk])).content.decode()
    assert "Question 9 left out" in page
    assert "Nothing is known of the single answers." in page


def test_a_total_that_is_not_the_plain_sum_says_so(cast: Cast, theo: Client) -> None:
    """Twelve of 25 is 48 of 100; as it stands on the sheet it would pass for 12 of 100."""
    body = theo.get(address(cast, "who-5", Way.PAPER_TOTAL)).content.decode()
    assert "From 0 to 100: the plain sum of the answers (at most 25) times 4." in body


def test_an_alert_from_paper_says_of_which_day_the_sheet_is(cast: Cast, theo: Client) -> None:
    """Whoever calls speaks of Monday's sheet, and not of an answer that was given a minute ago."""
    theo.post(address(cast, "phq-9", Way.PAPER_TOTAL), typed(day="2027-01-11", part_total="14"))
    page = theo.get(reverse("assessments:alert", args=[RiskAlert.objects.get().pk])).content.decode()
    assert "from paper, of Mon 11 Jan 2027" in page
    assert "alert raised Wed 13 Jan 2027" in page


def test_an_impossible_total_is_refused_beside_its_field(cast: Cast, theo: Client) -> None:
    for code, values, sentence in [
        ("phq-9", {}, "Enter the total, or the totals of its parts."),
        ("phq-9", {"part_total": "28"}, "This can be 27 at most."),
        ("phq-9", {"part_total": "-1"}, "This has to be 0 at least."),
        ("phq-9", {"part_total": "1.5"}, "Write a whole number."),
        ("who-5", {"part_total": "50"}, "This must be a multiple of 4."),
        ("ptq", {"part_total": "60", "part_core": "3"}, "does not fit a total of 60"),
    ]:
        first_part = next((part.id for part in definitions.current(code).subscales), "")
        values = {name.replace("part_core", f"part_{first_part}"): value for name, value in values.items()}
        response = theo.post(address(cast, code, Way.PAPER_TOTAL), typed(day="2027-01-11", **values))
        assert response.status_code == 422
        assert sentence in response.content.decode()
        assert not AssessmentResponse.objects.exists()


def test_an_impossible_date_is_refused(cast: Cast, theo: Client) -> None:
    for day, sentence in [
        ("", "Enter the day."),
        ("2027-01-14", "This day is still to come."),
        ("1984-05-16", "That day is before the patient was born."),
        ("11.1.2027", "Write a day like 2027-01-31."),
        ("0001-01-01", "That day is before the patient was born."),
    ]:
        response = theo.post(address(cast, "phq-9", Way.PAPER), typed(day=day, **ALL_ZERO))
        assert response.status_code == 422
        assert sentence in response.content.decode()
        assert not AssessmentResponse.objects.exists()


def test_an_answer_that_is_not_offered_is_refused(cast: Cast, theo: Client) -> None:
    for value in ["4", "-1", "x", "", "None", "\x00"]:
        sent = typed(**{**ALL_ZERO, "item_q1": value})
        assert theo.post(address(cast, "phq-9", Way.READ_OUT), sent).status_code == 422
        assert not AssessmentResponse.objects.exists()


# Who rates.


def test_only_who_treats_here_can_have_rated(cast: Cast, theo: Client) -> None:
    """Hazard: a C-SSRS in the name of somebody who was never trained to ask it."""
    sheet = {f"item_{item}": "0" for item in ("q1", "q2", "q6")}
    for stranger in (cast.frida, cast.milo, cast.ada, cast.omar, cast.iris, cast.pat_user):
        sent = {**rated(cast, **sheet), "rater": str(stranger.pk)}
        assert theo.post(address(cast, "c-ssrs", Way.RATED), sent).status_code == 422
        with pytest.raises(entries.NotARater):
            entries.enter(
                by=cast.theo, patient=cast.pat, definition=definitions.current("c-ssrs"), way=Way.RATED,
                given=Given(items={"q1": 0}), submission_key=new_id(), held=(), answered_at=NOON, rater=stranger, now=NOON,
            )  # fmt: skip
    assert not AssessmentResponse.objects.exists()
    assert {Role.NURSE, Role.THERAPIST, Role.PRESCRIBER} == entries.RATERS


def test_a_rating_without_its_rater_is_refused(cast: Cast, theo: Client) -> None:
    sent = {**rated(cast, item_q1="0", item_q2="0", item_q6="0"), "rater": ""}
    assert theo.post(address(cast, "c-ssrs", Way.RATED), sent).status_code == 422
    with pytest.raises(responses.RaterNeeded):
        entries.enter(
            by=cast.theo, patient=cast.pat, definition=definitions.current("madrs"), way=Way.RATED, given=Given(items={}),
            submission_key=new_id(), held=(), answered_at=NOON, now=NOON,
        )  # fmt: skip


# Alarms.


def test_an_alarming_answer_alarms_whoever_enters_it_and_the_page_says_so(cast: Cast, theo: Client) -> None:
    """Hazard: an answer given to a clinician alarms nobody because a clinician heard it."""
    response = theo.post(address(cast, "phq-9", Way.READ_OUT), typed(**{**ALL_ZERO, "item_q9": "3"}), follow=True)
    alert = RiskAlert.objects.get()
    assert (alert.tier, alert.response_id) == ("red", the_response().pk)
    page = response.content.decode()
    assert "These answers raised an alert (red)." in page
    assert "Question 9: 3" in page


def test_the_alarm_is_in_the_transaction_of_the_answer(cast: Cast) -> None:
    with (
        mock.patch("assessments.actions.responses.audit.record", side_effect=RuntimeError),
        pytest.raises(RuntimeError),
    ):
        entries.enter(
            by=cast.theo, patient=cast.pat, definition=PHQ, way=Way.READ_OUT, given=Given(items={"q9": 3}),
            submission_key=new_id(), held=(), answered_at=NOON, now=NOON,
        )  # fmt: skip
    assert not AssessmentResponse.objects.exists()
    assert not RiskAlert.objects.exists()


# Requests, twice, and wrong people.


def test_an_open_request_is_settled_by_what_was_answered_since_it_opened(cast: Cast, theo: Client) -> None:
    """Hazard: a sheet of last month takes away the question of today."""
    request = make.make_request(cast.pat, "phq-9")
    theo.post(address(cast, "phq-9", Way.PAPER), typed(day="2026-12-13", **ALL_ZERO))
    request.refresh_from_db()
    assert (request.status, the_response().request_id) == ("open", None)
    theo.post(address(cast, "phq-9", Way.PAPER), typed(day="2027-01-13", **ALL_ZERO))
    request.refresh_from_db()
    assert request.status == AssessmentRequest.Status.DONE
    assert AssessmentResponse.objects.filter(request=request).count() == 1


def test_sent_twice_is_on_record_once(cast: Cast, theo: Client) -> None:
    make.make_request(cast.pat, "phq-9")
    sent = typed(**ALL_ZERO)
    for _ in range(2):
        assert theo.post(address(cast, "phq-9", Way.READ_OUT), sent).status_code == 302
    assert AssessmentResponse.objects.count() == 1


def test_the_key_of_another_patients_form_is_refused(cast: Cast, theo: Client) -> None:
    make.make_care_team_member(cast.quinn, cast.theo)
    sent = typed(**ALL_ZERO)
    theo.post(address(cast, "phq-9", Way.READ_OUT), sent)
    other = reverse("assessments:enter_questionnaire", args=[cast.quinn.pk]) + "?instrument=phq-9&how=read_out"
    assert theo.post(other, sent).status_code == 422
    assert AssessmentResponse.objects.count() == 1


def test_whoever_does_not_treat_the_patient_enters_nothing(cast: Cast, signed_in: SignedIn) -> None:
    for who, status in [
        ("frida", 403),
        ("milo", 403),
        ("ada", 403),
        ("petra", 403),
        ("tess", 404),
        ("nils", 404),
        ("omar", 404),
        ("olga", 403),
    ]:
        client = signed_in(getattr(cast, who))
        assert client.post(address(cast, "phq-9", Way.READ_OUT), typed(**ALL_ZERO)).status_code == status
        assert not AssessmentResponse.objects.exists()


def test_wording_on_file_is_read_from_the_page_until_its_last_day(cast: Cast, theo: Client) -> None:
    """Hazard: wording whose permission is over stays on the screen."""
    make.make_wording(cast.ada, "ptq", ends_on=date(2027, 1, 13))
    page = theo.get(address(cast, "ptq", Way.READ_OUT)).content.decode()
    assert "Words of 15" in page
    assert "Label 4" in page
    assert entries.ways(definitions.current("ptq"), (), NOON.date()) == (Way.PAPER, Way.PAPER_TOTAL)
    InstrumentWording.objects.update(ends_on=date(2027, 1, 12))
    assert "Words of" not in theo.get(address(cast, "ptq", Way.READ_OUT)).content.decode()


def test_fixed_questions_to_the_database(cast: Cast, theo: Client, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(30):
        theo.get(address(cast, "phq-9", Way.READ_OUT))
