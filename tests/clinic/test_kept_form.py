"""A form that arrives after the sign-in ended: told in a sentence, kept for its own writer, never sent by itself (0014)."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from django import forms
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisAway

from clinic import keptforms
from clinic.models import AuditEvent
from patients.models import Contact
from tests import factories as make
from tests.cast import Cast
from tests.clinic.test_sessions import come_in

MINUTE = timedelta(minutes=1)
TEXT = "Line one of a long note.\r\nLine two: <b>asks</b> for Mondays & mornings."


@pytest.fixture
def clock(cast: Cast, settings: Any) -> Iterator[Any]:
    settings.DEMO_MODE = True
    with time_machine.travel(make.NOON, tick=False) as travelled:
        yield travelled


def sign_in(client: Client, user: Any) -> Any:
    return client.post(reverse("clinic:continue_as"), {"person": str(user.pk)})


def contact_url(cast: Cast) -> str:
    return reverse("patients:add_contact", args=[cast.pat.pk])


TYPED = {"name": "Robin Moreau", "relationship": "sister", "note": TEXT, "version": "3"}


@pytest.fixture
def late(cast: Cast, clock: Any, settings: Any) -> Client:
    """Frida's browser, just after she sent a contact sixteen minutes too late."""
    client = come_in(cast.frida, settings)
    assert client.get(contact_url(cast)).status_code == 200
    clock.shift(16 * MINUTE)
    response = client.post(contact_url(cast), TYPED)
    assert (response.status_code, response.headers["Location"]) == (302, reverse("account_login"))
    return client


def panel(page: str) -> str:
    return page.partition("data-kept-form=")[2].partition("</section>")[0]


