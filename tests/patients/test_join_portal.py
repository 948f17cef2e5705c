"""The link in the invitation: what it opens, for whom, and what it tells a stranger."""

import json
import re
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic import keyring
from clinic.models import AuditEvent, OutboundMessage, User, WorkItem
from patients.actions import portal
from patients.models import Patient, PortalInvitation
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

BORN = date(1990, 2, 28)


@pytest.fixture
def link(cast: Cast) -> str:
    """The address in the letter to Mei, who was born on 28 February 1990."""
    from clinic import clock

    mei = make.make_patient(cast.denver, "Mei", "Lindqvist", birth_date=BORN, email="mei@post.example")
    invitation = portal.invite_to_portal(by=cast.frida, patient=mei, now=clock.now())
    letter = OutboundMessage.objects.get(subject_id=invitation.pk)
    return reverse("patients:join_portal", args=[json.loads(keyring.unseal(letter.secret))["token"]])


def words(response: Any) -> str:
    """Return the page without what is different on every page."""
    return re.sub(r"[A-Za-z0-9_-]{40,}", "", response.content.decode())


class TestJoin:
    def test_looking_uses_nothing_up(self, link: str) -> None:
        for _ in range(3):
            assert Client().get(link).status_code == 200
            assert Client().head(link).status_code == 200
        assert PortalInvitation.objects.get().used_at is None

    def test_the_birth_date_opens_the_way_to_a_code_and_signs_nobody_in(self, link: str) -> None:
        client = Client()
        response = client.post(link, {"birth_date": "2/28/1990"})
        assert response.headers["Location"] == reverse("patients:joined")
        page = client.get(response.headers["Location"])
        assert "mei@post.example" in page.content.decode()
        assert reverse("account_request_login_code") in page.content.decode()
        # The link and the date are not the mailbox: nothing is open yet.
        assert client.get(reverse("patients:portal_me")).status_code == 302
        assert "_auth_user_id" not in client.session

    def test_the_code_from_the_mailbox_opens_the_portal(self, link: str) -> None:
        client = Client()
        client.post(link, {"birth_date": "2/28/1990"})
        address = client.get(reverse("patients:joined")).context["address"]
        asked = client.post(reverse("account_request_login_code"), {"email": address})
        assert asked.headers["Location"] == reverse("account_confirm_login_code")
        letter = OutboundMessage.objects.get(kind="sign_in_code")
        assert letter.address == "mei@post.example"
        code = json.loads(keyring.unseal(letter.secret))["code"]
        client.post(reverse("account_confirm_login_code"), {"code": code})
        page = client.get(reverse("patients:portal_me"))
        assert page.status_code == 200
        assert "Mei Lindqvist" in page.content.decode()

    def test_nobody_else_is_shown_the_address(self, link: str) -> None:
        Client().post(link, {"birth_date": "2/28/1990"})
        assert Client().get(reverse("patients:joined")).headers["Location"] == reverse("account_login")

    def test_replay_is_a_sentence(self, link: str) -> None:
        Client().post(link, {"birth_date": "2/28/1990"})
        again = Client().post(link, {"birth_date": "2/28/1990"})
        assert again.status_code == 422
        assert "You have joined already" in again.content.decode()
        assert User.objects.filter(email="mei@post.example").count() == 1

    def test_wrong_used_and_made_up_look_alike(self, link: str) -> None:
        wrong = Client().post(link, {"birth_date": "3/1/1990"})
        made_up = Client().post(reverse("patients:join_portal", args=["made-up"]), {"birth_date": "3/1/1990"})
        assert words(wrong).replace("made-up", "") == words(made_up).replace("made-up", "")
        # An empty or hostile token is no more than a wrong one.
        for token in ("a" * 3000, "%00", "' OR 1=1", "done "):
            response = Client().post(reverse("patients:join_portal", args=[token]), {"birth_date": "3/1/1990"})
            assert response.status_code == 422
        assert Client().get(reverse("patients:join_portal", args=["made-up"])).status_code == 200

    @pytest.mark.parametrize("given", ["", "x", "2/30/1990", "28", "1" * 500, "0000-00-00"])
    def test_a_mistyped_date_costs_no_attempt(self, link: str, given: str) -> None:
        assert Client().post(link, {"birth_date": given}).status_code == 422
        assert PortalInvitation.objects.get().failed_checks == 0

    def test_five_guesses_close_it_and_the_desk_calls(self, link: str) -> None:
        for day in range(1, 6):
            Client().post(link, {"birth_date": f"3/{day}/1990"})
        late = Client().post(link, {"birth_date": "2/28/1990"})
        assert late.status_code == 422
        assert WorkItem.objects.filter(kind=WorkItem.Kind.CALL_PATIENT).count() == 1
        assert not Patient.objects.get(given_name="Mei").has_portal

    def test_extra_fields_choose_nothing(self, link: str, cast: Cast) -> None:
        Client().post(
            link, {"birth_date": "2/28/1990", "email": "thief@post.example", "user": cast.pat_user.pk, "kind": "staff"}
        )
        mei = Patient.objects.select_related("portal_user").get(given_name="Mei")
        assert mei.portal_user is not None
        assert (mei.portal_user.email, mei.portal_user.kind) == ("mei@post.example", "patient")

    def test_needs_the_token_of_the_form(self, link: str) -> None:
        assert Client(enforce_csrf_checks=True).post(link, {"birth_date": "2/28/1990"}).status_code == 403

    def test_no_date_is_kept_in_the_audit(self, link: str) -> None:
        Client().post(link, {"birth_date": "3/1/1990"})
        assert "1990" not in str(list(AuditEvent.objects.values_list("details", flat=True)))


