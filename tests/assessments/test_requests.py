"""What a patient is asked, what is kept of it before it is handed in, and when it is no longer asked."""

import functools
from datetime import datetime, timedelta
from typing import Any

import pytest

from assessments.actions import requests as actions
from assessments.merging import Window
from assessments.models import AssessmentRequest, AssessmentResponse
from clinic.errors import Refused
from clinic.models import AuditEvent, WorkItem
from patients.models import LifeState
from tests import factories as make
from tests.cast import Cast

DAY = timedelta(days=1)


def ask(cast: Cast, now: datetime, **given: Any) -> AssessmentRequest:
    wanted = {"code": "phq-9", "opens_at": now, "due_at": now + DAY, "expires_at": now + 7 * DAY, **given}
    return actions.ask(by=cast.theo, patient=given.pop("patient", cast.pat), now=now, **{**wanted, **given})


class TestAsk:
    def test_it_is_asked_once_and_audited_without_words(self, cast: Cast, now: datetime) -> None:
        asked = ask(cast, now)
        assert (asked.status, asked.version, asked.draft) == ("open", None, {})
        event = AuditEvent.objects.get(verb="questionnaire.asked")
        assert (event.patient_id, event.details) == (cast.pat.pk, {"code": "phq-9"})
        with pytest.raises(actions.AskedAlready, match="has not answered yet"):
            ask(cast, now)
        assert ask(cast, now, code="gad-7").code == "gad-7"

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"code": "phq-99"}, "no such questionnaire"),
            ({"due_at": make.NOON - DAY}, "in that order"),
            ({"expires_at": make.NOON}, "in that order"),
        ],
    )
    def test_it_refuses(self, cast: Cast, now: datetime, given: dict[str, Any], sentence: str) -> None:
        with pytest.raises(Refused, match=sentence):
            ask(cast, now, **given)

    @pytest.mark.parametrize("state", [LifeState.DISCHARGED, LifeState.DECEASED])
    def test_nobody_is_asked_who_left(self, cast: Cast, now: datetime, state: LifeState) -> None:
        patient = make.make_patient(cast.denver, life_state=state)
        with pytest.raises(actions.NotInCare):
            actions.ask(by=cast.theo, patient=patient, code="phq-9", opens_at=now, due_at=now, expires_at=now, now=now)


