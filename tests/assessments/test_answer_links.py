"""Scenario 47: the link in a letter opens one questionnaire, once, for whoever knows the birth date, and nothing else."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from assessments.actions import links, requests
from assessments.models import AnswerLink, AssessmentRequest, AssessmentResponse, RiskAlert
from clinic import keyring, letters
from clinic.checks import every_url, is_ours, policy_of
from clinic.errors import Refused
from clinic.models import AuditEvent, Category, Channel, OutboundMessage, WorkItem
from patients.models import ContactPreference, Patient, PortalSuspension
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

BORN, WRONG = {"birth_date": "5/17/1984"}, {"birth_date": "5/18/1984"}


@pytest.fixture
def asked(cast: Cast, now: datetime) -> AssessmentRequest:
    make.make_preference(cast.pat, cast.frida, Category.QUESTIONNAIRE, Channel.EMAIL)
    return make.make_request(cast.pat, "gad-7")


@pytest.fixture
def link(cast: Cast, asked: AssessmentRequest, now: datetime) -> str:
    links.send(by=cast.theo, request=asked, now=now)
    return address()


def address() -> str:
    letter = OutboundMessage.objects.filter(kind="questionnaire_link", status="queued").latest("queued_at", "id")
    return reverse("assessments:answer_link", args=[json.loads(keyring.unseal(letter.secret))["token"]])


def words(response: Any) -> str:
    """Return the page without what is different on every page."""
    return re.sub(r"[A-Za-z0-9_-]{40,}", "", response.content.decode())


def opened(link: str) -> Client:
    client = Client()
    response = client.post(link, BORN)
    assert response.headers["Location"] == reverse("assessments:answer_by_link")
    return client


HERE = "/questionnaires/answering/"


def answer_all(client: Client, value: int = 1) -> Any:
    sent = {f"answer-q{n}": value for n in range(1, 8)} | {"next": "check"}
    assert client.post(HERE + "?show=all", sent).status_code == 302
    revision = re.search(r'name="revision" value="(\d+)"', client.get(HERE + "?show=check").content.decode())
    assert revision
    return client.post(HERE, {"hand_in": "on", "revision": revision.group(1)})


class TestSend:
    def test_one_letter_of_neutral_words_with_a_sealed_secret(
        self, cast: Cast, asked: AssessmentRequest, link: str
    ) -> None:
        letter = OutboundMessage.objects.get(kind="questionnaire_link")
        assert (letter.address, letter.category) == (cast.pat.email, "questionnaire")
        token = link.split("/")[-2]
        assert token not in letter.secret
        assert AnswerLink.objects.get().token_hash != token
        said = letters.render(letter).text
        assert link in said
        assert not re.search(r"GAD|anxi|ketamine|mental|depress", said, re.I)
        assert not AuditEvent.objects.filter(details__icontains=token).exists()

    def test_a_second_one_closes_the_first(
        self, cast: Cast, asked: AssessmentRequest, link: str, now: datetime
    ) -> None:
        links.send(by=cast.theo, request=asked, now=now)
        assert OutboundMessage.objects.filter(kind="questionnaire_link", status="void").count() == 1
        assert Client().post(link, BORN).status_code == 422
        opened(address())

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"email": ""}, "no e-mail on record"),
            (
                {"portal_suspended_at": make.NOON, "portal_suspension": PortalSuspension.SHARED_ADDRESS},
                "only the patient",
            ),
            ({"life_state": "discharged"}, "no e-mail on record"),
        ],
        ids=["none", "shared", "discharged"],
    )
    def test_it_refuses(
        self, cast: Cast, asked: AssessmentRequest, now: datetime, change: dict[str, Any], sentence: str
    ) -> None:
        Patient.objects.filter(pk=cast.pat.pk).update(**change)
        with pytest.raises(Refused, match=sentence):
            links.send(by=cast.theo, request=asked, now=now)

    def test_it_refuses_without_consent_and_what_is_no_links(self, cast: Cast, asked: Any, now: datetime) -> None:
        for code in ("c-ssrs", "ptq"):
            with pytest.raises(requests.NotForPatients):
                links.send(by=cast.theo, request=make.make_request(cast.pat, code), now=now)
        with pytest.raises(links.NoConsent):
            links.send(by=cast.theo, request=make.make_request(cast.quinn), now=now)
        with pytest.raises(requests.AlreadyDone):
            links.send(by=cast.theo, request=make.make_request(cast.pat, status="done", settled_at=now), now=now)

    def test_the_button_is_the_care_teams(self, cast: Cast, asked: AssessmentRequest, signed_in: SignedIn) -> None:
        page = reverse("assessments:send_answer_link", args=[asked.pk])
        assert signed_in(cast.tess).post(page).status_code == 404, "not of the care team"
        assert signed_in(cast.omar).post(page).status_code == 404
        assert signed_in(cast.frida).post(page).status_code == 403
        theo = signed_in(cast.theo)
        assert page in theo.get(reverse("assessments:chart_questionnaires", args=[cast.pat.pk])).content.decode()
        assert theo.post(page).headers["Location"] == reverse("assessments:chart_questionnaires", args=[cast.pat.pk])
        assert AnswerLink.objects.count() == 1

    @pytest.mark.parametrize("what", ["done", "consent", "moved"])
    def test_the_letter_asks_again_before_it_leaves(
        self, cast: Cast, asked: AssessmentRequest, link: str, now: datetime, what: str
    ) -> None:
        letter = OutboundMessage.objects.get(kind="questionnaire_link")
        wanted = letters.get("questionnaire_link").still_wanted
        assert wanted(letter, now) == ""
        if what == "done":
            requests.cancel(by=cast.theo, request=asked, now=now)
        elif what == "consent":
            ContactPreference.objects.filter(category=Category.QUESTIONNAIRE).update(ended_at=now)
        else:
            Patient.objects.filter(pk=cast.pat.pk).update(email="new@post.example")
        assert wanted(letter, now) in {"link_over", "no_consent"}


class TestOpen:
    def test_looking_uses_nothing_up(self, link: str) -> None:
        for _ in range(3):
            assert Client().get(link).status_code == 200
            assert Client().head(link).status_code == 200
        assert AnswerLink.objects.filter(opened_at=None, failed_checks=0).count() == 1

    def test_it_is_answered_without_signing_in_and_once(self, cast: Cast, link: str, now: datetime) -> None:
        client = opened(link)
        done = answer_all(client)
        assert done.headers["Location"] == reverse("assessments:answers_sent")
        thanks = client.get(done.headers["Location"]).content.decode()
        assert "988" in thanks
        assert "Pat" not in thanks
        response = AssessmentResponse.objects.get()
        assert (response.mode, response.patient, response.entered_by) == ("link", cast.pat, cast.pat_user)
        assert AnswerLink.objects.get().used_at == now
        replay = Client().post(link, BORN)
        assert replay.status_code == 422
        assert "sign in to your pages instead, or call us" in replay.content.decode(), "and a way on"
        assert "Nothing happened here" in client.get(HERE).content.decode()
        assert "_auth_user_id" not in client.session

    def test_wrong_used_old_and_made_up_look_alike(self, link: str, now: datetime) -> None:
        made_up = Client().post(reverse("assessments:answer_link", args=["x" * 43]), BORN)
        wrong = Client().post(link, WRONG)
        with time_machine.travel(now + timedelta(hours=169), tick=False):
            old = Client().post(link, BORN)
        answer_all(opened(link))
        used = Client().post(link, BORN)
        assert {r.status_code for r in (made_up, wrong, old, used)} == {422}
        assert len({words(r).replace("5/18/1984", "5/17/1984") for r in (made_up, wrong, old, used)}) == 1

    def test_five_wrong_dates_kill_it_and_the_desk_calls(self, cast: Cast, link: str) -> None:
        for _ in range(5):
            assert Client().post(link, WRONG).status_code == 422
        assert Client().post(link, BORN).status_code == 422, "forwarded: whoever has it is not who it was sent to"
        assert WorkItem.objects.get(kind="call_patient").patient_id == cast.pat.pk
        assert AuditEvent.objects.filter(verb="answer_link.refused").count() == 5
        assert not AuditEvent.objects.filter(details__icontains="1984").exists()

    def test_many_tries_from_one_address_open_nothing(self, link: str) -> None:
        for _ in range(20):
            Client().post(reverse("assessments:answer_link", args=["x" * 43]), BORN)
        assert Client().post(link, BORN).status_code == 422

    def test_it_opens_no_other_page(self, cast: Cast, link: str) -> None:
        """D1: a session that answers by a link is half of no sign-in."""
        client = opened(link)
        for name, pattern in every_url():
            policy = policy_of(pattern) if is_ours(pattern) else None
            if policy is None or policy.audience == "public" or pattern.pattern.converters:
                continue
            assert client.get(reverse(name)).status_code in {302, 405}, name
        mine = make.make_request(cast.pat, "phq-9")
        assert client.get(reverse("assessments:answer_questionnaire", args=[mine.pk])).status_code == 302
        client.post(HERE + "?question=q1", {"answer-q1": "1", "asked": str(mine.pk), "patient": str(cast.quinn.pk)})
        mine.refresh_from_db()
        assert mine.draft == {}, "an id in the body chooses nothing"

    def test_whoever_was_signed_in_is_out(self, cast: Cast, link: str, signed_in: SignedIn) -> None:
        client = signed_in(cast.quinn_user)
        client.post(link, BORN)
        assert "_auth_user_id" not in client.session
        # And whoever signs in later, on the family's computer, finds nothing of it.
        assert "Start" in client.get(HERE).content.decode()
        client.force_login(cast.quinn_user)
        assert "This page is closed" in client.get(HERE).content.decode()

    def test_it_idles_out_and_goes_on_where_one_was(self, link: str, now: datetime) -> None:
        client = opened(link)
        client.post(HERE + "?question=q1", {"answer-q1": "3"})
        with time_machine.travel(now + timedelta(minutes=21), tick=False):
            assert "Nothing happened here" in client.get(HERE).content.decode()
            assert client.post(HERE, {"answer-q1": "0"}).status_code == 422
            beside = client.post(HERE, {"answer-q1": "0"}, headers={"HX-Request": "true"})
            assert beside.status_code == 422
            assert "That was not kept" in beside.content.decode()
            assert "<html" not in beside.content.decode(), "the page stays, with what was typed on it"
            again = opened(link)
            assert "Welcome back" in again.get(HERE).content.decode()
        assert AssessmentRequest.objects.get().draft == {"q1": 3}

    def test_opening_it_elsewhere_closes_it_here(self, link: str, now: datetime) -> None:
        first = opened(link)
        with time_machine.travel(now + timedelta(minutes=1), tick=False):
            opened(link)
            assert "opened on another screen" in first.get(HERE).content.decode()

    @pytest.mark.parametrize(
        "change",
        [
            {"email": "new@post.example"},
            {"portal_suspended_at": make.NOON, "portal_suspension": PortalSuspension.MISUSE},
        ],
        ids=["another address", "somebody else read it"],
    )
    def test_a_lost_mailbox_closes_what_is_open(self, link: str, change: dict[str, Any]) -> None:
        """D18: the patient says on the phone that somebody else reads their letters, who has just opened one."""
        client = opened(link)
        client.post(HERE + "?question=q1", {"answer-q1": "3"})
        Patient.objects.update(**change)
        assert "This page is closed" in client.get(HERE).content.decode()
        assert client.post(HERE + "?question=q1", {"answer-q1": "0"}).status_code == 422
        assert AssessmentRequest.objects.get().draft == {"q1": 3}

    def test_an_alarm_shows_help_and_uses_the_link_up(self, cast: Cast, now: datetime) -> None:
        make.make_preference(cast.pat, cast.frida, Category.QUESTIONNAIRE, Channel.EMAIL)
        asked = make.make_request(cast.pat, "phq-9", draft={"q9": 3}, status="in_progress", begun_at=now, revision=1,
                                  version=1, language="en")  # fmt: skip
        links.send(by=cast.theo, request=asked, now=now)
        response = opened(address()).post(HERE, {"hand_in": "on", "revision": "1"})
        assert response.status_code == 200
        assert "Call 988" in response.content.decode().split("<main")[1]
        assert RiskAlert.objects.get().tier == "red"
        assert AnswerLink.objects.get().used_at == now

    def test_help_is_shown_when_tidying_up_fails(
        self, cast: Cast, asked: AssessmentRequest, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        phq = make.make_request(cast.pat, draft={"q9": 3}, status="in_progress", begun_at=now, revision=1, version=1,
                                language="en")  # fmt: skip
        links.send(by=cast.theo, request=phq, now=now)
        client = opened(address())
        monkeypatch.setattr(links, "use", None)
        response = client.post(HERE, {"hand_in": "on", "revision": "1"})
        assert response.status_code == 200
        assert "Call 988" in response.content.decode().split("<main")[1]
        monkeypatch.undo()
        assert Client().post(address(), BORN).status_code == 422, "done is done, whatever the link says of itself"