class TestComingBack:
    def test_it_is_said_on_the_way_and_nothing_was_written(self, cast: Cast, late: Client) -> None:
        page = late.get(reverse("account_login")).content.decode()
        assert "because nothing happened for a while" in page
        assert "What you typed is kept for half an hour" in page
        for secret in ("Robin", "sister", "Mondays"):
            assert secret not in page, "the sign-in page tells nobody what"
        assert not Contact.objects.filter(name="Robin Moreau").exists()

    def test_the_same_person_finds_it_in_the_form_again(self, cast: Cast, late: Client) -> None:
        response = sign_in(late, cast.frida)
        assert response.headers["Location"] == contact_url(cast)
        page = late.get(contact_url(cast)).content.decode()
        assert f'data-kept-form="{contact_url(cast)}"' in page
        assert 'data-kept-value="Robin Moreau"' in panel(page)
        assert "Line two: &lt;b&gt;asks&lt;/b&gt; for Mondays &amp; mornings." in panel(page)
        assert "kept_form.js" in page
        assert not Contact.objects.filter(name="Robin Moreau").exists(), "nothing is sent by itself"

    def test_it_stays_until_it_was_taken(self, cast: Cast, late: Client) -> None:
        sign_in(late, cast.frida)
        for _time in range(2):
            assert "Robin Moreau" in late.get(contact_url(cast)).content.decode(), "a reload loses nothing"
        refused = late.post(contact_url(cast), {"name": ""})
        assert refused.status_code == 422
        assert "data-kept-form" not in refused.content.decode(), "an answer shows what was typed just now"
        assert "Robin Moreau" in late.get(contact_url(cast)).content.decode()
        fields = late.get(contact_url(cast)).context["form"].fields
        sent = {**TYPED, "phone": "(303) 555-0188"}
        for name in fields:
            if name not in sent and isinstance(fields[name], forms.ChoiceField):
                sent[name] = next(value for value, _label in fields[name].choices if value)
        assert late.post(contact_url(cast), sent).status_code == 302
        assert Contact.objects.filter(name="Robin Moreau").count() == 1
        assert "data-kept-form" not in late.get(contact_url(cast)).content.decode()

    def test_which_version_one_had_seen_comes_back_unseen(self, cast: Cast, late: Client) -> None:
        """What was typed was typed over that version: with the fresh page's own it would undo what others did since."""
        sign_in(late, cast.frida)
        shown = panel(late.get(contact_url(cast)).content.decode())
        assert '<div class="kept-field" data-kept-field="version" hidden>' in shown
        assert '<dd data-kept-value="3">' in shown

    def test_other_pages_do_not_show_it(self, cast: Cast, late: Client) -> None:
        sign_in(late, cast.frida)
        assert "Robin Moreau" not in late.get(reverse("patients:patient", args=[cast.pat.pk])).content.decode()

    def test_thrown_away(self, cast: Cast, late: Client) -> None:
        sign_in(late, cast.frida)
        response = late.post(reverse("clinic:drop_kept_form"))
        assert response.headers["Location"] == contact_url(cast)
        assert "Robin" not in late.get(contact_url(cast)).content.decode()
        assert late.post(reverse("clinic:drop_kept_form")).headers["Location"] == reverse("clinic:home"), (
            "twice is once"
        )

    def test_twelve_hours_are_told_and_kept_too(self, cast: Cast, clock: Any, settings: Any) -> None:
        client = come_in(cast.frida, settings)
        for _step in range(72):
            assert client.get(contact_url(cast)).status_code == 200
            clock.shift(10 * MINUTE)
        clock.shift(MINUTE)
        client.post(contact_url(cast), TYPED)
        assert "after twelve hours" in client.get(reverse("account_login")).content.decode()
        sign_in(client, cast.frida)
        assert "Robin Moreau" in client.get(contact_url(cast)).content.decode()

    def test_another_tab_ended_it_first(self, cast: Cast, clock: Any, settings: Any) -> None:
        """A board that refreshes itself hears of the end before the form does."""
        client = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        assert client.get(reverse("sessions:today_board")).status_code == 302
        clock.shift(5 * MINUTE)
        client.post(contact_url(cast), TYPED)
        sign_in(client, cast.frida)
        assert "Robin Moreau" in client.get(contact_url(cast)).content.decode()

    def test_a_form_that_crosses_with_a_poll_still_carries_the_old_session(
        self, cast: Cast, clock: Any, settings: Any
    ) -> None:
        client = come_in(cast.frida, settings)
        old = client.cookies["session"].value
        clock.shift(16 * MINUTE)
        client.get(reverse("sessions:today_board"))
        crossing = Client()
        crossing.cookies["session"] = old
        assert crossing.post(contact_url(cast), TYPED).headers["Location"] == reverse("account_login")
        sign_in(crossing, cast.frida)
        assert "Robin Moreau" in crossing.get(contact_url(cast)).content.decode()

    def test_by_htmx_the_whole_page_is_left(self, cast: Cast, clock: Any, settings: Any) -> None:
        client = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        response = client.post(contact_url(cast), TYPED, headers={"HX-Request": "true"})
        assert response.headers["HX-Redirect"] == reverse("account_login")
        sign_in(client, cast.frida)
        assert "Robin Moreau" in client.get(contact_url(cast)).content.decode()

    def test_a_patient_gets_theirs_back(self, cast: Cast, clock: Any, settings: Any) -> None:
        client, url = come_in(cast.pat_user, settings), reverse("patients:ask_address_change")
        clock.shift(21 * MINUTE)
        client.post(url, {"email": "pat.new@post.example"})
        assert sign_in(client, cast.pat_user).headers["Location"] == url
        assert "pat.new@post.example" in panel(client.get(url).content.decode())

    def test_the_location_one_worked_at_comes_back_too(self, cast: Cast, clock: Any, settings: Any) -> None:
        client = come_in(cast.ada, settings)
        client.post(reverse("clinic:switch_location"), {"location_id": str(cast.phoenix.pk)})
        clock.shift(16 * MINUTE)
        client.post(contact_url(cast), TYPED)
        sign_in(client, cast.ada)
        assert client.session["location_id"] == str(cast.phoenix.pk)


