"""The kiosk: a code from the desk opens one patient's questions on an enrolled screen, and nothing stays behind."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import reverse

from assessments.actions import kiosks
from assessments.models import AssessmentRequest, AssessmentResponse, KioskPass
from clinic.actions import devices
from clinic.checks import every_url, is_ours, policy_of
from clinic.models import AuditEvent, EnrolledDevice
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

START, HERE = "/kiosk/", "/kiosk/answering/"
SET_UP = "/devices/set-up/"


def enroll(cast: Cast, kind: str = "kiosk", place: Any = None, **more: Any) -> devices.Enrolment:
    return devices.enroll(
        by=cast.ada, location=place or cast.denver, kind=EnrolledDevice.Kind(kind), name=f"{kind} at the door",
        room=more.get("room"), now=make.NOON,
    )  # fmt: skip


def screen(enrolment: devices.Enrolment) -> Client:
    client = Client()
    response = client.post(SET_UP, {"credential": enrolment.credential})
    assert response.status_code == 302
    return client


@pytest.fixture
def kiosk(cast: Cast, now: datetime) -> Client:
    return screen(enroll(cast))


@pytest.fixture
def asked(cast: Cast, now: datetime) -> AssessmentRequest:
    return make.make_request(cast.pat, "gad-7")


def code_for(cast: Cast, now: datetime) -> str:
    return kiosks.give_code(by=cast.frida, patient=cast.pat, location=cast.denver, now=now).code


def let_in(client: Client, code: str) -> Client:
    assert client.post(START, {"digits": code}).headers["Location"] == HERE
    assert "Are you Pat M.?" in client.get(HERE).content.decode()
    assert client.post(HERE, {"me": "yes"}).headers["Location"] == HERE
    return client


def hand_in(client: Client, asked: AssessmentRequest) -> Any:
    page = client.get(HERE + "?show=check").content.decode()
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision
    return client.post(HERE, {"hand_in": "on", "revision": revision.group(1), "asked": str(asked.pk)})


class TestCode:
    def test_the_desk_shows_it_once(self, cast: Cast, kiosk: Client, asked: Any, signed_in: SignedIn) -> None:
        page = reverse("assessments:give_kiosk_code", args=[cast.pat.pk])
        frida = signed_in(cast.frida)
        words = frida.get(page).content.decode()
        assert "1 questionnaire waits" in words
        assert not re.search("GAD|anxi", words, re.I), "the desk sees that, and not what"
        given = frida.post(page).content.decode()
        shown = re.search(r"(\d{3}) (\d{3})", given)
        assert shown
        code = "".join(shown.groups())
        assert code not in frida.get(page).content.decode()
        assert code not in str(list(KioskPass.objects.values())) + str(list(AuditEvent.objects.values("details")))
        let_in(kiosk, f"{code[:3]} {code[3:]}")
        for stranger in (cast.olga, cast.omar, cast.ada):
            assert signed_in(stranger).post(page).status_code == 404
        assert signed_in(cast.petra).post(page).status_code == 403

    def test_it_refuses_with_a_way_on(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        page = reverse("assessments:give_kiosk_code", args=[cast.pat.pk])
        frida = signed_in(cast.frida)
        assert "nothing for this patient to answer" in frida.post(page).content.decode()
        make.make_request(cast.pat, "c-ssrs")
        assert frida.post(page).status_code == 422
        make.make_request(cast.pat)
        assert "No kiosk is enrolled" in frida.post(page).content.decode()

    def test_it_is_good_once_for_a_quarter_of_an_hour_at_its_place(
        self, cast: Cast, kiosk: Client, asked: Any, now: datetime
    ) -> None:
        old = code_for(cast, now)
        with time_machine.travel(now + timedelta(minutes=15), tick=False):
            assert kiosk.post(START, {"digits": old}).status_code == 422
        first, second = code_for(cast, now), code_for(cast, now)
        assert kiosk.post(START, {"digits": first}).status_code == 422, "a new code closes the one before"
        phoenix = screen(enroll(cast, place=cast.phoenix))
        assert phoenix.post(START, {"digits": second}).status_code == 422
        let_in(kiosk, second)
        assert screen(devices.enroll(by=cast.ada, location=cast.denver, kind=EnrolledDevice.Kind.KIOSK, name="2", room=None,
                                     now=now)).post(START, {"digits": second}).status_code == 422  # fmt: skip

    def test_guessing_ends(self, cast: Cast, kiosk: Client, asked: Any, now: datetime) -> None:
        code = code_for(cast, now)
        wrong = "000001" if code != "000001" else "000002"
        for _ in range(10):
            assert "opens nothing" in kiosk.post(START, {"digits": wrong}).content.decode()
        assert "Too many codes" in kiosk.post(START, {"digits": code}).content.decode()
        assert AuditEvent.objects.filter(verb="kiosk.code_refused").count() == 10
        assert not AuditEvent.objects.filter(details__icontains=wrong).exists()


class TestAnswering:
    def test_one_after_another_and_nothing_stays(self, cast: Cast, kiosk: Client, asked: Any, now: datetime) -> None:
        second = make.make_request(cast.pat, "audit-c", due_at=now + timedelta(days=3))
        let_in(kiosk, code_for(cast, now))
        begin = kiosk.get(HERE)
        assert begin.headers["Cache-Control"] == "no-store"
        assert "Generalized Anxiety" in begin.content.decode()
        kiosk.post(HERE + "?question=q1", {"answer-q1": "1", "asked": str(asked.pk)})
        hand_in(kiosk, asked)
        assert "Alcohol" in kiosk.get(HERE).content.decode(), "the next one begins"
        hand_in(kiosk, second)
        assert kiosk.get(HERE).headers["Location"] == reverse("assessments:kiosk_done")
        thanks = kiosk.get(reverse("assessments:kiosk_done"))
        assert thanks.headers["Refresh"] == "15;url=/kiosk/"
        assert kiosk.get("/").headers["Location"] == START, "the way back from the numbers to call"
        assert "Pat" not in thanks.content.decode()
        assert KioskPass.objects.get().closed_at == now
        for path in (HERE, HERE + "?question=q1"):
            assert kiosk.get(path).headers["Location"] == START, "back shows nothing"
        response = AssessmentResponse.objects.get(code="gad-7")
        assert (response.mode, response.device_id) == ("kiosk", EnrolledDevice.objects.get().pk)

    def test_five_idle_minutes_close_it_and_keep_the_draft(
        self, cast: Cast, kiosk: Client, asked: Any, now: datetime
    ) -> None:
        kiosk.post(START, {"digits": code_for(cast, now)})
        name = kiosk.get(HERE).content.decode()
        assert "Are you Pat M.?" in name
        assert 'data-kiosk-idle="300"' in name, "whoever walks away now leaves no name behind"
        assert 'content="300;url=/kiosk/"' in name, "nor without scripts"
        kiosk.post(HERE, {"me": "yes"})
        kiosk.post(HERE + "?question=q1", {"answer-q1": "2", "asked": str(asked.pk)})
        assert 'data-kiosk-idle="300"' in kiosk.get(HERE).content.decode()
        with time_machine.travel(now + timedelta(minutes=5, seconds=1), tick=False):
            assert kiosk.post(HERE + "?question=q1", {"answer-q1": "0"}).headers["Location"] == START
            assert "Pat" not in kiosk.get(START).content.decode()
        asked.refresh_from_db()
        assert asked.draft == {"q1": 2}

    def test_not_me_and_stop_here(self, cast: Cast, kiosk: Client, asked: Any, now: datetime) -> None:
        kiosk.post(START, {"digits": code_for(cast, now)})
        assert kiosk.post(HERE + "?question=q1", {"answer-q1": "2"}).status_code == 200, "first: is it you?"
        assert AssessmentRequest.objects.get().draft == {}
        assert kiosk.post(reverse("assessments:leave_kiosk")).headers["Location"] == START
        assert KioskPass.objects.get().closed_at == now
        assert kiosk.get(HERE).headers["Location"] == START

    def test_another_patients_id_in_the_body_opens_nothing(
        self, cast: Cast, kiosk: Client, asked: Any, now: datetime
    ) -> None:
        quinns = make.make_request(cast.quinn, "gad-7")
        let_in(kiosk, code_for(cast, now))
        for sent in (str(quinns.pk), "x", ""):
            kiosk.post(HERE + "?question=q1", {"answer-q1": "2", "asked": sent})
        quinns.refresh_from_db()
        assert quinns.draft == {}

    def test_an_alarm_asks_them_to_tell_the_desk(self, cast: Cast, kiosk: Client, now: datetime) -> None:
        asked = make.make_request(
            cast.pat, draft={"q9": 2}, status="in_progress", begun_at=now, version=1, language="en"
        )
        let_in(kiosk, code_for(cast, now))
        words = hand_in(kiosk, asked).content.decode().split("<main")[1]
        assert "Call 988" in words
        assert "tell somebody at the front desk" in words


class TestScreens:
    def test_only_an_enrolled_kiosk_opens_its_pages(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        board = screen(enroll(cast, "wall_board"))
        pages = [
            reverse(name)
            for name, pattern in every_url()
            if is_ours(pattern) and (policy := policy_of(pattern)) and policy.audience == "device"
        ]
        assert len(pages) == 4
        made_up = Client()
        made_up.cookies[settings.DEVICE_COOKIE_NAME] = "x" * 43
        for client in (Client(), made_up, board, signed_in(cast.ada), signed_in(cast.pat_user)):
            for page in pages:
                for method in (client.get, client.post):
                    response = method(page)
                    assert response.status_code in {302, 405}
                    assert response.headers.get("Location", SET_UP) == SET_UP

    def test_a_revoked_screen_is_closed_at_once(self, cast: Cast, asked: Any, now: datetime) -> None:
        enrolment = enroll(cast)
        kiosk = let_in(screen(enrolment), code_for(cast, now))
        devices.revoke(by=cast.ada, device=enrolment.device, now=now)
        for path in (HERE, START):
            assert kiosk.get(path).headers["Location"] == SET_UP
        assert kiosk.post(HERE + "?question=q1", {"answer-q1": "2"}).headers["Location"] == SET_UP
        assert kiosk.post(SET_UP, {"credential": enrolment.credential}).status_code == 422
        asked.refresh_from_db()
        assert asked.draft == {}

    def test_setting_up_signs_out_and_is_throttled(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        ada, enrolment = signed_in(cast.ada), enroll(cast)
        response = ada.post(SET_UP, {"credential": f" {enrolment.credential} "})
        assert response.headers["Location"] == START
        cookie = response.cookies[settings.DEVICE_COOKIE_NAME]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert "_auth_user_id" not in ada.session
        assert EnrolledDevice.objects.get().last_seen_at == now
        for _ in range(10):
            assert Client().post(SET_UP, {"credential": "wrong"}).status_code == 422
        assert Client().post(SET_UP, {"credential": enrolment.credential}).status_code == 422
