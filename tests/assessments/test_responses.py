"""Handing in: stored, scored, heard and screened in one transaction, once, and whatever breaks behind it."""

import threading
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assessments import definitions, safety, scoring
from assessments.actions import alerts, flags, requests
from assessments.actions import responses as actions
from assessments.models import AssessmentRequest, AssessmentResponse, RiskAlert, Score
from clinic import subjects
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import AuditEvent, OutboundMessage, Role, WorkItem
from tests import factories as make
from tests.cast import Cast, make_cast

Mode, Entered = AssessmentResponse.Mode, AssessmentResponse.Entered
CALM = {f"q{n}": 1 for n in range(1, 9)} | {"q9": 0, "difficulty": 1}


def hand_in(cast: Cast, now: datetime, answers: dict[str, Any] | None = None, code: str = "phq-9", **given: Any) -> Any:
    wanted = {
        "by": cast.pat_user, "patient": cast.pat, "definition": definitions.current(code), "mode": Mode.PORTAL,
        "answers": CALM if answers is None else answers, "submission_key": uuid.uuid4(), "answered_at": now, "now": now,
    }  # fmt: skip
    return actions.hand_in(**{**wanted, **given})


def boom(**_given: Any) -> None:
    raise RuntimeError("Pat wrote: I cannot go on")