class TestMe:
    def test_shows_own_details_and_ways_on(self, cast: Cast, signed_in: SignedIn) -> None:
        page = signed_in(cast.pat_user).get(reverse("patients:portal_me")).content.decode()
        for said in ("Pat Moreau", "17 May 1984", "pat@post.example", "Add a passkey", "Where I am signed in"):
            assert said in page
        assert cast.pat.mrn not in page

    def test_is_nobody_elses(self, cast: Cast, signed_in: SignedIn) -> None:
        page = signed_in(cast.quinn_user).get(reverse("patients:portal_me")).content.decode()
        assert "Moreau" not in page
        for person in (cast.frida, cast.dana, cast.petra):
            for name in ("portal_me", "portal_preferences", "ask_address_change"):
                assert signed_in(person).get(reverse(f"patients:{name}")).status_code == 403
        assert Client().get(reverse("patients:portal_me")).status_code == 302

    def test_consents_are_theirs_to_give_and_take(self, cast: Cast, signed_in: SignedIn) -> None:
        from patients.models import ContactPreference

        client, address = signed_in(cast.pat_user), reverse("patients:portal_preferences")
        assert client.get(address).status_code == 200
        client.post(address, {"visit_sms": "on", "follow_up_email": "on"})
        allows = ContactPreference.objects.allows
        assert not allows(cast.pat, "visit", "email")
        assert allows(cast.pat, "visit", "sms")
        assert allows(cast.pat, "follow_up", "email")
        # What was never agreed to and is left empty stays unasked.
        assert not ContactPreference.objects.filter(patient=cast.pat, category="waitlist").exists()
        newest = ContactPreference.objects.current().filter(patient=cast.pat)
        assert {row.evidence for row in newest} == {"portal"}
        assert {row.recorded_by_id for row in newest} == {cast.pat_user.pk}
        assert ContactPreference.objects.filter(patient=cast.quinn).count() == 1

    def test_a_new_address_is_asked_for_not_taken(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.pat_user), reverse("patients:ask_address_change")
        assert client.post(address, {"email": "", "phone": ""}).status_code == 422
        assert client.post(address, {"email": "x"}).status_code == 422
        assert client.post(address, {"email": "new@post.example", "patient": cast.quinn.pk}).status_code == 302
        assert client.post(address, {"phone": "303 555 0100"}).status_code == 422
        cast.pat.refresh_from_db()
        assert cast.pat.email == "pat@post.example"
        assert "You asked us to change this" in client.get(reverse("patients:portal_me")).content.decode()
        item = WorkItem.objects.get(kind=WorkItem.Kind.ADDRESS_CHANGED)
        assert item.patient_id == cast.pat.pk

    def test_idle_for_twenty_minutes_is_out(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.pat_user)
        client.get(reverse("patients:portal_me"))
        session = client.session
        session["seen_at"] -= 21 * 60
        session.save()
        assert client.get(reverse("patients:portal_me")).status_code == 302
