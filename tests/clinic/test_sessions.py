"""How long a session lives, what never extends it, and how it is ended from somewhere else (D18)."""

from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse

from clinic import accounts, urls
from clinic.access import Permission, staff_view
from clinic.models import AuditEvent, User
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

MINUTE = timedelta(minutes=1)


@staff_view(Permission.STAFF, is_poll=True)
def poll(request: HttpRequest) -> HttpResponse:
    """A page's heartbeat, as the live board and the room have one."""
    return HttpResponse("still here")


urlpatterns = [*urls.urlpatterns, path("poll/", poll, name="poll")]
PAGE = "/account/sessions/"


def is_in(client: Client) -> bool:
    return client.get(PAGE).status_code == 200


def come_in(user: User, settings: object, **headers: str) -> Client:
    """Sign in through the demo's door, which leaves the same session as every other way in."""
    settings.DEMO_MODE = True  # type: ignore[attr-defined]  # pytest-django's own type
    client = Client(headers=headers)
    response = client.post(reverse("clinic:continue_as"), {"person": str(user.pk)})
    assert response.status_code == 302
    return client


class TestIdle:
    @pytest.mark.parametrize(("who", "minutes"), [("frida", 15), ("pat_user", 20)])
    def test_ends_after_its_minutes(self, cast: Cast, signed_in: SignedIn, who: str, minutes: int) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(getattr(cast, who))
            assert is_in(client)
            clock.shift(minutes * MINUTE - timedelta(seconds=1))
            assert is_in(client)
            clock.shift(minutes * MINUTE + timedelta(seconds=1))
            response = client.get(PAGE, follow=True)
            assert response.redirect_chain[0][0].startswith(reverse("account_login"))
            assert "because nothing happened for a while" in response.content.decode()
            assert "_auth_user_id" not in client.session

    def test_work_keeps_it_alive(self, cast: Cast, signed_in: SignedIn) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            for _quarter in range(6):
                assert is_in(client)
                clock.shift(14 * MINUTE)
            assert is_in(client)

    @pytest.mark.urls(__name__)
    def test_polling_does_not(self, cast: Cast, signed_in: SignedIn) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            assert is_in(client)
            for _minute in range(15):
                clock.shift(MINUTE)
                assert client.get("/poll/").status_code == 200
            clock.shift(MINUTE)
            assert client.get("/poll/").status_code == 302, "the poll itself is told too"
            assert not is_in(client)

    @pytest.mark.urls(__name__)
    @pytest.mark.parametrize("extra", ["?keep_alive=1", "?skip_timeout_reset=0", "?is_poll=false&seen_at=99999999999"])
    def test_no_parameter_changes_that(self, cast: Cast, signed_in: SignedIn, extra: str) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            is_in(client)
            for _minute in range(3):
                clock.shift(5 * MINUTE)
                client.get("/poll/" + extra)
            clock.shift(MINUTE)
            for path_ in (PAGE, "/poll/"):
                assert client.get(path_ + extra).status_code == 302

    def test_twelve_hours_are_the_end_however_busy(self, cast: Cast, signed_in: SignedIn) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            for _step in range(72):
                assert is_in(client)
                clock.shift(10 * MINUTE)
            clock.shift(timedelta(seconds=1))
            response = client.get(PAGE, follow=True)
            assert "after twelve hours" in response.content.decode()
            assert not is_in(client)

    def test_signing_in_again_starts_both_clocks_anew(self, cast: Cast, settings: object) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            come_in(cast.frida, settings)
            clock.shift(timedelta(hours=13))
            assert is_in(come_in(cast.frida, settings))


class TestTyping:
    """What static/js/awake.js asks for. tests/browser/test_awake.py has the keys and the clock of a real browser."""

    @pytest.mark.parametrize("who", ["frida", "pat_user"])
    def test_a_sign_of_life_a_minute_keeps_it_for_an_hour(self, cast: Cast, signed_in: SignedIn, who: str) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(getattr(cast, who))
            for _minute in range(60):
                clock.shift(MINUTE)
                said = client.get(reverse("clinic:still_here")).json()
            assert said == {"idle": {"frida": 900, "pat_user": 1200}[who], "end": 11 * 3600 + 60}
            assert is_in(client)

    def test_asking_how_long_extends_nothing(self, cast: Cast, signed_in: SignedIn) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            assert is_in(client)
            for minute in range(1, 16):
                clock.shift(MINUTE)
                assert client.get(reverse("clinic:time_left")).json()["idle"] == 900 - 60 * minute
            clock.shift(MINUTE)
            assert client.get(reverse("clinic:time_left")).status_code == 302
            assert not is_in(client)

    def test_polling_beside_it_does_not_count(self, cast: Cast, signed_in: SignedIn) -> None:
        """The board of Today refreshes itself on a screen nobody sits at."""
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            assert client.get(reverse("sessions:today")).status_code == 200
            for _minute in range(15):
                clock.shift(MINUTE)
                assert client.get(reverse("sessions:today_board")).status_code == 200
            clock.shift(MINUTE)
            assert client.get(reverse("sessions:today_board")).status_code == 302

    def test_twelve_hours_are_the_end_of_typing_too(self, cast: Cast, signed_in: SignedIn) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            client = signed_in(cast.frida)
            for _minute in range(12 * 60 + 1):
                answer = client.get(reverse("clinic:still_here"))
                clock.shift(MINUTE)
            assert answer.json()["end"] == 0
            assert client.get(reverse("clinic:still_here")).status_code == 302

    def test_a_page_says_how_long_is_left(self, cast: Cast, signed_in: SignedIn) -> None:
        with time_machine.travel(make.NOON, tick=False):
            page = signed_in(cast.frida).get(PAGE).content.decode()
            assert 'data-idle="900" data-end="43200"' in page
            assert "data-session" not in Client().get(reverse("account_login")).content.decode()

    def test_a_colleague_who_is_enrolling_is_heard_as_well(self, cast: Cast, signed_in: SignedIn) -> None:
        client = Client()
        client.force_login(cast.frida)
        assert client.get(reverse("clinic:still_here")).status_code == 200
        assert client.get(PAGE).headers["Location"] == reverse("mfa_index")