class TestWithoutAPage:
    """Verbs that only take a POST: one comes back to the page the button was on."""

    def url(self, cast: Cast) -> str:
        return reverse("patients:add_care_team_member", args=[cast.pat.pk])

    def send(self, cast: Cast, clock: Any, settings: Any, data: dict[str, str], **headers: str) -> Client:
        client = come_in(cast.theo, settings)
        clock.shift(16 * MINUTE)
        response = client.post(self.url(cast), data, headers=headers)
        assert response.headers.get("Location") == reverse("account_login")
        return client

    def test_the_page_it_was_on(self, cast: Cast, clock: Any, settings: Any) -> None:
        page = reverse("patients:care_team", args=[cast.pat.pk])
        client = self.send(cast, clock, settings, {"user": str(cast.nils.pk)}, referer=f"http://testserver{page}")
        assert "Nothing was changed: sign in again" in client.get(reverse("account_login")).content.decode()
        assert sign_in(client, cast.theo).headers["Location"] == page
        shown = client.get(page).content.decode()
        assert "press it again if it is still wanted" in shown
        assert f'data-kept-form="{self.url(cast)}"' in shown

    @pytest.mark.parametrize("referer", ["", "https://evil.example/patients/", "http://testserver//evil.example/", "x"])
    def test_a_page_of_its_own_when_nobody_says_where(
        self, cast: Cast, clock: Any, settings: Any, referer: str
    ) -> None:
        client = self.send(cast, clock, settings, {"note": TEXT}, referer=referer)
        page = sign_in(client, cast.theo).headers["Location"]
        assert page == reverse("clinic:kept_form")
        assert "asks&lt;/b&gt; for Mondays" in client.get(page).content.decode()

    @pytest.mark.parametrize(
        "path",
        [
            "/account/login/",
            "/account/logout/",
            "/account/time-left/",
            "/account/kept-form/drop/",
            "/today/board/",
            "/healthz",
            "/nowhere/",
            "/\\\\evil.example/",
            "/%5Cevil.example/",
        ],
    )
    def test_what_is_no_page_of_ours_is_not_come_back_to(
        self, cast: Cast, clock: Any, settings: Any, path: str
    ) -> None:
        """The sign-in page sends on whoever is signed in: as the way back it would lead to itself for ever."""
        client = self.send(cast, clock, settings, {"note": TEXT}, referer=f"http://testserver{path}")
        assert sign_in(client, cast.theo).headers["Location"] == reverse("clinic:kept_form")

    def test_that_page_says_when_nothing_is_kept(self, cast: Cast, clock: Any, settings: Any) -> None:
        page = come_in(cast.frida, settings).get(reverse("clinic:kept_form")).content.decode()
        assert "Nothing is kept here" in page


class TestNobodyElse:
    def test_another_person_never_sees_it(self, cast: Cast, late: Client) -> None:
        assert sign_in(late, cast.felix).headers["Location"] == reverse("clinic:home")
        for url in (contact_url(cast), reverse("clinic:kept_form")):
            page = late.get(url).content.decode()
            assert "Robin" not in page
            assert "data-kept-form" not in page

    def test_and_after_another_person_it_is_gone_for_good(self, cast: Cast, late: Client) -> None:
        key = late.cookies["kept"].value
        sign_in(late, cast.felix)
        assert cache.get(keptforms._address(key)) is None
        late.post(reverse("account_logout"))
        sign_in(late, cast.frida)
        assert "Robin" not in late.get(contact_url(cast)).content.decode()

    def test_another_browser_does_not_have_it(self, cast: Cast, late: Client, settings: Any) -> None:
        other = come_in(cast.frida, settings)
        assert "Robin" not in other.get(contact_url(cast)).content.decode()

    def test_it_stands_nowhere_in_clear(self, cast: Cast, late: Client) -> None:
        cookie = late.cookies["kept"]
        assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 1800)
        assert "Robin" not in cookie.value + str(dict(late.session.items()))
        sealed = cache.get(keptforms._address(cookie.value))
        assert sealed
        assert "Robin" not in sealed
        assert not AuditEvent.objects.filter(details__icontains="Robin").exists()

    @pytest.mark.parametrize("key", ["", "x", "\x00", "a" * 4000, "../kept-form:x"])
    def test_a_made_up_key_opens_nothing(self, cast: Cast, late: Client, settings: Any, key: str) -> None:
        late.cookies["kept"] = key
        assert "What you typed is kept" not in late.get(reverse("account_login")).content.decode()
        assert sign_in(late, cast.frida).headers["Location"] == reverse("clinic:home")

    def test_a_key_that_was_taken_opens_nothing_to_another_person(
        self, cast: Cast, late: Client, settings: Any
    ) -> None:
        thief = come_in(cast.felix, settings)
        thief.cookies["kept"] = late.cookies["kept"].value
        assert "Robin" not in thief.get(contact_url(cast)).content.decode()
        thief.post(reverse("clinic:drop_kept_form"))
        sign_in(late, cast.frida)
        assert "Robin" in late.get(contact_url(cast)).content.decode(), "nor can they throw it away"

    def test_after_half_an_hour_it_is_gone(self, cast: Cast, late: Client, clock: Any) -> None:
        clock.shift(31 * MINUTE)
        assert sign_in(late, cast.frida).headers["Location"] == reverse("clinic:home")
        assert "Robin" not in late.get(contact_url(cast)).content.decode()

    def test_signing_out_on_purpose_keeps_nothing(self, cast: Cast, clock: Any, settings: Any) -> None:
        client = come_in(cast.frida, settings)
        client.post(reverse("account_logout"))
        response = client.post(contact_url(cast), TYPED, follow=True)
        assert "what you typed could not be kept" in response.content.decode()
        assert "kept" not in client.cookies

    def test_a_stranger_leaves_nothing(self, cast: Cast) -> None:
        client = Client()
        response = client.post(contact_url(cast), TYPED)
        assert response.headers["Location"].startswith(reverse("account_login"))
        assert "kept" not in client.cookies

    def test_what_one_may_not_open_any_more_stays_closed(self, cast: Cast, late: Client) -> None:
        """The form's page answers 404; only one's own words are shown on it."""
        from clinic.models import Membership

        Membership.objects.filter(user=cast.frida).update(location=cast.phoenix)
        sign_in(late, cast.frida)
        response = late.get(contact_url(cast))
        assert response.status_code == 404
        assert "Robin Moreau" in response.content.decode()
        assert "Pat" not in response.content.decode().replace("Patient", "")


