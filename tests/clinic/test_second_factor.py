"""A lost second factor, reset by a manager with a reason; and what leaves it standing."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client
from django.urls import reverse

from clinic import letters
from clinic.actions import people
from clinic.models import AuditEvent, OutboundMessage, Role, User
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ASKED = {"why": "lost", "checked": "in_person"}


def with_app(user: User) -> User:
    TOTP.activate(user, SECRET)
    RecoveryCodes.activate(user)
    return user


def reset(client: Client, who: User, **data: str) -> Any:
    return client.post(reverse("clinic:reset_second_factor", args=[who.pk]), {**ASKED, **data})


class TestReset:
    def test_removes_it_ends_sessions_and_tells_them(self, cast: Cast, signed_in: SignedIn) -> None:
        frida = with_app(cast.frida)
        ada, hers = signed_in(cast.ada), signed_in(frida)
        assert hers.get(reverse("clinic:worklist")).status_code == 200
        assert reset(ada, frida).status_code == 302
        assert not Authenticator.objects.filter(user=frida).exists()
        assert hers.get(reverse("clinic:worklist")).status_code == 302, "at once"
        row = AuditEvent.objects.get(verb="second_factor.reset")
        assert (row.actor_id, row.subject_id) == (cast.ada.pk, frida.pk)
        assert row.details == {"why": "lost", "checked": "in_person", "removed": 2}
        message = OutboundMessage.objects.get(kind="security_notice")
        text = letters.render(message).text
        assert message.address == frida.email
        assert "A manager removed the second factor" in text
        assert letters.revealing_words(text) == []
        fresh = Client()
        fresh.force_login(User.objects.get(pk=frida.pk))
        assert fresh.get(reverse("clinic:worklist")).headers["Location"] == reverse("mfa_index"), "they enrol anew"

    @pytest.mark.parametrize("data", [{"why": ""}, {"checked": ""}, {"why": "because"}])
    def test_never_without_a_reason(self, cast: Cast, signed_in: SignedIn, data: dict[str, str]) -> None:
        with_app(cast.frida)
        assert reset(signed_in(cast.ada), cast.frida, **data).status_code == 422
        assert Authenticator.objects.filter(user=cast.frida).exists()

    def test_not_ones_own(self, cast: Cast, signed_in: SignedIn) -> None:
        with_app(cast.ada)
        response = reset(signed_in(cast.ada), cast.ada)
        assert response.status_code == 422
        assert "own account" in response.content.decode()
        assert Authenticator.objects.filter(user=cast.ada).exists()

    def test_not_of_somebody_who_left(self, cast: Cast, signed_in: SignedIn) -> None:
        people.leave(by=cast.ada, person=cast.nils, now=make.NOON)
        response = reset(signed_in(cast.ada), cast.nils)
        assert response.status_code == 422
        assert "They have left" in response.content.decode()

    @pytest.mark.parametrize(("who", "status"), [("frida", 403), ("dana", 403), ("petra", 403), ("olga", 403)])
    def test_a_managers_act(self, cast: Cast, signed_in: SignedIn, who: str, status: int) -> None:
        with_app(cast.felix)
        assert reset(signed_in(getattr(cast, who)), cast.felix).status_code == status
        assert Authenticator.objects.filter(user=cast.felix).exists()

    def test_of_ones_own_location(self, cast: Cast, signed_in: SignedIn) -> None:
        """Ada manages Denver and is front desk in Phoenix, where Olga works."""
        with_app(cast.olga)
        assert reset(signed_in(cast.ada), cast.olga).status_code == 404
        assert reset(signed_in(cast.ada), cast.pat_user).status_code == 404
        assert Authenticator.objects.filter(user=cast.olga).exists()
        make.make_member(cast.olga, cast.denver, Role.FRONT_DESK)
        assert reset(signed_in(cast.ada), cast.olga).status_code == 302


class TestOwnPages:
    def test_enrolling_shows_a_picture_and_then_codes(self, cast: Cast) -> None:
        client = Client()
        client.force_login(cast.frida)
        client.get(reverse("mfa_index"))
        page = client.get(reverse("mfa_activate_totp")).content.decode()
        assert 'src="data:image/svg+xml;base64,' in page
        refused = client.post(reverse("mfa_activate_totp"), {"code": "000000"})
        assert refused.status_code == 422
        assert not Authenticator.objects.filter(user=cast.frida).exists()

    def test_a_passkey_that_is_not_one_is_refused(self, cast: Cast) -> None:
        client = Client()
        client.force_login(cast.frida)
        client.get(reverse("mfa_add_webauthn"))
        for credential in ("", "{}", '{"id": "x"}', "not json"):
            response = client.post(reverse("mfa_add_webauthn"), {"name": "x", "credential": credential})
            assert response.status_code == 422, credential
        assert not Authenticator.objects.filter(user=cast.frida).exists()

    @pytest.mark.parametrize("credential", ["", "{}", '{"response": {}}', '{"response": {"userHandle": "AAAA"}}', "[]"])
    def test_a_made_up_passkey_lets_nobody_in(self, cast: Cast, credential: str) -> None:
        client = Client()
        client.get(reverse("mfa_login_webauthn"), headers={"Accept": "application/json"})
        response = client.post(reverse("mfa_login_webauthn"), {"credential": credential})
        assert response.headers["Location"] == reverse("account_login")
        assert "_auth_user_id" not in client.session

    def test_somebody_elses_passkey_is_not_found(self, cast: Cast, signed_in: SignedIn) -> None:
        theirs = Authenticator.objects.create(user=cast.felix, type="webauthn", data={"name": "x", "credential": {}})
        client = Client()
        client.force_login(cast.frida)
        for name in ("mfa_edit_webauthn", "mfa_remove_webauthn"):
            response = client.post(reverse(name, args=[theirs.pk]), {"name": "mine"})
            assert response.status_code in {302, 404}
        theirs.refresh_from_db()
        assert theirs.data["name"] == "x"
