"""Who gets in by which way, and who does not, whatever they try."""

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from unittest import mock

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from redis.exceptions import ConnectionError as RedisAway

from clinic import letters, tokens
from clinic.actions import people
from clinic.models import AuditEvent, Membership, OutboundMessage, Role, User
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

PASSWORD = "four words nobody guesses"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def no_worker() -> Iterator[mock.MagicMock]:
    with mock.patch("clinic.poke.post_office") as poke:
        yield poke


def with_password(user: User) -> User:
    user.password = make_password(PASSWORD)
    user.save(update_fields=["password"])
    return user


def with_app(user: User) -> User:
    """Enrol an authenticator app and recovery codes, as the pages do."""
    TOTP.activate(user, SECRET)
    RecoveryCodes.activate(user)
    return user


def code_now() -> str:
    return str(format_hotp_value(hotp_value(SECRET, next(iter(yield_hotp_counters_from_time())))))


def sign_in(client: Client, email: str, password: str = PASSWORD, **extra: str):
    return client.post(reverse("account_login"), {"login": email, "password": password, **extra})


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def ask_for_code(client: Client, email: str):
    return client.post(reverse("account_request_login_code"), {"email": email})


def letters_of(kind: str) -> list[OutboundMessage]:
    return list(OutboundMessage.objects.filter(kind=kind).order_by("queued_at", "id"))


def code_of(message: OutboundMessage) -> str:
    found = re.search(r"^\s*([A-Z0-9]{3,5}-?[A-Z0-9]{3,5})\s*$", letters.render(message).text, re.MULTILINE)
    assert found, letters.render(message).text
    return found[1]


