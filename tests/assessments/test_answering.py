"""Answering on the portal: one question a page, nothing lost, nothing handed in unseen, and the numbers to call always there."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from assessments import definitions
from assessments.actions import calling_help, requests, responses
from assessments.answersheet import Sheet
from assessments.models import AssessmentRequest, AssessmentResponse, RiskAlert
from clinic.models import WorkItem
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

PHQ = definitions.current("phq-9")


def url(asked: AssessmentRequest, **query: str) -> str:
    path = reverse("assessments:answer_questionnaire", args=[asked.pk])
    return path + ("?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else "")


def field(response: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', response.content.decode())
    assert found, name
    return found.group(1).replace("&quot;", '"')


def tap(client: Client, asked: AssessmentRequest, item: str, value: object, step: str = "forward") -> Any:
    page = client.get(url(asked, question=item))
    sent = {f"answer-{item}": value, "version": field(page, "version"), "next": step}
    return client.post(url(asked, question=item), sent)


def hand_in(client: Client, asked: AssessmentRequest, **more: str) -> Any:
    page = client.get(url(asked, show="check"))
    return client.post(url(asked), {"hand_in": "on", "revision": field(page, "revision"), **more})


@pytest.fixture
def asked(cast: Cast, now: datetime) -> AssessmentRequest:
    return make.make_request(cast.pat)


@pytest.fixture
def pat(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.pat_user)


def draft(asked: AssessmentRequest, **answers: Any) -> None:
    AssessmentRequest.objects.filter(pk=asked.pk).update(
        draft=answers, status="in_progress", begun_at=make.NOON, version=1, language="en", revision=9
    )


def all_of(q9: int) -> dict[str, int]:
    return {item.id: 1 for item in PHQ.items} | {"q9": q9}


class TestOneQuestionAPage:
    def test_from_the_first_page_to_the_last(self, pat: Client, asked: AssessmentRequest) -> None:
        begin = pat.get(url(asked)).content.decode()
        assert "About 3 minutes" in begin
        assert "last 2 weeks" in begin
        assert "Kroenke" in begin, "whose work it is"
        assert begin.index("988") < begin.index("Start"), "the numbers come before the first question"
        for item in PHQ.items:
            page = pat.get(url(asked, question=item.id)).content.decode()
            assert item.text.replace("'", "&#x27;") in page, "verbatim"
            assert "988" in page
            answer = tap(pat, asked, item.id, 1 if item.id != "q9" else 0)
            assert answer.status_code == 302
        assert answer.headers["Location"] == url(asked, show="check")
        assert AssessmentResponse.objects.count() == 0, "kept, and read by nobody"
        check = pat.get(url(asked, show="check")).content.decode()
        assert check.count(">Several days</strong>") == 8
        assert "You left" not in check
        done = hand_in(pat, asked)
        assert done.headers["Location"] == reverse("assessments:questionnaire_done", args=[asked.pk])
        thanks = pat.get(done.headers["Location"]).content.decode()
        assert "988" in thanks
        assert not re.search(r"\bmild\b|score|PHQ-9: 8", thanks), "no verdict"
        response = AssessmentResponse.objects.get()
        assert (response.mode, response.answers["q1"], response.request_id) == ("portal", 1, asked.pk)

    def test_it_goes_on_where_one_was(self, pat: Client, asked: AssessmentRequest) -> None:
        tap(pat, asked, "q1", 2)
        tap(pat, asked, "q2", 3)
        pat.get(url(asked, question="q3"))
        back = pat.get(url(asked)).content.decode()
        assert "Welcome back" in back
        assert "q2" in back
        first = pat.get(url(asked, question="q1")).content.decode()
        assert re.search(r'value="2" checked', first)

    def test_leaving_open_is_asked_about_once_and_allowed(self, pat: Client, asked: AssessmentRequest) -> None:
        tap(pat, asked, "q1", 1)
        assert tap(pat, asked, "q2", "", step="skip").headers["Location"] == url(asked, question="q3")
        check = pat.get(url(asked, show="check")).content.decode()
        assert "You left 9 questions open" in check
        assert "Feeling down, depressed, or hopeless" in check
        response = hand_in(pat, asked)
        assert response.status_code == 200, "item 9 left open is an unknown, and somebody calls"
        assert RiskAlert.objects.get().tier == "yellow"

    def test_skipping_takes_an_answer_back(self, pat: Client, asked: AssessmentRequest) -> None:
        draft(asked, q1=3)
        tap(pat, asked, "q1", 3, step="skip")
        asked.refresh_from_db()
        assert asked.draft == {}

    def test_all_on_one_page(self, pat: Client, asked: AssessmentRequest) -> None:
        page = pat.get(url(asked, show="all"))
        sent = {f"answer-{item}": value for item, value in all_of(0).items()} | {"version": field(page, "version")}
        assert pat.post(url(asked, show="all"), {**sent, "next": "check"}).headers["Location"] == url(
            asked, show="check"
        )
        asked.refresh_from_db()
        assert asked.draft == all_of(0)

    def test_htmx_keeps_every_change(self, pat: Client, asked: AssessmentRequest) -> None:
        page = pat.get(url(asked, question="q1"))
        sent = {"answer-q1": 2, "version": field(page, "version"), "next": "save"}
        kept = pat.post(url(asked, question="q1"), sent, headers={"HX-Request": "true"})
        assert kept.status_code == 200
        assert "Kept at 09:00" in kept.content.decode()
        assert json.loads(field(kept, "version")) == {"q1": 2}
        assert "<html" not in kept.content.decode()

    def test_a_change_that_cannot_be_kept_is_said_beside_the_form(self, pat: Client, asked: AssessmentRequest) -> None:
        """The page stays as it is: a whole page in the place of two lines would bury the question and the numbers."""
        page = pat.get(url(asked, question="q9"))
        sent = {"answer-q9": 2, "version": field(page, "version"), "next": "save"}
        by_itself = {"HX-Request": "true"}
        tap(pat, asked, "q9", 0)
        other = pat.post(url(asked, question="q9"), sent, headers=by_itself).content.decode()
        assert "answered this in another window" in other
        assert "Kept at" not in other
        assert "<html" not in other
        pressed = pat.post(url(asked, question="q9"), {**sent, "next": "forward"})
        assert pressed.status_code == 422, "the button asks as well, for the one beside it may not have been read"
        wrong = pat.post(url(asked, question="q9"), {**sent, "answer-q9": 7}, headers=by_itself)
        AssessmentRequest.objects.update(status="cancelled", settled_at=make.NOON)
        closed = pat.post(url(asked, question="q9"), sent, headers=by_itself)
        for refused in (wrong, closed):
            assert refused.status_code == 422
            assert refused.content.decode().strip().startswith('<div id="saved">')
            assert "That was not kept" in refused.content.decode()

    def test_branches_follow_what_was_answered(self, cast: Cast, pat: Client, now: datetime) -> None:
        asq = make.make_request(cast.pat, "asq")
        assert tap(pat, asq, "q4", 0).headers["Location"] == url(asq, show="check")
        assert tap(pat, asq, "q4", 1).headers["Location"] == url(asq, question="q4_how")
        draft(asq, q1=1, q2=0, q3=0, q4=0, q5=1)
        sheet = Sheet(definitions.current("asq"), definitions.wording(definitions.current("asq")), {"q1": 0, "q5": 1})
        assert "q5" not in sheet.given, "what is not asked any more is not handed in"
        assert "right now" in pat.get(url(asq, question="q5")).content.decode()

    @pytest.mark.parametrize("value", ["4", "-1", "x", "1.0", "9" * 400, "\x00", "²"])
    def test_what_is_not_offered_is_refused_in_words(self, pat: Client, asked: AssessmentRequest, value: str) -> None:
        draft(asked, q1=1)
        response = pat.post(url(asked, question="q1"), {"answer-q1": value, "version": '{"q1": 1}'})
        assert response.status_code == 422
        assert "not one of the answers offered" in response.content.decode()
        asked.refresh_from_db()
        assert asked.draft == {"q1": 1}

    @pytest.mark.parametrize("seen", ["", "{", "[]", "[" * 2000, '{"q1": {"a": 1}}', "null", "x" * 70_000])
    def test_a_made_up_version_breaks_nothing(self, pat: Client, asked: AssessmentRequest, seen: str) -> None:
        response = pat.post(url(asked, question="q1"), {"answer-q1": "1", "version": seen})
        assert response.status_code in {302, 422}


class TestTwoWindows:
    def test_the_second_is_told_and_the_newer_answer_stands(self, pat: Client, asked: AssessmentRequest) -> None:
        old = pat.get(url(asked, question="q1"))
        tap(pat, asked, "q1", 3)
        late = pat.post(url(asked, question="q1"), {"answer-q1": 0, "version": field(old, "version")})
        assert late.status_code == 422
        assert "answered this in another window" in late.content.decode()
        assert "Nearly every day" in late.content.decode()
        again = {"answer-q1": 0, "version": field(late, "version")}
        assert pat.post(url(asked, question="q1"), again).status_code == 302, "now they have seen it, and may change it"

    def test_one_window_is_not_taken_for_two(self, pat: Client, asked: AssessmentRequest) -> None:
        page = pat.get(url(asked, question="q9"))
        key = field(page, "entry_key").removesuffix(".0")
        sent = {"answer-q9": 0, "version": field(page, "version"), "entry_key": f"{key}.1", "next": "save"}
        pat.post(url(asked, question="q9"), sent, headers={"HX-Request": "true"})
        quick = {**sent, "answer-q9": 2, "entry_key": f"{key}.3", "next": "forward"}
        assert pat.post(url(asked, question="q9"), quick).status_code == 302
        overtaken = {**sent, "entry_key": f"{key}.2", "version": '{"q9": 2}'}
        pat.post(url(asked, question="q9"), overtaken, headers={"HX-Request": "true"})
        asked.refresh_from_db()
        assert asked.draft == {"q9": 2}

    @pytest.mark.parametrize("key", ["", ".", "\x00.1", "é.²", "x" * 500 + ".9999999999999", "a.b.c"])
    def test_a_made_up_key_breaks_nothing(self, pat: Client, asked: AssessmentRequest, key: str) -> None:
        sent = {"answer-q1": 1, "version": '{"q1": null}', "entry_key": key}
        assert pat.post(url(asked, question="q1"), sent).status_code == 302

    def test_nothing_is_handed_in_unseen(self, pat: Client, asked: AssessmentRequest) -> None:
        draft(asked, **all_of(0))
        page = pat.get(url(asked, show="check"))
        tap(pat, asked, "q9", 3)
        response = pat.post(url(asked), {"hand_in": "on", "revision": field(page, "revision")})
        assert response.status_code == 422
        assert "changed in another window" in response.content.decode()
        assert "988" in response.content.decode()
        assert not AssessmentResponse.objects.exists()
        assert pat.post(url(asked), {"hand_in": "on"}).status_code == 422
        assert pat.post(url(asked), {"hand_in": "on", "revision": "9" * 5000}).status_code == 422
        assert not WorkItem.objects.exists(), "what nobody's page sent is no failure of ours"

    def test_twice_is_once(self, pat: Client, asked: AssessmentRequest) -> None:
        draft(asked, **all_of(2))
        first, second = hand_in(pat, asked), pat.post(url(asked), {"hand_in": "on", "revision": "9"})
        assert first.status_code == second.status_code == 200
        assert "988" in second.content.decode()
        assert AssessmentResponse.objects.count() == RiskAlert.objects.count() == 1


class TestAlarm:
    def test_help_is_first_on_the_same_page(self, pat: Client, asked: AssessmentRequest) -> None:
        draft(asked, **all_of(2))
        assert "talk to somebody right now" in pat.get(url(asked, question="q1")).content.decode()
        response = hand_in(pat, asked)
        assert response.status_code == 200, "in the very answer to the press, and not a page later"
        words = response.content.decode().split("<main")[1]
        assert words.index("Call 988") < words.index("will call you") < words.index("handed in")
        assert "Wed 13 Jan 2027" in words, "by when, as the alert says"
        assert not re.search(r"orange|ORANGE|score|severe", words)
        again = pat.get(reverse("assessments:questionnaire_done", args=[asked.pk])).content.decode()
        assert "Call 988" in again.split("<main")[1]
        asked.patient.phone = ""
        asked.patient.save(update_fields=["phone"])
        again = pat.get(reverse("assessments:questionnaire_done", args=[asked.pk])).content.decode()
        assert "will call you" not in again, "nobody waits for a call that cannot be made"
        assert "no phone number of yours to call. Please call us" in again

    def test_when_everything_breaks_the_numbers_stand(
        self, pat: Client, asked: AssessmentRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        draft(asked, **all_of(3))

        def boom(**_given: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(responses, "hand_in", boom)
        response = hand_in(pat, asked)
        words = response.content.decode().split("<main")[1]
        assert response.status_code == 503
        assert words.index("Call 988") < words.index("We kept your answers")
        asked.refresh_from_db()
        assert (asked.status, asked.draft["q9"]) == ("in_progress", 3)
        assert WorkItem.objects.filter(kind="crisis_words", patient_id=asked.patient_id).exists(), "and people look"
        monkeypatch.setattr(responses, "report_failure", boom)
        assert "Call 988" in hand_in(pat, asked).content.decode(), "even when telling them breaks too"

    def test_after_a_dose_a_call_that_is_wanted_is_said(self, cast: Cast, pat: Client, now: datetime) -> None:
        check = make.make_request(cast.pat, "after-dose")
        draft(check, feeling=0, effects=0, body=0, urine=0, thoughts=0, company=1, call=1)
        words = hand_in(pat, check).content.decode()
        assert "will call you as soon as they can" in words
        assert WorkItem.objects.get(kind="call_patient").patient_id == cast.pat.pk

    def test_words_of_danger_are_asked_about_on_the_same_page(
        self, cast: Cast, pat: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asq = make.make_request(cast.pat, "asq")
        draft(asq, q1=0, q2=0, q3=0, q4=1)
        page = tap(pat, asq, "q4_how", "I want to kill myself")
        assert page.status_code == 200
        assert "Are you in danger now?" in page.content.decode()
        asq.refresh_from_db()
        assert asq.draft["q4_how"] == "I want to kill myself", "and the words are kept"
        kept = {"answer-q4_how": "I want to kill myself", "version": json.dumps({"q4_how": "I want to kill myself"})}
        again = pat.post(url(asq) + "?question=q4_how", kept | {"next": "forward"})
        assert "Are you in danger now?" in again.content.decode(), "also when a script had kept them before"
        said = pat.post(url(asq), {"danger": "yes"}).content.decode()
        assert said.split("<main")[1].index("Call 988") < said.split("<main")[1].index("will call you")
        assert RiskAlert.objects.get().tier == "red"
        pat.post(url(asq), {"danger": "yes"})
        assert RiskAlert.objects.count() == 1, "pressed twice, called once"
        monkeypatch.setattr(calling_help, "call_for_help", None)
        other_way = pat.post(url(asq), {"danger": "yes"}).content.decode()
        assert "will call you as soon as they can" in other_way
        assert WorkItem.objects.filter(kind="crisis_words").count() == 4, "the desk and the care team look now"
        monkeypatch.setattr(responses, "call_people", None)
        broken = pat.post(url(asq), {"danger": "yes"}).content.decode()
        assert "could not call anybody" in broken
        assert "Call 988" in broken


class TestDoors:
    def test_it_is_nobody_elses(self, cast: Cast, asked: AssessmentRequest, signed_in: SignedIn) -> None:
        draft(asked, **all_of(2))
        other = signed_in(cast.quinn_user)
        for path in (url(asked), reverse("assessments:questionnaire_done", args=[asked.pk])):
            assert other.get(path).status_code == 404
        assert other.post(url(asked), {"hand_in": "on", "revision": "9"}).status_code == 404
        mine = make.make_request(cast.quinn)
        other.post(url(mine, question="q1"), {"answer-q1": "1", "version": '{"q1": null}', "asked": str(asked.pk)})
        asked.refresh_from_db()
        assert asked.draft == all_of(2), "an id in the body opens nothing"
        assert signed_in(cast.theo).get(url(asked)).status_code == 403

    def test_alarming_answers_that_came_too_late_are_looked_at(
        self, cast: Cast, pat: Client, asked: AssessmentRequest, now: datetime
    ) -> None:
        """Hazard: they hand in that they want to die, and it was taken back a minute ago."""
        draft(asked, **all_of(1))
        requests.cancel(by=cast.theo, request=asked, reason="Asked elsewhere.", now=now)
        pressed = {"hand_in": "on", "revision": "1"}
        said = pat.post(url(asked), pressed)
        assert said.status_code == 422
        words = said.content.decode().split("<main")[1]
        assert words.index("Call 988") < words.index("will call you as soon as they can")
        assert WorkItem.objects.filter(kind="crisis_words", patient_id=cast.pat.pk).count() == 4
        assert not AssessmentResponse.objects.exists()
        calm = make.make_request(cast.pat, "gad-7")
        draft(calm, q1=3)
        requests.cancel(by=cast.theo, request=calm, now=now)
        assert "will call you" not in pat.post(url(calm), pressed).content.decode(), "nobody is told what alarms nobody"

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"status": "cancelled", "settled_at": make.NOON}, "no longer open"),
            ({"opens_at": make.NOON + timedelta(hours=1)}, "not open yet"),
            ({"code": "c-ssrs"}, "not for answering here"),
            ({"code": "ptq"}, "not for answering here"),
        ],
        ids=["taken back", "early", "clinician's", "licence"],
    )
    def test_what_is_not_open_says_so_and_takes_nothing(
        self, cast: Cast, pat: Client, now: datetime, fields: dict[str, Any], words: str
    ) -> None:
        other = make.make_request(cast.pat, **fields)
        page = pat.get(url(other))
        assert page.status_code == 200
        assert words in page.content.decode()
        for sent in ({"answer-q1": "1"}, {"hand_in": "on", "revision": "0"}):
            refused = pat.post(url(other, question="q1"), sent)
            assert refused.status_code == 422
            assert "Call 988" in refused.content.decode().split("<main")[1]
        assert not AssessmentResponse.objects.exists()
        assert not RiskAlert.objects.exists()
        said = pat.post(url(other), {"danger": "yes"}).content.decode()
        assert "Somebody from the clinic has been told" in said, "open or not, somebody in danger is heard"
        assert RiskAlert.objects.get().tier == "red"

    def test_reading_writes_nothing(self, pat: Client, asked: AssessmentRequest) -> None:
        before = AssessmentRequest.objects.values().get()
        for query in ({}, {"question": "q9"}, {"show": "all"}, {"show": "check"}, {"show": "begin"}):
            assert pat.get(url(asked, **query)).status_code == 200
        assert AssessmentRequest.objects.values().get() == before

    def test_what_was_picked_survives_the_end_of_the_sign_in(
        self, cast: Cast, asked: AssessmentRequest, pat: Client, now: datetime
    ) -> None:
        tap(pat, asked, "q1", 2)
        page = pat.get(url(asked, question="q2"))
        sent = {"answer-q2": 3, "version": field(page, "version"), "next": "forward", "go": "keep", "revision": 4}
        with time_machine.travel(now + timedelta(minutes=25), tick=False):
            away = pat.post(url(asked, question="q2"), sent)
            assert away.status_code == 302
            pat.force_login(cast.pat_user)
            back = pat.get(url(asked, question="q2")).content.decode()
        assert 'data-kept-field="answer-q2"' in back
        assert 'data-kept-value="3"' in back
        assert back.count("data-kept-field=") == 2, "buttons and counters are nothing that somebody typed"
        asked.refresh_from_db()
        assert asked.draft == {"q1": 2}, "and it is theirs to press again"


class TestToDo:
    def test_what_waits_and_what_is_in(self, cast: Cast, pat: Client, now: datetime) -> None:
        page = reverse("assessments:to_do")
        assert "Nothing to do" in pat.get(page).content.decode()
        make.make_request(cast.pat)
        make.make_request(cast.pat, "gad-7", status="in_progress", begun_at=now, due_at=now - timedelta(minutes=1))
        for hidden in ("c-ssrs", "ptq"):
            make.make_request(cast.pat, hidden)
        make.make_request(cast.pat, "pcl-5", opens_at=now + timedelta(hours=1))
        make.make_request(cast.quinn, "audit-c")
        said = pat.get(page).content.decode()
        assert said.count("row-link") == 2
        assert "2 days left" in said
        assert "Go on where you were" in said
        assert "was due" in said
        part = pat.get(page, headers={"HX-Request": "true"}).content.decode()
        assert part.count("row-link") == 2, "the first page of the portal fetches it"
        assert "<html" not in part
        few = len(queries(pat, page))
        for code in ("audit-c", "asq", "daily-life"):
            make.make_request(cast.pat, code)
        assert len(queries(pat, page)) == few
        assert requests.answerable(patient=cast.quinn, now=now)[0].code == "audit-c"

    def test_the_packet_says_what_its_own_page_says(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        # Denver's midnight, thirty days on: the last day is the twelfth.
        packet = make.make_packet(cast.quinn, cast.frida, expires_at=make.NOON + timedelta(days=30, hours=15))
        quinn, page, own = signed_in(cast.quinn_user), reverse("assessments:to_do"), reverse("assessments:my_packet")
        minutes = [re.search(r"(\d+) min", quinn.get(path).content.decode()).group(1) for path in (page, own)]  # type: ignore[union-attr]  # both say it
        assert minutes[0] == minutes[1]
        assert "30 days left" in quinn.get(page).content.decode()
        with time_machine.travel(packet.expires_at - timedelta(hours=30), tick=False):
            assert "until tomorrow" in signed_in(cast.quinn_user).get(page).content.decode()
        with time_machine.travel(packet.expires_at - timedelta(hours=3), tick=False):
            last_day = signed_in(cast.quinn_user).get(page).content.decode()
        assert "until tonight" in last_day, "it runs out at midnight, and nobody is told that tomorrow will do"
