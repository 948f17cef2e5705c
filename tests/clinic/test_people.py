"""Roles, flags, supervision and licences, as their manager keeps them."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.access import Permission, holds
from clinic.actions import invitations, people
from clinic.models import AuditEvent, Licence, Membership, Role, StaffInvitation, User
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn


@pytest.fixture(autouse=True)
def _frozen(now: Any) -> None:
    """One Wednesday morning."""


def held(user: User, role: Role) -> Membership:
    return Membership.objects.live().get(user=user, role=role)


def start(cast: Cast, person: User, role: Role, **fields: Any) -> Membership:
    values: dict[str, Any] = {
        "can_dispense": False,
        "is_pharmacy_lead": False,
        "is_medical_director": False,
        "supervisor": None,
    }
    values |= {"location": cast.denver, "by": cast.ada, **fields}
    return people.start_membership(person=person, role=role, now=make.NOON, **values)


class TestList:
    def test_who_works_here_is_invited_and_has_left(self, cast: Cast, signed_in: SignedIn) -> None:
        Licence.objects.create(user=cast.dana, kind="dea", number="D1", state="CO", expires_on=date(2027, 2, 1))
        invitations.invite(
            by=cast.ada, email="vera@juniper.example", name="Vera Vance", location=cast.denver, role=Role.NURSE,
            supervisor=None, now=make.NOON,
        )  # fmt: skip
        people.leave(by=cast.ada, person=cast.nils, now=make.NOON)
        page = signed_in(cast.ada).get(reverse("clinic:people"))
        names = [row["name"] for row in page.context["people"]]
        assert names == sorted(names)
        assert "Dana Deng" in names
        assert not {"Omar Osei", "Nils Nyberg", "Pat Moreau"} & set(names)
        dana = next(row for row in page.context["people"] if row["name"] == "Dana Deng")
        assert dana["licence"] == "licence ends soon"
        assert dana["flags"] == ["medical director", "may dispense"]
        text = page.content.decode()
        for said in ("Vera Vance", "until Wed 20 Jan 2027 09:00 MST", "Left in the last three months"):
            assert said in text

    def test_another_locations_is_closed_to_its_front_desk(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.ada)
        client.post(reverse("clinic:switch_location"), {"location_id": str(cast.phoenix.pk)})
        assert client.get(reverse("clinic:people")).status_code == 403
        assert client.get(reverse("clinic:person", args=[cast.olga.pk])).status_code == 404

    def test_as_many_queries_for_thirty_as_for_one(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.ada)
        client.get(reverse("clinic:people"))
        client.get(reverse("clinic:people"))
        with CaptureQueriesContext(connection) as one:
            client.get(reverse("clinic:people"))
        for number in range(30):
            user = make.make_user(f"Extra {number}")
            make.make_member(user, cast.denver, Role.NURSE)
            Licence.objects.create(user=user, kind="dea", number="1", state="CO", expires_on=date(2027, 1, 20))
            StaffInvitation.objects.create(
                email=f"i{number}@juniper.example", name="I", location=cast.denver, role=Role.NURSE,
                token_hash=str(number), invited_by=cast.ada, invited_at=make.NOON,
                expires_at=make.NOON + timedelta(days=7),
            )  # fmt: skip
            gone = make.make_user(f"Gone {number}", is_active=False, left_at=make.NOON)
            make.make_member(gone, cast.denver, Role.NURSE, ended_at=make.NOON)
        with CaptureQueriesContext(connection) as many:
            page = client.get(reverse("clinic:people"))
        assert len(many) == len(one) <= 10
        assert len(page.context["people"]) > 30
        assert len(page.context["left"]) == 30


class TestPerson:
    def test_roles_everywhere_and_change_only_here(self, cast: Cast, signed_in: SignedIn) -> None:
        make.make_member(cast.nina, cast.phoenix, Role.NURSE)
        page = signed_in(cast.ada).get(reverse("clinic:person", args=[cast.nina.pk]))
        assert {(row["location"], row["can_change"]) for row in page.context["roles"]} == {
            ("Denver", True), ("Phoenix", False),
        }  # fmt: skip
        text = page.content.decode()
        assert "pharmacy lead" in text
        assert "No second factor yet" in text

    def test_oneself_is_another_managers(self, cast: Cast, signed_in: SignedIn) -> None:
        page = signed_in(cast.ada).get(reverse("clinic:person", args=[cast.ada.pk]))
        assert not any(row["can_change"] for row in page.context["roles"])
        assert "This is you" in page.content.decode()

    def test_name_and_phone(self, cast: Cast, signed_in: SignedIn) -> None:
        url = reverse("clinic:edit_person", args=[cast.nina.pk])
        client = signed_in(cast.ada)
        client.post(url, {"name": " Nina   Nowak ", "phone": "(303) 555-0147", "email": "boss@juniper.example"})
        cast.nina.refresh_from_db()
        assert (cast.nina.name, cast.nina.phone, cast.nina.email) == (
            "Nina Nowak", "(303) 555-0147", "nina@juniper.example",
        )  # fmt: skip
        assert AuditEvent.objects.get(verb="staff.changed").details == {"fields": ["name", "phone"]}
        client.post(url, {"name": "Nina Nowak", "phone": "(303) 555-0147"})
        assert AuditEvent.objects.filter(verb="staff.changed").count() == 1, "nothing changed, nothing written"
        for phone in ("call me", "12", "555-0147; DROP"):
            assert client.post(url, {"name": "Nina", "phone": phone}).status_code == 422


class TestRoles:
    def test_a_role_more(self, cast: Cast, signed_in: SignedIn) -> None:
        data = {"role": "nurse", "can_dispense": "on", "supervisor": "", "location": str(cast.phoenix.pk)}
        signed_in(cast.ada).post(reverse("clinic:start_membership", args=[cast.milo.pk]), data)
        membership = held(cast.milo, Role.NURSE)
        assert (membership.location, membership.can_dispense) == (cast.denver, True)
        assert AuditEvent.objects.filter(verb="membership.started", actor_id=cast.ada.pk).exists()

    def test_once(self, cast: Cast) -> None:
        with pytest.raises(people.RoleHeld, match="already"):
            start(cast, cast.nina, Role.NURSE)

    def test_never_ones_own(self, cast: Cast, signed_in: SignedIn) -> None:
        for act in (
            lambda: start(cast, cast.ada, Role.PRESCRIBER),
            lambda: people.end_membership(by=cast.ada, membership=held(cast.ada, Role.FRONT_DESK), now=make.NOON),
        ):
            with pytest.raises(people.OwnAccount):
                act()
        client = signed_in(cast.ada)
        client.post(reverse("clinic:start_membership", args=[cast.ada.pk]), {"role": "privacy_officer"})
        assert not holds(User.objects.get(pk=cast.ada.pk), Permission.AUDIT_READ)

    @pytest.mark.parametrize(
        ("role", "flags"),
        [
            (Role.FRONT_DESK, {"can_dispense": True}),
            (Role.MONITOR, {"can_dispense": True}),
            (Role.THERAPIST, {"is_pharmacy_lead": True}),
            (Role.NURSE, {"is_medical_director": True}),
        ],
    )
    def test_flags_that_the_role_cannot_bear(self, cast: Cast, role: Role, flags: dict[str, bool]) -> None:
        with pytest.raises(people.FlagNotForRole):
            start(cast, make.make_user("Vera Vance"), role, **flags)

    def test_change_what_goes_with_it(self, cast: Cast, signed_in: SignedIn) -> None:
        nina = held(cast.nina, Role.NURSE)
        url = reverse("clinic:change_membership", args=[nina.pk])
        client = signed_in(cast.ada)
        assert "checked" in client.get(url).content.decode()
        client.post(url, {"supervisor": ""})
        nina.refresh_from_db()
        assert (nina.can_dispense, nina.is_pharmacy_lead) == (False, False)
        changed = AuditEvent.objects.get(verb="membership.changed").details["fields"]
        assert changed == ["can_dispense", "is_pharmacy_lead"]

    def test_a_trainee_changes_supervisor_and_finishes(self, cast: Cast, signed_in: SignedIn) -> None:
        tara = held(cast.tara, Role.THERAPIST)
        url = reverse("clinic:change_membership", args=[tara.pk])
        client = signed_in(cast.ada)
        client.post(url, {"supervisor": str(cast.tess.pk)})
        tara.refresh_from_db()
        assert (tara.is_trainee, tara.supervisor) == (True, cast.tess)
        assert client.post(url, {"supervisor": str(cast.nina.pk)}).status_code == 422, "another profession"
        assert client.post(url, {"supervisor": str(cast.omar.pk)}).status_code == 422, "another location"
        client.post(url, {"supervisor": ""})
        tara.refresh_from_db()
        assert (tara.is_trainee, tara.supervisor) == (False, None)

    def test_a_supervisor_does_not_become_a_trainee(self, cast: Cast) -> None:
        with pytest.raises(people.StillSupervises, match="Tara Todd"):
            people.change_membership(
                by=cast.ada, membership=held(cast.theo, Role.THERAPIST), can_dispense=False, is_pharmacy_lead=False,
                is_medical_director=False, supervisor=cast.tess, now=make.NOON,
            )  # fmt: skip

    def test_an_ended_role_ends_sessions_and_rights(self, cast: Cast, signed_in: SignedIn) -> None:
        """D8: removing membership ends open sessions."""
        frida, ada = signed_in(cast.frida), signed_in(cast.ada)
        assert frida.get(reverse("clinic:worklist")).status_code == 200
        url = reverse("clinic:end_membership", args=[held(cast.frida, Role.FRONT_DESK).pk])
        assert ada.get(url).status_code == 200
        assert ada.post(url).status_code == 302
        assert frida.get(reverse("clinic:worklist")).headers["Location"].startswith(reverse("account_login"))
        again = signed_in(User.objects.get(pk=cast.frida.pk))
        assert again.get(reverse("clinic:worklist")).status_code == 403
        repeat = ada.post(url)
        assert repeat.status_code == 422
        assert "ended already" in repeat.content.decode()

    def test_another_locations_role_is_not_found(self, cast: Cast, signed_in: SignedIn) -> None:
        olga = held(cast.olga, Role.FRONT_DESK)
        client = signed_in(cast.ada)
        for name in ("change_membership", "end_membership"):
            assert client.post(reverse(f"clinic:{name}", args=[olga.pk])).status_code == 404
        olga.refresh_from_db()
        assert olga.ended_at is None


class TestLicences:
    def test_entered_and_renewed_in_place(self, cast: Cast, signed_in: SignedIn) -> None:
        client, url = signed_in(cast.ada), reverse("clinic:record_licence", args=[cast.dana.pk])
        for number, until in (("DR-1", "2027-02-01"), ("DR-2", "2029-02-01")):
            sent = {"kind": "professional", "number": number, "state": "CO", "expires_on": until}
            assert client.post(url, sent).status_code == 302
        licence = Licence.objects.get(user=cast.dana)
        assert (licence.number, licence.expires_on) == ("DR-2", date(2029, 2, 1))
        assert AuditEvent.objects.filter(verb="licence.changed").count() == 2
        assert "Thu 1 Feb 2029" in client.get(reverse("clinic:person", args=[cast.dana.pk])).content.decode()

    @pytest.mark.parametrize("data", [{"kind": ""}, {"state": "XX"}, {"expires_on": "soon"}, {"number": "  "}])
    def test_shape(self, cast: Cast, signed_in: SignedIn, data: dict[str, str]) -> None:
        sent = {"kind": "dea", "number": "1", "state": "CO", "expires_on": "2027-02-01", **data}
        response = signed_in(cast.ada).post(reverse("clinic:record_licence", args=[cast.dana.pk]), sent)
        assert response.status_code == 422
        assert not Licence.objects.exists()


PAGES = ["person", "edit_person", "start_membership", "record_licence", "reset_second_factor", "leave_person"]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_a_stranger_is_not_found(cast: Cast, signed_in: SignedIn, name: str) -> None:
    client = signed_in(cast.ada)
    for who in (cast.olga, cast.iris, cast.pat_user, cast.sam):
        assert client.get(reverse(f"clinic:{name}", args=[who.pk])).status_code == 404
        assert client.get(reverse(f"clinic:{name}", args=[cast.nina.pk])).status_code == 200


def test_names_are_shown_as_text(cast: Cast, signed_in: SignedIn) -> None:
    """D10: what a person is called is never markup."""
    cast.nina.name = "<script>alert(1)</script>"
    cast.nina.save(update_fields=["name"])
    client = signed_in(cast.ada)
    for page in (reverse("clinic:people"), *(reverse(f"clinic:{name}", args=[cast.nina.pk]) for name in PAGES)):
        assert "<script>alert" not in client.get(page).content.decode()