class TestEnding:
    def test_listed_with_the_device_and_without_the_rest(self, cast: Cast, settings: object) -> None:
        here = come_in(cast.frida, settings, **{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140 Safari"})
        come_in(cast.frida, settings, **{"User-Agent": "Mozilla/5.0 (iPhone) Version/19 Safari"})
        come_in(cast.felix, settings)
        page = here.get(PAGE)
        assert [row["device"] for row in page.context["sessions"]] == ["Safari on iPhone", "Chrome on Linux"]
        assert [row["is_current"] for row in page.context["sessions"]] == [False, True]
        assert str(here.session.session_key) not in page.content.decode()

    def test_one_is_ended_on_the_server(self, cast: Cast, settings: object) -> None:
        here, there = come_in(cast.frida, settings), come_in(cast.frida, settings)
        key = there.session.session_key
        row = UserSession.objects.get(session_key=key)
        response = here.post(reverse("clinic:end_session", args=[row.pk]))
        assert response.status_code == 302
        assert not Session.objects.filter(session_key=key).exists()
        assert (is_in(here), is_in(there)) == (True, False)
        assert AuditEvent.objects.filter(verb="session.ended", actor_id=cast.frida.pk).count() == 1
        assert here.post(reverse("clinic:end_session", args=[row.pk])).status_code == 404, "twice is once"

    def test_somebody_elses_is_not_found(self, cast: Cast, settings: object) -> None:
        here, felix = come_in(cast.frida, settings), come_in(cast.felix, settings)
        row = UserSession.objects.get(user=cast.felix)
        assert here.post(reverse("clinic:end_session", args=[row.pk])).status_code == 404
        assert is_in(felix)

    def test_everywhere_else(self, cast: Cast, settings: object) -> None:
        here = come_in(cast.frida, settings)
        others = [come_in(cast.frida, settings) for _number in range(2)]
        felix = come_in(cast.felix, settings)
        here.post(reverse("clinic:end_other_sessions"))
        assert [is_in(client) for client in (here, *others, felix)] == [True, False, False, True]

    def test_only_by_post(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        for url in (reverse("clinic:end_other_sessions"), reverse("clinic:end_session", args=[1])):
            assert client.get(url).status_code == 405

    def test_as_many_queries_for_thirty_as_for_one(self, cast: Cast, settings: object) -> None:
        here = come_in(cast.frida, settings)
        is_in(here)
        with CaptureQueriesContext(connection) as one:
            is_in(here)
        for _number in range(29):
            come_in(cast.frida, settings)
        with CaptureQueriesContext(connection) as many:
            assert len(here.get(PAGE).context["sessions"]) == 30
        assert len(many) == len(one) <= 6

    def test_a_raised_epoch_ends_what_only_redis_remembers(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        assert is_in(client)
        Session.objects.all().delete()
        assert is_in(client), "cached_db still knows it"
        User.objects.filter(pk=cast.frida.pk).update(session_epoch=1)
        assert not is_in(client)

    def test_an_older_secret_key_still_opens_sessions(self, cast: Cast, signed_in: SignedIn, settings: object) -> None:
        client = signed_in(cast.frida)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]  # pytest-django's own type
        settings.SECRET_KEY = "a new one"  # type: ignore[attr-defined]  # the same
        assert is_in(client)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/150.0", "Firefox on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Chrome/140 Safari/537 Edg/140", "Edge on Mac"),
        ("curl/8", "A device we do not recognise"),
        ("", "A device we do not recognise"),
    ],
)
def test_devices_in_words(agent: str, said: str) -> None:
    assert accounts.device_text(agent) == said


def test_the_cookie_is_a_session_cookie_of_at_most_twelve_hours() -> None:
    assert settings.SESSION_EXPIRE_AT_BROWSER_CLOSE
    assert settings.SESSION_COOKIE_AGE == 12 * 60 * 60
    assert settings.SESSION_COOKIE_HTTPONLY