class TestStaff:
    def test_password_and_app(self, cast: Cast) -> None:
        frida, client = with_app(with_password(cast.frida)), Client()
        before = client.get(reverse("account_login")).status_code
        response = sign_in(client, "frida@juniper.example")
        assert (before, response.status_code) == (200, 302)
        assert response.headers["Location"] == reverse("mfa_authenticate")
        assert not is_in(client), "the password alone opens nothing"
        for url in ("clinic:home", "clinic:my_sessions"):
            assert client.get(reverse(url)).status_code == 302
        response = client.post(reverse("mfa_authenticate"), {"code": code_now()})
        assert response.headers["Location"] == reverse("clinic:home")
        assert is_in(client)
        row = AuditEvent.objects.get(verb="session.signed_in")
        assert row.actor_id == frida.pk
        assert row.details == {"ways": ["password", "totp"]}
        assert UserSession.objects.filter(user=frida).count() == 1

    def test_recovery_code_works_once(self, cast: Cast) -> None:
        frida = with_app(with_password(cast.frida))
        code = Authenticator.objects.get(user=frida, type="recovery_codes").wrap().get_unused_codes()[0]
        for expected in (True, False):
            client = Client()
            sign_in(client, frida.email)
            client.post(reverse("mfa_authenticate"), {"code": code})
            assert is_in(client) is expected

    def test_the_sealed_secret_is_not_in_the_table(self, cast: Cast) -> None:
        stored = Authenticator.objects.get(user=with_app(cast.frida), type="totp").data["secret"]
        assert SECRET not in stored

    def test_without_a_factor_only_enrolment_is_open(self, cast: Cast) -> None:
        client = Client()
        sign_in(client, with_password(cast.frida).email)
        assert is_in(client)
        for url in ("clinic:home", "patients:referrals", "clinic:my_sessions", "account_change_password"):
            response = client.get(reverse(url))
            assert (response.status_code, response.headers["Location"]) == (302, reverse("mfa_index")), url
        page = client.get(reverse("mfa_index")).content.decode()
        assert "One more step" in page
        assert 'class="rail"' not in page, "no way to anywhere else is offered"
        assert client.get(reverse("mfa_activate_totp")).status_code == 200, "no second password just after the first"

    def test_removing_the_last_factor_closes_the_fence(self, cast: Cast, signed_in: SignedIn) -> None:
        client = Client()
        sign_in(client, with_app(with_password(cast.frida)).email)
        client.post(reverse("mfa_authenticate"), {"code": code_now()})
        assert client.get(reverse("clinic:my_sessions")).status_code == 200
        cache.clear()
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
        client.post(reverse("mfa_deactivate_totp"))
        assert not Authenticator.objects.filter(user=cast.frida).exists()
        assert client.get(reverse("clinic:my_sessions")).headers["Location"] == reverse("mfa_index")
        assert AuditEvent.objects.filter(verb="second_factor.removed", actor_id=cast.frida.pk).exists()

    def test_a_change_asks_for_the_password_again(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(with_app(with_password(cast.frida)))
        response = client.get(reverse("mfa_deactivate_totp"))
        assert response.headers["Location"].startswith(reverse("account_reauthenticate"))
        refused = client.post(reverse("account_reauthenticate"), {"password": "wrong"})
        assert refused.status_code == 422

    def test_the_wrong_password_is_refused_and_audited(self, cast: Cast) -> None:
        response = sign_in(Client(), with_password(cast.frida).email, "wrong")
        assert response.status_code == 422
        assert "do not belong together" in response.content.decode()
        row = AuditEvent.objects.get(verb="session.sign_in_failed")
        assert (row.actor_id, row.subject_id, row.outcome) == (None, cast.frida.pk, "refused")
        assert "frida" not in str(row.details)

    def test_known_and_unknown_addresses_hear_the_same(self, cast: Cast) -> None:
        with_password(cast.frida)
        answers = []
        for email in ("frida@juniper.example", "nobody@juniper.example"):
            page = sign_in(Client(), email, "wrong").content.decode().replace(email, "X")
            answers.append(re.sub(r'csrf\w*"? value="[^"]+"|"X-CSRFToken": "[^"]+"', "", page))
        assert answers[0] == answers[1]

    def test_somebody_who_left_is_told_and_stays_out(self, cast: Cast) -> None:
        with_password(cast.frida)
        cast.frida.is_active = False
        cast.frida.save(update_fields=["is_active"])
        client = Client()
        response = sign_in(client, cast.frida.email)
        assert response.headers["Location"] == reverse("account_inactive")
        assert not is_in(client)

    def test_locked_out_after_five_wrong_passwords_also_with_the_right_one(self, cast: Cast) -> None:
        with_password(cast.frida)
        for _attempt in range(5):
            sign_in(Client(), cast.frida.email, "wrong")
        client = Client(REMOTE_ADDR="203.0.113.9")
        response = sign_in(client, cast.frida.email)
        assert "tried too often" in response.content.decode()
        assert not is_in(client)
        assert AuditEvent.objects.filter(verb="session.sign_in_failed").count() == 5, "a flood is not a flood of rows"

    def test_one_address_is_stopped_whatever_accounts_it_tries(self, cast: Cast) -> None:
        with_password(cast.frida)
        for number in range(10):
            sign_in(Client(REMOTE_ADDR="203.0.113.9"), f"guess{number}@juniper.example", "wrong")
        stopped = Client(REMOTE_ADDR="203.0.113.9")
        sign_in(stopped, cast.frida.email)
        elsewhere = Client(REMOTE_ADDR="203.0.113.10")
        sign_in(elsewhere, cast.frida.email)
        assert (is_in(stopped), is_in(elsewhere)) == (False, True)

    def test_wrong_factors_are_counted_too(self, cast: Cast) -> None:
        frida, client = with_app(with_password(cast.frida)), Client()
        sign_in(client, frida.email)
        for _attempt in range(5):
            client.post(reverse("mfa_authenticate"), {"code": "000000"})
        response = client.post(reverse("mfa_authenticate"), {"code": code_now()})
        assert "tried too often" in response.content.decode()
        assert not is_in(client)
        assert AuditEvent.objects.filter(verb="session.sign_in_failed", details={"how": "totp"}).count() == 5

    def test_nobody_is_let_in_while_nobody_counts(self, cast: Cast) -> None:
        with_password(cast.frida)
        client = Client()
        with mock.patch("allauth.core.internal.ratelimit.cache.add", side_effect=RedisAway):
            response = sign_in(client, cast.frida.email)
        assert response.status_code == 503
        assert "not possible for a moment" in response.content.decode()
        assert not is_in(client)

    def test_the_session_gets_a_new_id(self, cast: Cast) -> None:
        client = Client()
        client.get(reverse("account_login"), {"next": "/office/"})
        session = client.session
        session["planted"] = True
        session.save()
        before = session.session_key
        client.cookies["session"] = str(before)
        sign_in(client, with_password(cast.frida).email)
        assert is_in(client)
        assert client.session.session_key != before
        assert not Session.objects.filter(session_key=before).exists()


class TestStaffByCode:
    """D1, trap 13: an e-mailed code is no way in for staff, enrolled or not."""

    @pytest.mark.parametrize("enrolled", [False, True])
    def test_no_code_and_the_same_answer_as_a_stranger(self, cast: Cast, enrolled: bool) -> None:
        if enrolled:
            with_app(cast.frida)
        pages = []
        for email in (cast.frida.email, "nobody@juniper.example"):
            client = Client()
            response = ask_for_code(client, email)
            assert (response.status_code, response.headers["Location"]) == (302, reverse("account_confirm_login_code"))
            page = client.get(response.headers["Location"]).content.decode().replace(email, "X")
            pages.append(re.sub(r'csrf\w*"? value="[^"]+"|"X-CSRFToken": "[^"]+"', "", page))
            for code in ("", "AAAA-AAAA"):
                client.post(reverse("account_confirm_login_code"), {"code": code})
            assert not is_in(client)
        assert pages[0] == pages[1]
        assert not OutboundMessage.objects.exists()

    def test_a_second_letter_cannot_be_forced(self, cast: Cast) -> None:
        client = Client()
        ask_for_code(client, cast.frida.email)
        response = client.post(reverse("account_confirm_login_code"), {"action": "resend"})
        assert response.status_code == 422
        assert not OutboundMessage.objects.exists()

    def test_even_a_form_that_gave_staff_a_code_lets_nobody_in(self, cast: Cast) -> None:
        client = Client()
        with mock.patch("clinic.forms.accounts.RequestLoginCodeForm.clean_email", autospec=True) as clean:

            def give_a_code(form: object) -> str:
                form._user = cast.frida  # type: ignore[attr-defined]  # what the library reads
                return cast.frida.email

            clean.side_effect = give_a_code
            ask_for_code(client, cast.frida.email)
        response = client.post(reverse("account_confirm_login_code"), {"code": code_of(letters_of("sign_in_code")[0])})
        assert response.headers["Location"] == reverse("account_login")
        assert not is_in(client)
        assert AuditEvent.objects.filter(verb="session.sign_in_failed", details={"how": "wrong_way"}).exists()


class TestPatients:
    def test_a_code_by_mail(self, cast: Cast, no_worker: mock.MagicMock) -> None:
        client = Client()
        ask_for_code(client, "Pat@post.example")
        (letter,) = letters_of("sign_in_code")
        assert letter.is_urgent
        assert letter.address == "pat@post.example"
        # On Pat's own trail, which goes by the record and not by the sign-in.
        assert letter.recipient_id == cast.pat.pk
        assert AuditEvent.objects.get(verb="message.queued", subject_id=letter.pk).patient_id == cast.pat.pk
        rendered = letters.render(letter)
        assert rendered.subject == "A message from Juniper Street"
        assert letters.revealing_words(rendered.text) == []
        code = code_of(letter)
        assert code not in letter.secret
        no_worker.assert_called_once()
        response = client.post(reverse("account_confirm_login_code"), {"code": code})
        assert response.headers["Location"] == reverse("clinic:home")
        assert is_in(client)
        assert AuditEvent.objects.get(verb="session.signed_in").details == {"ways": ["code"]}

    def test_the_letter_bears_the_name_of_their_own_location(self, cast: Cast) -> None:
        cast.phoenix.alias = "Saguaro Way"
        cast.phoenix.save(update_fields=["alias"])
        ask_for_code(Client(), cast.sol_user.email)
        (letter,) = letters_of("sign_in_code")
        assert letters.render(letter).subject == "A message from Saguaro Way"
        assert letter.time_zone == "America/Phoenix"

    def test_the_session_never_knows_the_code(self, cast: Cast) -> None:
        """Neither Redis nor the table of sessions gives a way in to whoever reads them."""
        client = Client()
        ask_for_code(client, "pat@post.example")
        stored = str(dict(client.session.items()))
        code = code_of(letters_of("sign_in_code")[0])
        assert code not in stored
        assert code.replace("-", "").lower() not in stored.lower()
        assert hashlib.sha256(code.replace("-", "").lower().encode()).hexdigest() not in stored, (
            "a bare hash is guessed"
        )
        kept = tokens.hash_of_code(code)
        assert kept in stored
        assert client.post(reverse("account_confirm_login_code"), {"code": kept}).status_code == 422
        client.post(reverse("account_confirm_login_code"), {"code": f" {code.replace('-', ' ').lower()} "})
        assert is_in(client), "spaces and small letters are the same code"

    def test_a_stranger_has_no_code_that_fits(self, cast: Cast) -> None:
        client = Client()
        ask_for_code(client, "nobody@post.example")
        for code in ("", "-", tokens.hash_of_code("")):
            assert client.post(reverse("account_confirm_login_code"), {"code": code}).status_code in (302, 422), code
        assert not is_in(client)

    def test_two_codes_are_two_letters_and_the_first_is_void(self, cast: Cast) -> None:
        first, second = Client(), Client()
        for client in (first, second):
            ask_for_code(client, "pat@post.example")
        one, two = letters_of("sign_in_code")
        response = second.post(reverse("account_confirm_login_code"), {"code": code_of(one)})
        assert response.status_code == 422
        second.post(reverse("account_confirm_login_code"), {"code": code_of(two)})
        assert is_in(second)

    def test_three_wrong_codes_end_it(self, cast: Cast) -> None:
        client = Client()
        ask_for_code(client, "pat@post.example")
        code = code_of(letters_of("sign_in_code")[0])
        for _attempt in range(3):
            client.post(reverse("account_confirm_login_code"), {"code": "ZZZZ-ZZZZ"})
        client.post(reverse("account_confirm_login_code"), {"code": code})
        assert not is_in(client)
        assert AuditEvent.objects.filter(verb="session.sign_in_failed", details={"how": "code"}).count() == 3

    def test_codes_run_out(self, cast: Cast) -> None:
        client = Client()
        ask_for_code(client, "pat@post.example")
        code = code_of(letters_of("sign_in_code")[0])
        with mock.patch("allauth.account.internal.flows.code_verification.time.time", return_value=4_000_000_000.0):
            client.post(reverse("account_confirm_login_code"), {"code": code})
        assert not is_in(client)

    def test_too_many_codes(self, cast: Cast) -> None:
        for _attempt in range(7):
            response = ask_for_code(Client(), "pat@post.example")
        assert "tried too often" in response.content.decode()
        assert len(letters_of("sign_in_code")) == 5

    def test_a_passkey_does_not_lock_the_code_out(self, cast: Cast) -> None:
        Authenticator.objects.create(user=cast.pat_user, type="webauthn", data={"name": "phone", "credential": {}})
        client = Client()
        ask_for_code(client, "pat@post.example")
        client.post(reverse("account_confirm_login_code"), {"code": code_of(letters_of("sign_in_code")[0])})
        assert is_in(client)

    def test_never_by_password(self, cast: Cast) -> None:
        client = Client()
        sign_in(client, with_password(cast.pat_user).email)
        assert not is_in(client)
        assert AuditEvent.objects.filter(verb="session.sign_in_failed", details={"how": "wrong_way"}).exists()

    def test_no_link_for_a_password(self, cast: Cast) -> None:
        response = Client().post(reverse("account_reset_password"), {"email": "pat@post.example"})
        assert response.headers["Location"] == reverse("account_reset_password_done")
        assert not OutboundMessage.objects.exists()

    @pytest.mark.parametrize("url", ["account_change_password", "mfa_activate_totp", "mfa_view_recovery_codes"])
    def test_staff_pages_are_closed(self, cast: Cast, signed_in: SignedIn, url: str) -> None:
        assert signed_in(cast.pat_user).get(reverse(url)).status_code == 403

    def test_own_page(self, cast: Cast, signed_in: SignedIn) -> None:
        page = signed_in(cast.pat_user).get(reverse("mfa_index")).content.decode()
        assert "Passkeys" in page
        assert "Authenticator app" not in page

    def test_an_old_address_is_no_way_in(self, cast: Cast) -> None:
        cast.pat_user.email = "pat.new@post.example"
        cast.pat_user.save(update_fields=["email"])
        ask_for_code(Client(), "pat@post.example")
        assert not OutboundMessage.objects.exists()
        ask_for_code(Client(), "pat.new@post.example")
        assert len(letters_of("sign_in_code")) == 1
        assert not EmailAddress.objects.exists(), "addresses have one home"

    def test_suspended_patients_get_nothing(self, cast: Cast) -> None:
        cast.pat_user.is_active = False
        cast.pat_user.save(update_fields=["is_active"])
        ask_for_code(Client(), "pat@post.example")
        assert not OutboundMessage.objects.exists()


class TestPasswordReset:
    def link(self, user: User) -> str:
        Client().post(reverse("account_reset_password"), {"email": user.email})
        text = letters.render(letters_of("password_reset")[-1]).text
        found = re.search(r"https?://\S+", text)
        assert found
        return found[0]

    def test_a_new_password_still_needs_the_factor(self, cast: Cast) -> None:
        frida = with_app(with_password(cast.frida))
        link = self.link(frida)
        assert link.startswith(settings.SITE_URL + "/account/password/reset/key/")
        client = Client()
        form = client.get(link.removeprefix(settings.SITE_URL))
        weak = client.post(form.headers["Location"], {"password1": "short", "password2": "short"})
        assert weak.status_code == 422
        new = "another four words here"
        done = client.post(form.headers["Location"], {"password1": new, "password2": new})
        assert done.headers["Location"] == reverse("account_reset_password_from_key_done")
        assert not is_in(client), "a letter alone never signs anybody in"
        sign_in(client, frida.email, new)
        assert not is_in(client)
        client.post(reverse("mfa_authenticate"), {"code": code_now()})
        assert is_in(client)
        assert [m.kind for m in OutboundMessage.objects.order_by("id")] == ["password_reset", "security_notice"]
        again = Client().get(link.removeprefix(settings.SITE_URL))
        assert "used already" in again.content.decode()
        assert not EmailAddress.objects.exists(), "addresses have one home"

    def test_a_poisoned_host_does_not_get_into_the_letter(self, cast: Cast) -> None:
        with_app(with_password(cast.frida))
        response = Client().post(
            reverse("account_reset_password"), {"email": cast.frida.email}, headers={"host": "evil.example"}
        )
        assert response.status_code == 400
        assert not OutboundMessage.objects.exists()
        assert "evil" not in self.link(cast.frida)

    def test_without_a_second_factor_there_is_no_link(self, cast: Cast) -> None:
        """Who reads their mail could otherwise set a password and then a factor of their own."""
        with_password(cast.felix)
        response = Client().post(reverse("account_reset_password"), {"email": cast.felix.email})
        assert response.headers["Location"] == reverse("account_reset_password_done"), "the answer tells nothing"
        assert not OutboundMessage.objects.exists()
        with_app(cast.felix)
        assert self.link(cast.felix)

    def test_who_has_set_no_password_yet_gets_their_link_again(self, cast: Cast) -> None:
        """The founders of a clinic are invited by this letter."""
        cast.ada.set_unusable_password()
        cast.ada.save(update_fields=["password"])
        assert self.link(cast.ada)

    def test_a_manager_who_reset_the_factor_has_opened_the_way_for_three_days(self, cast: Cast) -> None:
        with time_machine.travel(make.NOON, tick=False) as clock:
            with_app(with_password(cast.felix))
            with_password(cast.frida)
            people.reset_second_factor(
                by=cast.ada, person=cast.felix, why=people.Why.LOST, checked=people.Checked.IN_PERSON, now=make.NOON
            )
            for person in (cast.felix, cast.frida):
                Client().post(reverse("account_reset_password"), {"email": person.email})
            assert [letter.recipient_id for letter in letters_of("password_reset")] == [cast.felix.pk]
            clock.shift(timedelta(days=3, seconds=1))
            cache.clear()
            Client().post(reverse("account_reset_password"), {"email": cast.felix.email})
            assert len(letters_of("password_reset")) == 1, "not for ever"

    def test_the_answer_is_the_same_for_everybody(self, cast: Cast) -> None:
        for email in (cast.frida.email, cast.pat_user.email, "nobody@juniper.example"):
            response = Client().post(reverse("account_reset_password"), {"email": email})
            assert response.headers["Location"] == reverse("account_reset_password_done")

    def test_too_many_links(self, cast: Cast) -> None:
        with_app(cast.frida)
        for _attempt in range(5):
            response = Client().post(reverse("account_reset_password"), {"email": cast.frida.email})
        assert response.status_code == 429
        assert "too often" in response.content.decode()
        assert len(letters_of("password_reset")) == 3


class TestDoors:
    @pytest.mark.parametrize(
        "path", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
    )
    def test_no_open_redirect(self, cast: Cast, path: str) -> None:
        with_password(cast.frida)
        response = sign_in(Client(), cast.frida.email, next=path)
        assert response.headers["Location"] == reverse("clinic:home")
        client = Client()
        client.force_login(cast.frida)
        assert client.post(reverse("account_logout"), {"next": path}).headers["Location"] == "/"

    def test_signing_out_takes_a_post(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        assert client.get(reverse("account_logout")).status_code == 200
        assert is_in(client)
        key = client.session.session_key
        client.post(reverse("account_logout"))
        assert not is_in(client)
        assert not Session.objects.filter(session_key=key).exists()
        assert AuditEvent.objects.filter(verb="session.signed_out", actor_id=cast.frida.pk).exists()

    def test_csrf(self, cast: Cast) -> None:
        client = Client(enforce_csrf_checks=True)
        for name in ("account_login", "account_logout", "account_request_login_code", "account_reset_password"):
            assert client.post(reverse(name), {}).status_code == 403, name

    def test_nobody_signs_up(self, cast: Cast) -> None:
        count = User.objects.count()
        assert "Nobody signs up here alone" in Client().get(reverse("account_signup")).content.decode()
        posted = Client().post(reverse("account_signup"), {"email": "new@post.example", "password1": PASSWORD})
        assert posted.status_code == 405
        assert User.objects.count() == count

    @pytest.mark.parametrize(
        "name", ["account_email", "account_set_password", "account_confirm_email", "mfa_trust", "usersessions_list"]
    )
    def test_what_we_do_not_serve(self, db: None, name: str) -> None:
        with pytest.raises(NoReverseMatch):
            reverse(name)
        assert Client().get("/account/email/").status_code == 404

    def test_extra_fields_change_nothing(self, cast: Cast) -> None:
        """D2: identity is never taken from the form."""
        frida, client = with_password(cast.frida), Client()
        sent = {"user": str(cast.ada.pk), "email": "ada@juniper.example", "is_staff": "1", "kind": "system"}
        client.post(reverse("account_login"), {"login": frida.email, "password": PASSWORD, **sent})
        assert client.session["_auth_user_id"] == str(frida.pk)
        frida.refresh_from_db()
        assert (frida.kind, frida.email) == ("staff", "frida@juniper.example")

    def test_every_public_flow_leaves_one_a_stranger(self, cast: Cast) -> None:
        """D1: walking into every flow and stopping half-way opens nothing."""
        client = Client()
        with_app(with_password(cast.frida))
        ask_for_code(client, "pat@post.example")
        client.post(reverse("account_reset_password"), {"email": cast.frida.email})
        client.get(reverse("account_signup"))
        sign_in(client, cast.frida.email)
        for name in ("clinic:home", "mfa_index", "clinic:my_sessions", "account_change_password", "mfa_add_webauthn"):
            response = client.get(reverse(name))
            assert response.status_code == 302, name
            assert (
                "welcome" in response.headers["Location"]
                or "/login/" in response.headers["Location"]
                or (response.headers["Location"] == reverse("patients:welcome"))
            ), name

    def test_every_page_is_private_and_strict(self, cast: Cast) -> None:
        for name in ("account_login", "account_request_login_code", "account_reset_password", "account_signup"):
            response = Client().get(reverse(name))
            assert "no-store" in response.headers["Cache-Control"], name
            page = response.content.decode()
            assert not re.search(r"<[^>]+\s(style|on\w+)=", page), name


class TestDemo:
    def test_outside_the_demo_there_is_nothing(self, cast: Cast) -> None:
        client = Client()
        assert client.post(reverse("clinic:continue_as"), {"person": str(cast.frida.pk)}).status_code == 404
        assert client.get(reverse("clinic:continue_as")).status_code == 405
        assert "Continue as" not in client.get(reverse("account_login")).content.decode()
        assert not is_in(client)

    def test_continue_as_frida(self, cast: Cast, settings) -> None:
        settings.DEMO_MODE = True
        client = Client()
        page = client.get(reverse("account_login")).content.decode()
        assert "Continue as Frida (front desk)" in page
        assert "Sam" not in page
        response = client.post(reverse("clinic:continue_as"), {"person": str(cast.frida.pk)})
        assert response.headers["Location"] == reverse("clinic:home")
        assert client.session["_auth_user_id"] == str(cast.frida.pk)
        assert client.get(reverse("clinic:my_sessions")).status_code == 200, "no second factor in the demo"
        assert AuditEvent.objects.filter(verb="session.signed_in", actor_id=cast.frida.pk).exists()

    def test_every_patient_who_is_on_the_portal_has_a_card(self, cast: Cast, settings) -> None:
        settings.DEMO_MODE = True
        page = Client().get(reverse("account_login")).content.decode()
        assert all(f"Continue as {name} (patient)" in page for name in ("Pat", "Quinn", "Sol"))

    @pytest.mark.parametrize("first", [Role.MANAGER, Role.FRONT_DESK])
    def test_two_roles_of_one_day_have_one_order(self, cast: Cast, settings, first: Role) -> None:
        """Olga's card says the same whichever row the database returns first."""
        settings.DEMO_MODE = True
        Membership.objects.filter(user=cast.olga).update(role=first)
        other = {Role.MANAGER: Role.FRONT_DESK, Role.FRONT_DESK: Role.MANAGER}[first]
        make.make_member(cast.olga, cast.phoenix, other)
        assert Membership.objects.filter(user=cast.olga).values("started_at").distinct().count() == 1
        assert "Continue as Olga (front desk)" in Client().get(reverse("account_login")).content.decode()

    def test_continue_as_pat(self, cast: Cast, settings) -> None:
        settings.DEMO_MODE = True
        client = Client()
        client.post(reverse("clinic:continue_as"), {"person": str(cast.pat_user.pk), "next": "https://evil.example/"})
        assert client.session["_auth_user_id"] == str(cast.pat_user.pk)

    def test_only_the_cast(self, cast: Cast, settings) -> None:
        settings.DEMO_MODE = True
        real = User.objects.create(
            kind="staff", email="real@clinic.org", name="Real Person", password="!x", created_at=cast.frida.created_at
        )
        for person in (str(real.pk), str(cast.sam.pk), "", "not-an-id", "0" * 36):
            client = Client()
            assert client.post(reverse("clinic:continue_as"), {"person": person}).status_code == 404, person
            assert not is_in(client)

    def test_the_page_asks_the_database_as_often_for_many_people(
        self, cast: Cast, settings, django_assert_max_num_queries
    ) -> None:
        settings.DEMO_MODE = True
        with django_assert_max_num_queries(6):
            Client().get(reverse("account_login"))


@pytest.mark.django_db(transaction=True)
def test_after_enrolling_the_recovery_codes_are_shown_and_later_asked_for_again() -> None:
    """On a real commit, because allauth says what was added only then."""
    frida = with_password(make_cast().frida)
    with time_machine.travel(make.NOON, tick=False) as clock:
        client = Client()
        sign_in(client, frida.email)
        secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
        code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
        response = client.post(reverse("mfa_activate_totp"), {"code": code})
        assert response.headers["Location"] == reverse("mfa_view_recovery_codes")
        page = client.get(response.headers["Location"])
        assert len(page.context["unused_codes"]) == 10
        assert client.get(reverse("clinic:my_sessions")).status_code == 200, "the fence is open"
        clock.shift(timedelta(minutes=6))
        later = client.get(reverse("mfa_view_recovery_codes"))
        assert later.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert AuditEvent.objects.filter(verb="second_factor.added", actor_id=frida.pk).count() == 2
    assert OutboundMessage.objects.filter(kind="security_notice").count() == 1