class TestHandIn:
    def test_answers_score_and_request_are_stored_together(self, cast: Cast, now: datetime) -> None:
        asked = make.make_request(cast.pat, status="in_progress", begun_at=now, draft=CALM, revision=9, version=1)
        response = hand_in(cast, now, request=asked, revision=9, begun_at=now)
        score, asked = Score.objects.get(response=response), type(asked).objects.get()
        assert response.answers == CALM
        assert response.checksum == definitions.current("phq-9").checksum
        assert (score.total, score.band, score.is_complete, score.failure) == (8, "mild", True, "")
        assert score.data["total"] == 8
        assert (asked.status, asked.settled_at) == ("done", now)
        event = AuditEvent.objects.get(verb="answers.handed_in")
        assert (event.patient_id, event.details) == (cast.pat.pk, {"code": "phq-9", "version": 1, "mode": "portal"})
        assert not RiskAlert.objects.exists()
        assert not WorkItem.objects.exists()

    @pytest.mark.parametrize(
        ("answers", "tier"),
        [
            ({**CALM, "q9": 3}, "red"),
            ({**CALM, "q9": 2}, "orange"),
            ({item: value for item, value in CALM.items() if item != "q9"}, "yellow"),
        ],
        ids=["red", "orange", "blank"],
    )
    def test_an_alarming_answer_has_its_alert(self, cast: Cast, now: datetime, answers: Any, tier: str) -> None:
        response = hand_in(cast, now, answers)
        assert RiskAlert.objects.get().tier == tier
        assert RiskAlert.objects.get().response_id == response.pk
        assert ("q9" in answers) == (Score.objects.get().total is not None), "item 9 is never imputed"

    def test_the_same_key_is_the_first(self, cast: Cast, now: datetime) -> None:
        key = uuid.uuid4()
        first = hand_in(cast, now, {**CALM, "q9": 2}, submission_key=key)
        again = hand_in(cast, now + timedelta(hours=1), CALM, submission_key=key)
        assert again == first
        assert again.answers["q9"] == 2
        assert RiskAlert.objects.count() == 1
        with pytest.raises(actions.TwiceAtOnce):
            hand_in(cast, now, patient=cast.quinn, by=cast.quinn_user, submission_key=key)
        # The key of what a patient will hand in is known to whoever sees what is asked of them: nothing is put in its place.
        asked = make.make_request(cast.pat, "gad-7")
        other = make.make_request(cast.pat)
        for request in (None, other):
            with pytest.raises(actions.TwiceAtOnce):
                hand_in(cast, now, by=cast.theo, mode=Mode.ON_BEHALF, request=request, submission_key=asked.pk)

    def test_words_of_danger_are_read_by_a_person(self, cast: Cast, now: datetime) -> None:
        no = {"q1": 0, "q2": 0, "q3": 0}
        hand_in(cast, now, {**no, "q4": 1, "q4_how": "pills, at school"}, code="asq")
        assert not WorkItem.objects.filter(kind="crisis_words").exists()
        hand_in(cast, now, {**no, "q4": 1, "q4_how": "I will end my life tonight"}, code="asq")
        assert WorkItem.objects.filter(kind="crisis_words").count() == 4, "the desk, and the care team in person"
        assert OutboundMessage.objects.filter(kind="read_now").count() == 3

    def test_a_call_that_is_wanted_is_made(self, cast: Cast, now: datetime) -> None:
        hand_in(cast, now, {"feeling": 0, "call": 1}, code="after-dose")
        item = WorkItem.objects.get(kind="call_patient")
        assert (item.owner_role, item.due_at) == ("nurse", now + timedelta(hours=4))
        labels = [subjects.labels(who, [item], now)[item.subject_id] for who in (cast.nina, cast.frida)]
        assert [("/responses/" in label.url, label.name) for label in labels] == [
            (True, "Pat Moreau"),
            (False, "Pat Moreau"),
        ]
        assert not subjects.labels(cast.olga, [item], now), "another place's"
        hand_in(cast, now, {"feeling": 0, "call": 0, "company": 1}, code="after-dose", patient=cast.quinn)
        assert WorkItem.objects.filter(kind="call_patient").count() == 1

    def test_a_call_that_the_desk_owes_already_does_not_stand_for_it(self, cast: Cast, now: datetime) -> None:
        """Hazard: somebody feels bad after a dose, and is called the day after tomorrow about their address."""
        worklist.open_item(
            by=cast.frida, kind=WorkItem.Kind.CALL_PATIENT, location=cast.denver, owner_role=Role.FRONT_DESK,
            subject_type="patient", subject_id=cast.pat.pk, patient_id=cast.pat.pk, due_at=now + timedelta(days=2), now=now,
        )  # fmt: skip
        hand_in(cast, now, {"feeling": 3, "call": 1}, code="after-dose")
        item = WorkItem.objects.get(kind="call_patient", owner_role="nurse")
        assert item.due_at == now + timedelta(hours=4)


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"answers": {"q9": 7}}, "not one of the answers offered"),
            ({"answers": {"q99": 1}}, "not one of the answers offered"),
            ({"answers": {"q9": True}}, "not one of the answers offered"),
            ({"code": "c-ssrs", "answers": {}}, "not for answering here"),
            ({"code": "c-ssrs", "answers": {}, "mode": Mode.LINK}, "not for answering here"),
            ({"code": "ptq", "answers": {}, "mode": Mode.KIOSK}, "not for answering here"),
            ({"code": "ptq", "answers": {}, "mode": Mode.ON_BEHALF}, "Enter its scores"),
            ({"entered": Entered.PAPER_ITEMS}, "Enter its scores"),
            ({"mode": Mode.CLINICIAN}, "may not be answered in this way"),
            ({"code": "madrs", "answers": {}, "mode": Mode.CLINICIAN, "entered": Entered.PAPER_ITEMS}, "who rated"),
            ({"answered_at": make.NOON + timedelta(seconds=1)}, "later than now"),
            (
                {"mode": Mode.PAPER, "entered": Entered.PAPER_TOTAL, "answers": {"total": 28}},
                "not one of the answers offered",
            ),
        ],
        ids=str,
    )
    def test_it_refuses_and_keeps_nothing(
        self, cast: Cast, now: datetime, given: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(Refused, match=sentence):
            hand_in(cast, now, **given)
        assert not AssessmentResponse.objects.exists()

    def test_a_request_is_its_patients_and_taken_once(self, cast: Cast, now: datetime) -> None:
        asked = make.make_request(cast.pat, revision=3)
        for given, refusal in (
            ({"patient": cast.quinn}, actions.WrongQuestionnaire),
            ({"code": "gad-7", "answers": {}}, actions.WrongQuestionnaire),
            ({"revision": 2}, requests.ChangedElsewhere),
        ):
            with pytest.raises(refusal):
                hand_in(cast, now, request=asked, **given)
        with CaptureQueriesContext(connection) as captured:
            hand_in(cast, now, request=asked, revision=3)
        held = [str(one["sql"]).split(" FOR NO KEY UPDATE ")[1] for one in captured if "NO KEY UPDATE" in one["sql"]]
        assert held == ['OF "patients_patient", "assessments_assessmentrequest"'], "the patient first, and each once"
        for mode in (Mode.PORTAL, Mode.PAPER):
            with pytest.raises(requests.AlreadyDone):
                hand_in(cast, now, request=asked, mode=mode, by=cast.theo)

    def test_paper_may_come_after_the_time_is_over_and_not_after_it_was_taken_back(
        self, cast: Cast, now: datetime
    ) -> None:
        late = make.make_request(cast.pat, expires_at=now - timedelta(seconds=1), due_at=now - timedelta(minutes=1))
        with pytest.raises(requests.NoLongerAsked):
            hand_in(cast, now, request=late)
        assert hand_in(cast, now, request=late, mode=Mode.PAPER, by=cast.theo).request_id == late.pk
        gone = make.make_request(cast.pat, status="cancelled", settled_at=now)
        with pytest.raises(requests.NoLongerAsked):
            hand_in(cast, now, request=gone, mode=Mode.PAPER, by=cast.theo)


class TestByClinicians:
    def test_scores_from_paper_and_a_rating(self, cast: Cast, now: datetime) -> None:
        paper: dict[str, Any] = {"mode": Mode.PAPER, "by": cast.theo, "answered_at": now - timedelta(days=1)}
        total = hand_in(cast, now, {"total": 14}, entered=Entered.PAPER_TOTAL, **paper)
        assert Score.objects.get(response=total).total == 14
        assert RiskAlert.objects.get(response=total).tier == "yellow", "a total says nothing of item 9"
        rated = hand_in(
            cast, now, {"q1": 2}, code="madrs", mode=Mode.CLINICIAN, rater=cast.dana, by=cast.theo,
            entered=Entered.PAPER_ITEMS,
        )  # fmt: skip
        assert (rated.rater, rated.entered_by) == (cast.dana, cast.theo)
        assert AuditEvent.objects.filter(verb="answers.entered").count() == 2

    def test_a_correction_supersedes_once_and_says_why(self, cast: Cast, now: datetime) -> None:
        first = hand_in(cast, now, {**CALM, "q9": 1})
        fix: dict[str, Any] = {"mode": Mode.PAPER, "by": cast.theo, "corrects": first}
        with pytest.raises(actions.ReasonNeeded):
            hand_in(cast, now, **fix, correction_reason=" ")
        with pytest.raises(actions.WrongQuestionnaire):
            hand_in(cast, now, {}, code="gad-7", **fix, correction_reason="typed wrongly")
        second = hand_in(cast, now, **fix, correction_reason="typed wrongly")
        assert list(AssessmentResponse.objects.standing()) == [second]
        with pytest.raises(actions.CorrectedAlready):
            hand_in(cast, now, **fix, correction_reason="typed wrongly")
        gone = hand_in(
            cast, now, {}, **{**fix, "corrects": second}, correction_reason="another patient's", is_retraction=True
        )
        assert not AssessmentResponse.objects.standing().exists()
        assert not Score.objects.filter(response=gone).exists()
        assert AuditEvent.objects.filter(verb="answers.corrected").count() == 2


class TestWhateverBreaks:
    """docs/hazards.md: nothing that fails behind an answer may lose the answer or its alarm."""

    def test_scorer_fails(self, cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scoring, "score", boom)
        response = hand_in(cast, now)
        score = Score.objects.get(response=response)
        assert (score.total, score.failure) == (None, "TypeError")
        assert RiskAlert.objects.get().tier == "orange"
        assert RiskAlert.objects.get().signals[0]["trigger"] == safety.SCORING_FAILED
        assert WorkItem.objects.get(kind="scoring_failed").owner_role == "manager"
        assert AuditEvent.objects.get(verb="answers.handed_in").details["scoring"] == "failed"

    def test_alert_fails(
        self, cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(alerts, "raise_from", boom)
        make.make_duty(cast.denver, cast.tess, "first", now - timedelta(hours=1), 24)
        response = hand_in(cast, now, {**CALM, "q9": 3})
        assert response.answers["q9"] == 3
        owners = set(WorkItem.objects.filter(kind="crisis_words").values_list("owner__name", flat=True))
        assert owners == {None, "Theo Thorne", "Dana Deng", "Nina Novak", "Tess Tanaka"}, "the team, and who is on call"
        assert OutboundMessage.objects.filter(kind="read_now").count() == 4, "and they are paged"
        assert WorkItem.objects.filter(kind="scoring_failed").exists()
        assert "cannot go on" not in capsys.readouterr().out

    @pytest.mark.parametrize("error", [RuntimeError, Refused("No limit.")])
    def test_screening_fails(
        self, cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch, error: type[Exception] | Exception
    ) -> None:
        def fail(**_given: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            raise error

        monkeypatch.setattr(flags, "rescreen_within", fail)
        hand_in(cast, now, {**CALM, "q9": 3})
        assert RiskAlert.objects.get().tier == "red"
        assert WorkItem.objects.filter(kind="scoring_failed", patient_id=cast.pat.pk).exists()

    def test_what_could_not_be_handed_in_is_looked_at(self, cast: Cast, now: datetime) -> None:
        definition = definitions.current("phq-9")
        actions.report_failure(patient=cast.quinn, definition=definition, answers=CALM, now=now)
        assert set(WorkItem.objects.values_list("kind", flat=True)) == {"scoring_failed"}
        actions.report_failure(patient=cast.pat, definition=definition, answers={**CALM, "q9": 2}, now=now)
        assert WorkItem.objects.filter(kind="crisis_words", patient_id=cast.pat.pk).count() == 4


@pytest.mark.django_db(transaction=True)
def test_twenty_taps_at_once_are_one_answer() -> None:
    cast, now, seen, errors = make_cast(), make.NOON, set(), []
    own, other = make.make_request(cast.pat), make.make_request(cast.pat)

    def tap(asked: AssessmentRequest, key: uuid.UUID) -> None:
        try:
            seen.add(hand_in(cast, now, {**CALM, "q9": 2}, submission_key=key, request=asked).pk)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    # As the page sends it, by the request's own key, and as somebody else may, by one of their own.
    ways = ((own, own.pk), (other, uuid.uuid4()))
    threads = [threading.Thread(target=tap, args=ways[number % 2]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(seen) == AssessmentResponse.objects.count() == Score.objects.count() == RiskAlert.objects.count() == 2