class TestWhatIsNotKept:
    @pytest.mark.parametrize(
        "name",
        [
            "password",
            "password_again",
            "new-password",
            "code",
            "recovery_code",
            "csrfmiddlewaretoken",
            "pin",
            "api_token",
        ],
    )
    def test_secrets(self, cast: Cast, clock: Any, settings: Any, name: str) -> None:
        client = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        client.post(contact_url(cast), {**TYPED, name: "s3cret"})
        sign_in(client, cast.frida)
        page = client.get(contact_url(cast)).content.decode()
        assert "Robin Moreau" in page
        assert "s3cret" not in page

    @pytest.mark.parametrize("name", ["postcode", "pinned", "name", "discount_codes_"])
    def test_what_only_sounds_like_one(self, name: str) -> None:
        assert not keptforms.is_secret(name)

    def test_every_password_of_ours_is_known_by_its_name(self) -> None:
        found = set()
        for app in ("clinic", "patients", "sessions"):
            package = importlib.import_module(f"{app}.forms")
            for module in pkgutil.iter_modules(package.__path__):
                for _name, kind in inspect.getmembers(
                    importlib.import_module(f"{app}.forms.{module.name}"), inspect.isclass
                ):
                    for name, field in getattr(kind, "base_fields", {}).items():
                        if isinstance(field.widget, forms.PasswordInput):
                            found.add(name)
        assert found >= {"password", "password_again"}
        assert all(keptforms.is_secret(name) for name in found)

    def test_the_forms_of_signing_in(self, cast: Cast, clock: Any, settings: Any) -> None:
        client = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        client.post(reverse("account_change_password"), {"oldpassword": "a", "password1": "b", "remark": "words"})
        assert "kept" not in client.cookies

    def test_more_than_fits(self, cast: Cast, clock: Any, settings: Any) -> None:
        client = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        response = client.post(contact_url(cast), {"note": "x" * keptforms.MOST}, follow=True)
        assert "could not be kept" in response.content.decode()

    def test_more_often_than_anybody_types(self, cast: Cast, clock: Any, settings: Any) -> None:
        """Redis holds the sessions, the limits of signing in and the queue: one person's late forms must not fill it."""
        client, url = come_in(cast.pat_user, settings), reverse("patients:ask_address_change")
        clock.shift(21 * MINUTE)
        kept = set()
        for _time in range(4 * keptforms.MOST_AT_ONCE):
            client.cookies.pop("kept", None)
            client.post(url, {"email": "pat.new@post.example"})
            kept.add(client.cookies["kept"].value if "kept" in client.cookies else "")
        assert len([key for key in kept if key and cache.get(keptforms._address(key))]) == keptforms.MOST_AT_ONCE
        other = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        other.post(contact_url(cast), TYPED)
        assert "kept" in other.cookies, "another person's is kept as ever"

    def test_without_redis(self, cast: Cast, clock: Any, settings: Any) -> None:
        client = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        with mock.patch.object(keptforms, "cache") as away:
            away.set.side_effect = RedisAway
            response = client.post(contact_url(cast), TYPED)
        assert response.headers["Location"].startswith(reverse("account_login"))
        assert "kept" not in client.cookies

    def test_a_lost_key_loses_it_and_breaks_nothing(self, cast: Cast, late: Client, settings: Any) -> None:
        settings.FIELD_KEYS = ["3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
        assert sign_in(late, cast.frida).headers["Location"] == reverse("clinic:home")

    def test_a_forged_form_is_not_kept(self, cast: Cast, clock: Any, settings: Any) -> None:
        browser = come_in(cast.frida, settings)
        clock.shift(16 * MINUTE)
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        assert strict.post(contact_url(cast), TYPED).status_code == 403
        assert "kept" not in strict.cookies