class TestDraft:
    def test_each_change_is_kept_and_the_first_fixes_the_version(self, cast: Cast, now: datetime) -> None:
        asked = make.make_request(cast.pat)
        saved = actions.save_draft(by=cast.pat_user, request=asked, answers={"q1": 2}, position="q2", now=now).request
        assert (saved.status, saved.version, saved.language, saved.begun_at) == ("in_progress", 1, "en", now)
        assert (saved.draft, saved.position, saved.revision) == ({"q1": 2}, "q2", 1)
        saved = actions.save_draft(by=cast.pat_user, request=asked, answers={"q1": None, "q2": 0}, now=now).request
        assert (saved.draft, saved.position, saved.revision) == ({"q2": 0}, "q2", 2)
        assert not AssessmentResponse.objects.exists()

    def test_two_windows_do_not_overwrite_each_other(self, cast: Cast, now: datetime) -> None:
        asked = make.make_request(cast.pat, draft={"q1": 1, "q2": 1}, status="in_progress", begun_at=now, revision=4)
        save = functools.partial(actions.save_draft, by=cast.pat_user, request=asked, now=now)
        save(answers={"q1": 3}, seen={"q1": 1})
        second = save(answers={"q1": 0, "q2": 2}, seen={"q1": 1, "q2": 1})
        assert second.differing == ("q1",)
        assert second.request.draft == {"q1": 3, "q2": 2}, "the newer answer stays, the other item is kept"
        again = save(answers={"q1": 3}, seen={"q1": 1})
        assert again.differing == (), "the same answer twice is no quarrel"
        assert again.request.revision == 6

    def test_a_window_may_change_what_it_never_heard_back_about(self, cast: Cast, now: datetime) -> None:
        asked = make.make_request(cast.pat)
        save = functools.partial(actions.save_draft, by=cast.pat_user, request=asked, seen={"q9": None}, now=now)
        save(answers={"q9": 0}, window=Window("phone", 1))
        own = save(answers={"q9": 2}, window=Window("phone", 2))
        assert (own.differing, own.request.draft) == ((), {"q9": 2})
        assert save(answers={"q9": 0}, window=Window("laptop", 1)).differing == ("q9",)
        nameless = save(answers={"q9": 1}, window=Window.read(".5"))
        assert nameless.differing == ("q9",), "a window that does not say who it is is another one"

    def test_a_letter_that_was_overtaken_takes_nothing_back(self, cast: Cast, now: datetime) -> None:
        asked = make.make_request(cast.pat)
        save = functools.partial(actions.save_draft, by=cast.pat_user, request=asked, now=now)
        save(answers={"q9": 2}, seen={"q9": None}, window=Window("phone", 1))
        save(answers={"q9": 2}, seen={"q9": 2}, window=Window("phone", 3))
        late = save(answers={"q9": 0}, seen={"q9": 2}, window=Window("phone", 2))
        assert (late.differing, late.request.draft, late.request.revision) == ((), {"q9": 2}, 1)

    @pytest.mark.parametrize(
        "answers", [{"q1": 4}, {"q1": "2"}, {"q1": True}, {"q77": 1}, {"q77": None}, {"q1": [1]}], ids=str
    )
    def test_what_is_not_offered_is_refused_and_the_rest_stays(
        self, cast: Cast, now: datetime, answers: dict[str, Any]
    ) -> None:
        asked = make.make_request(cast.pat, draft={"q1": 1})
        with pytest.raises(actions.NoSuchAnswer):
            actions.save_draft(by=cast.pat_user, request=asked, answers=answers, now=now)
        asked.refresh_from_db()
        assert asked.draft == {"q1": 1}

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"status": "done", "settled_at": make.NOON}, "handed in already"),
            ({"status": "cancelled", "settled_at": make.NOON}, "no longer open"),
            ({"opens_at": make.NOON + timedelta(minutes=1)}, "not open yet"),
            ({"due_at": make.NOON - DAY, "opens_at": make.NOON - 2 * DAY, "expires_at": make.NOON - DAY}, "no longer"),
            ({"code": "c-ssrs"}, "not for answering here"),
            ({"code": "ptq"}, "not for answering here"),
        ],
        ids=["done", "cancelled", "early", "over", "clinician's", "licence"],
    )
    def test_it_refuses(self, cast: Cast, now: datetime, fields: dict[str, Any], sentence: str) -> None:
        asked = make.make_request(cast.pat, **fields)
        with pytest.raises(Refused, match=sentence):
            actions.save_draft(by=cast.pat_user, request=asked, answers={}, now=now)

    def test_whoever_began_in_time_may_finish(self, cast: Cast, now: datetime) -> None:
        times: dict[str, Any] = {"opens_at": now - DAY, "due_at": now - DAY, "expires_at": now - timedelta(minutes=59)}
        begun = make.make_request(cast.pat, status="in_progress", begun_at=now - timedelta(hours=2), **times)
        assert actions.save_draft(by=cast.pat_user, request=begun, answers={"q1": 0}, now=now).request.draft == {
            "q1": 0
        }
        with pytest.raises(actions.NoLongerAsked):
            actions.save_draft(by=cast.pat_user, request=begun, answers={"q1": 1}, now=now + timedelta(minutes=2))


class TestEnds:
    def test_it_is_taken_back_once(self, cast: Cast, now: datetime) -> None:
        asked = make.make_request(cast.pat, draft={"q1": 3})
        taken = actions.cancel(by=cast.theo, request=asked, now=now)
        assert (taken.status, taken.settled_at, taken.draft) == ("cancelled", now, {"q1": 3})
        with pytest.raises(actions.NoLongerAsked):
            actions.cancel(by=cast.theo, request=asked, now=now)
        done = make.make_request(cast.pat, status="done", settled_at=now)
        with pytest.raises(actions.AlreadyDone):
            actions.cancel(by=cast.theo, request=done, now=now)

    def test_what_ran_out_is_closed_and_the_desk_asked_once_a_patient(self, cast: Cast, now: datetime) -> None:
        times = {"opens_at": now - 3 * DAY, "due_at": now - 2 * DAY, "expires_at": now - DAY}
        for code in ("phq-9", "gad-7"):
            make.make_request(cast.pat, code, **times)
        late = make.make_request(cast.quinn, "phq-9", status="in_progress", begun_at=now - 2 * DAY,
                                 **{**times, "expires_at": now - timedelta(minutes=10)})  # fmt: skip
        stands = make.make_request(cast.quinn, "gad-7")
        assert actions.expire_due(now=now) == 2
        assert actions.expire_due(now=now) == 0
        assert set(AssessmentRequest.objects.open()) == {late, stands}, "who is answering is left to finish"
        item = WorkItem.objects.get(kind="unanswered")
        assert (item.patient_id, item.owner_role, item.subject_type) == (cast.pat.pk, "front_desk", "patient")
        assert AuditEvent.objects.filter(verb="questionnaire.expired", actor_id=cast.sam.pk).count() == 2
