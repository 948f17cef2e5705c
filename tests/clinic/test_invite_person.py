"""Invited by a manager, one token for one address, and joined as what the invitation says."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse

from clinic import letters
from clinic.actions import invitations, people
from clinic.models import AuditEvent, Membership, OutboundMessage, Role, StaffInvitation, User
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

PASSWORD = "four words nobody guesses"
ANSWER = {"name": "Vera Vance", "password": PASSWORD, "password_again": PASSWORD}
ASKED = {"name": "Vera Vance", "email": "Vera@juniper.example", "role": "nurse", "supervisor": ""}


@pytest.fixture(autouse=True)
def _frozen(now: Any) -> None:
    """One Wednesday morning."""


def invite(cast: Cast, **fields: Any) -> StaffInvitation:
    values = {
        "email": "vera@juniper.example",
        "name": "Vera Vance",
        "location": cast.denver,
        "role": Role.NURSE,
        "supervisor": None,
    }
    return invitations.invite(by=cast.ada, now=make.NOON, **{**values, **fields})


def link(invitation: StaffInvitation) -> str:
    """Return the path in the letter, which is the only place where the token is."""
    message = OutboundMessage.objects.get(subject_id=invitation.pk)
    found = re.search(r"https?://[^/\s]+(/account/join/\S+)", letters.render(message).text)
    assert found
    return found[1]


class TestInviting:
    def test_queues_a_letter_and_keeps_only_a_hash(self, cast: Cast, signed_in: SignedIn) -> None:
        response = signed_in(cast.ada).post(reverse("clinic:invite_person"), ASKED)
        assert response.headers["Location"] == reverse("clinic:people")
        invitation = StaffInvitation.objects.get()
        assert (invitation.email, invitation.role, invitation.location) == (
            "vera@juniper.example",
            "nurse",
            cast.denver,
        )
        assert invitation.expires_at == make.NOON + timedelta(days=7)
        token = link(invitation).rstrip("/").rsplit("/", 1)[-1]
        message = OutboundMessage.objects.get()
        assert message.is_urgent
        assert token not in f"{invitation.token_hash} {message.secret}"
        rendered = letters.render(message)
        assert rendered.subject == "A message from Juniper Street"
        assert letters.revealing_words(rendered.text) == []
        assert AuditEvent.objects.get(verb="staff.invited").actor_id == cast.ada.pk

    @pytest.mark.parametrize("field", ["name", "email", "role"])
    def test_shape(self, cast: Cast, signed_in: SignedIn, field: str) -> None:
        response = signed_in(cast.ada).post(reverse("clinic:invite_person"), {**ASKED, field: ""})
        assert response.status_code == 422
        assert not StaffInvitation.objects.exists()

    @pytest.mark.parametrize("email", ["frida@juniper.example", "FRIDA@juniper.example", "pat@post.example"])
    def test_not_an_address_with_an_account(self, cast: Cast, signed_in: SignedIn, email: str) -> None:
        response = signed_in(cast.ada).post(reverse("clinic:invite_person"), {**ASKED, "email": email})
        page = response.content.decode()
        assert response.status_code == 422
        assert "already has an account" in page
        assert "Pat Moreau" not in page, "whose account it is stays unsaid"
        assert 'value="Vera Vance"' in page, "what was typed stays"

    def test_not_twice(self, cast: Cast) -> None:
        invite(cast)
        with pytest.raises(invitations.AlreadyInvited, match="open invitation"):
            invite(cast)
        assert StaffInvitation.objects.count() == 1

    def test_again_when_the_first_ran_out(self, cast: Cast) -> None:
        first = invite(cast)
        StaffInvitation.objects.filter(pk=first.pk).update(expires_at=make.NOON)
        assert invite(cast).pk != first.pk

    def test_a_trainee_needs_a_fitting_supervisor(self, cast: Cast) -> None:
        for supervisor in (cast.nina, cast.tara, cast.omar):
            with pytest.raises(people.NeedsSupervisor, match="same role here"):
                invite(cast, role=Role.THERAPIST, supervisor=supervisor)
        with pytest.raises(people.FlagNotForRole):
            invite(cast, role=Role.FRONT_DESK, supervisor=cast.frida)
        assert invite(cast, role=Role.THERAPIST, supervisor=cast.theo).supervisor == cast.theo

    def test_only_to_a_location_one_manages(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.ada)
        client.post(reverse("clinic:switch_location"), {"location_id": str(cast.phoenix.pk)})
        assert client.get(reverse("clinic:invite_person")).status_code == 403
        assert client.post(reverse("clinic:invite_person"), ASKED).status_code == 403
        sent = {**ASKED, "location": str(cast.phoenix.pk), "location_id": str(cast.phoenix.pk)}
        signed_in(cast.ada).post(reverse("clinic:invite_person"), sent)
        assert [invitation.location for invitation in StaffInvitation.objects.all()] == [cast.denver]

    @pytest.mark.parametrize("who", ["frida", "dana", "petra", "olga", "pat_user"])
    def test_a_managers_act(self, cast: Cast, signed_in: SignedIn, who: str) -> None:
        assert signed_in(getattr(cast, who)).post(reverse("clinic:invite_person"), ASKED).status_code == 403
        assert not StaffInvitation.objects.exists()


class TestWithdrawing:
    def test_closes_the_link_and_stops_the_letter(self, cast: Cast, signed_in: SignedIn) -> None:
        invitation = invite(cast)
        path = link(invitation)
        signed_in(cast.ada).post(reverse("clinic:withdraw_invitation", args=[invitation.pk]))
        assert OutboundMessage.objects.get().status == "void"
        response = Client().get(path)
        assert response.status_code == 404
        assert "used, withdrawn or has run out" in response.content.decode()
        with pytest.raises(invitations.InvitationOver):
            invitations.withdraw_invitation(by=cast.ada, invitation=invitation, now=make.NOON)

    def test_a_letter_already_claimed_does_not_leave_either(self, cast: Cast) -> None:
        invitation = invite(cast)
        message = OutboundMessage.objects.get()
        letter = letters.get("staff_invitation")
        assert letter.still_wanted(message, make.NOON) == ""
        invitations.withdraw_invitation(by=cast.ada, invitation=invitation, now=make.NOON)
        assert letter.still_wanted(message, make.NOON) in letter.reasons

    def test_another_locations_is_not_found(self, cast: Cast, signed_in: SignedIn) -> None:
        make.make_member(cast.omar, cast.phoenix, Role.MANAGER)
        invitation = invite(cast)
        url = reverse("clinic:withdraw_invitation", args=[invitation.pk])
        assert signed_in(cast.omar).post(url).status_code == 404
        assert signed_in(cast.ada).get(url).status_code == 405
        invitation.refresh_from_db()
        assert invitation.withdrawn_at is None


class TestJoining:
    def test_as_what_the_invitation_says(self, cast: Cast) -> None:
        invitation = invite(cast, role=Role.THERAPIST, supervisor=cast.theo)
        client = Client()
        page = client.get(link(invitation)).content.decode()
        assert "Ada Abara invites you to Denver as therapist" in page
        response = client.post(link(invitation), ANSWER)
        assert response.status_code == 302
        vera = User.objects.get(email="vera@juniper.example")
        assert (vera.kind, vera.name, vera.check_password(PASSWORD)) == ("staff", "Vera Vance", True)
        membership = Membership.objects.get(user=vera)
        assert (membership.role, membership.location) == ("therapist", cast.denver)
        assert (membership.is_trainee, membership.supervisor) == (True, cast.theo)
        assert client.get("/").headers["Location"] == reverse("mfa_index"), "a second factor comes before anything"
        assert AuditEvent.objects.get(verb="staff.joined").actor_id == vera.pk

    def test_nothing_else_that_is_sent_counts(self, cast: Cast) -> None:
        """D2: role, address, rights and location are the invitation's."""
        sent = {
            **ANSWER, "role": "manager", "email": "boss@juniper.example", "location": str(cast.phoenix.pk),
            "is_staff": "1", "is_superuser": "1", "kind": "system", "can_dispense": "1", "user": str(cast.ada.pk),
        }  # fmt: skip
        Client().post(link(invite(cast)), sent)
        vera = User.objects.get(email="vera@juniper.example")
        membership = Membership.objects.get(user=vera)
        assert (vera.kind, membership.role, membership.location, membership.can_dispense) == (
            "staff", "nurse", cast.denver, False,
        )  # fmt: skip
        assert not User.objects.filter(email="boss@juniper.example").exists()

    def test_never_over_an_account_that_came_meanwhile(self, cast: Cast) -> None:
        """D2: an invitation for an address never takes over the account of that address."""
        invitation = invite(cast)
        path = link(invitation)
        theirs = make.make_user("Vera Other", email="vera@juniper.example")
        response = Client().post(path, ANSWER)
        assert response.status_code == 422
        assert "already has an account" in response.content.decode()
        theirs.refresh_from_db()
        assert (theirs.name, theirs.password) == ("Vera Other", "!unusable")

    def test_once(self, cast: Cast) -> None:
        path = link(invite(cast))
        Client().post(path, ANSWER)
        assert Client().get(path).status_code == 404
        assert Client().post(path, {**ANSWER, "name": "Somebody Else"}).status_code == 404
        assert User.objects.get(email="vera@juniper.example").name == "Vera Vance"

    def test_within_seven_days(self, cast: Cast) -> None:
        path = link(invite(cast))
        with time_machine.travel(make.NOON + timedelta(days=7), tick=False):
            assert Client().post(path, ANSWER).status_code == 404
        with time_machine.travel(make.NOON + timedelta(days=7, seconds=-1), tick=False):
            assert Client().post(path, ANSWER).status_code == 302

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            ({"password": "short", "password_again": "short"}, "too short"),
            ({"password_again": "another password here"}, "not the same"),
            ({"password": "vera@juniper.example", "password_again": "vera@juniper.example"}, "too similar"),
            ({"name": "  "}, "required"),
        ],
    )
    def test_shape(self, cast: Cast, data: dict[str, str], said: str) -> None:
        response = Client().post(link(invite(cast)), {**ANSWER, **data})
        assert response.status_code == 422
        assert said in response.content.decode()
        assert not User.objects.filter(email="vera@juniper.example").exists()

    @pytest.mark.parametrize("token", ["x", "0" * 43, "%00", "'--"])
    def test_a_made_up_link(self, cast: Cast, token: str) -> None:
        invite(cast)
        assert Client().get(f"/account/join/{token}/").status_code == 404

    def test_opening_the_link_signs_nobody_in(self, cast: Cast) -> None:
        """D1: a half-way session opens nothing."""
        client = Client()
        client.get(link(invite(cast)))
        assert client.get(reverse("clinic:people")).headers["Location"].startswith(reverse("account_login"))

    def test_while_somebody_else_is_signed_in(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        client.post(link(invite(cast)), ANSWER)
        assert client.session["_auth_user_id"] == str(User.objects.get(email="vera@juniper.example").pk)
        assert "second_factor" not in client.session, "Frida's factor does not count for Vera"


class TestColleagues:
    def test_from_another_location(self, cast: Cast, signed_in: SignedIn) -> None:
        data = {"email": "Omar@juniper.example", "role": "prescriber", "supervisor": ""}
        response = signed_in(cast.ada).post(reverse("clinic:add_colleague"), data)
        assert response.headers["Location"] == reverse("clinic:person", args=[cast.omar.pk])
        assert Membership.objects.live().filter(user=cast.omar, location=cast.denver, role="prescriber").exists()

    @pytest.mark.parametrize("email", ["nobody@juniper.example", "pat@post.example", "sam@system.invalid"])
    def test_only_of_the_team(self, cast: Cast, signed_in: SignedIn, email: str) -> None:
        data = {"email": email, "role": "prescriber", "supervisor": ""}
        response = signed_in(cast.ada).post(reverse("clinic:add_colleague"), data)
        assert response.status_code == 422
        assert "Nobody of the team has this address" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_who_answer_at_once_are_one() -> None:
    cast = make_cast()
    invitation = invite(cast)
    token = link(invitation).rstrip("/").rsplit("/", 1)[-1]
    ready, said = threading.Barrier(2), []

    def join(name: str) -> None:
        try:
            ready.wait()
            invitations.join(by=None, token=token, name=name, password=PASSWORD, now=make.NOON)
            said.append("joined")
        except invitations.InvitationOver:
            said.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=join, args=(name,)) for name in ("Vera One", "Vera Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["joined", "refused"]
    assert User.objects.filter(email="vera@juniper.example").count() == 1
