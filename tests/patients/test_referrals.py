"""Enquiries at the desk: the list, one enquiry, and who may do what about it."""

import uuid
from datetime import timedelta

import pytest
from django.urls import reverse

from patients.actions import referrals as actions
from patients.models import Referral
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.patients.counting import queries

NOW = make.NOON
VERBS = ("accept_referral", "decline_referral", "close_referral", "link_referral", "unlink_referral")


class TestList:
    def test_tabs_counts_ages_and_the_longest_waiting_first(self, cast: Cast, signed_in: SignedIn, now: object) -> None:
        make.make_referral(cast.denver, "Late", received_at=NOW - timedelta(days=3))
        actions.accept(by=cast.frida, referral=make.make_referral(cast.denver, "Taken"), now=NOW)
        page = signed_in(cast.frida).get(reverse("patients:referrals"))
        assert [row["name"].split()[0] for row in page.context["rows"]] == ["Late", "Rosa"]
        assert [row["age"] for row in page.context["rows"]] == ["3 d", "5 h"]
        assert [tab["count"] for tab in page.context["tabs"]] == [2, 1, 0, 0, 0]
        page = signed_in(cast.frida).get(reverse("patients:referrals"), {"state": "accepted"})
        assert [row["name"].split()[0] for row in page.context["rows"]] == ["Taken"]

    def test_marks_people_we_may_know(self, cast: Cast, signed_in: SignedIn) -> None:
        make.make_referral(cast.denver, "Known", email="quinn@post.example")
        make.make_referral(cast.denver, "Elsewhere", email="sol@post.example")
        rows = signed_in(cast.frida).get(reverse("patients:referrals")).context["rows"]
        assert {row["name"].split()[0] for row in rows if row["is_known"]} == {"Known"}

    def test_an_empty_state_teaches(self, cast: Cast, signed_in: SignedIn) -> None:
        page = signed_in(cast.frida).get(reverse("patients:referrals"), {"state": "declined"})
        assert b"Nobody is waiting here" in page.content

    def test_a_made_up_state_is_new(self, cast: Cast, signed_in: SignedIn) -> None:
        assert signed_in(cast.frida).get(reverse("patients:referrals"), {"state": "x' OR 1"}).context["state"] == "new"

    def test_one_location_at_a_time(self, cast: Cast, signed_in: SignedIn) -> None:
        assert signed_in(cast.olga).get(reverse("patients:referrals")).context["rows"] == []

    def test_queries_do_not_grow(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.frida), reverse("patients:referrals")
        one = queries(client, address)
        for n in range(29):
            make.make_referral(cast.denver, f"Row{n}", phone="+13035550123")
        assert queries(client, address) == one


class TestOne:
    def test_shows_what_was_said_and_the_next_step(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.frida), reverse("patients:referral", args=[cast.rosa.pk])
        assert "Accept" in client.get(address).content.decode()
        actions.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        assert (
            reverse("patients:register_patient") + f"?referral={cast.rosa.pk}" in client.get(address).content.decode()
        )
        actions.link(by=cast.frida, referral=cast.rosa, patient=cast.quinn, now=NOW)
        assert f"?referral={cast.rosa.pk}" in client.get(address).content.decode()
        assert "Book intake" in client.get(address).content.decode()

    def test_shows_who_it_may_be_with_the_evidence(self, cast: Cast, signed_in: SignedIn) -> None:
        twin = make.make_referral(cast.denver, "Quinn", family_name="Abbott", email="quinn@post.example")
        alike = signed_in(cast.frida).get(reverse("patients:referral", args=[twin.pk])).context["alike"]
        assert [(line["name"], [str(e) for e in line["evidence"]]) for line in alike] == [
            ("Quinn Abbott", ["same e-mail", "same name"])
        ]

    def test_prescribers_and_managers_read_and_decide_nothing(self, cast: Cast, signed_in: SignedIn) -> None:
        for person in (cast.dana, cast.ada):
            client = signed_in(person)
            page = client.get(reverse("patients:referral", args=[cast.rosa.pk]))
            assert page.status_code == 200
            assert not page.context["may_manage"]
        assert signed_in(cast.dana).post(reverse("patients:accept_referral", args=[cast.rosa.pk])).status_code == 403
        # Ada is front desk, but in Phoenix: on Denver's records she is its manager.
        assert signed_in(cast.ada).post(reverse("patients:accept_referral", args=[cast.rosa.pk])).status_code == 404


class TestVerbs:
    def test_accept_decline_close_link(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        one = make.make_referral(cast.denver, "One")
        assert client.post(reverse("patients:accept_referral", args=[one.pk])).status_code == 302
        linked = client.post(reverse("patients:link_referral", args=[one.pk]), {"patient": cast.quinn.pk})
        assert linked.status_code == 302
        assert client.post(reverse("patients:close_referral", args=[one.pk])).status_code == 302
        one.refresh_from_db()
        assert (one.status, one.patient) == ("closed", cast.quinn)
        two = make.make_referral(cast.denver, "Two")
        address = reverse("patients:decline_referral", args=[two.pk])
        assert client.get(address).status_code == 200
        refused = client.post(address, {"note": "Sent to a colleague."})
        assert refused.status_code == 422
        assert "Sent to a colleague." in refused.content.decode()
        assert client.post(address, {"reason": "no_capacity", "note": "Sent to a colleague."}).status_code == 302
        two.refresh_from_db()
        assert two.decline_reason == "no_capacity"

    def test_unlink(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        page, address = (reverse(f"patients:{name}", args=[cast.rosa.pk]) for name in ("referral", "unlink_referral"))
        actions.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        assert address not in client.get(page).content.decode()
        actions.link(by=cast.frida, referral=cast.rosa, patient=cast.quinn, now=NOW)
        assert address in client.get(page).content.decode()
        assert address not in signed_in(cast.dana).get(page).content.decode()
        client = signed_in(cast.frida)
        assert "is linked to Quinn Abbott, T" in client.get(address).content.decode()
        for wrong in ({}, {"reason": "weather"}):
            refused = client.post(address, wrong)
            assert refused.status_code == 422
            assert "Say why it is not this patient" in refused.content.decode()
        done = client.post(address, {"reason": "household"}, follow=True)
        assert "belongs to nobody now. Say whose it is." in done.content.decode()
        again = client.post(address, {"reason": "household"})
        assert again.status_code == 422
        assert "there is nothing to take back" in again.content.decode()

    @pytest.mark.parametrize("page", ["referral", "unlink_referral"])
    def test_whose_it_is_stays_with_those_who_may_know(self, cast: Cast, signed_in: SignedIn, page: str) -> None:
        """Whoever works at two desks may link to a patient of the other: this desk learns no name and no number."""
        actions.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        actions.link(by=cast.frida, referral=cast.rosa, patient=cast.sol, now=NOW)
        shown = signed_in(cast.frida).get(reverse(f"patients:{page}", args=[cast.rosa.pk])).content.decode()
        assert "patient of another location" in shown
        for secret in (cast.sol.full_name, cast.sol.mrn, str(cast.sol.pk)):
            assert secret not in shown

    def test_twice_is_a_sentence(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.frida), reverse("patients:accept_referral", args=[cast.rosa.pk])
        client.post(address)
        second = client.post(address)
        assert second.status_code == 422
        assert "This enquiry is accepted since" in second.content.decode()

    @pytest.mark.parametrize("verb", VERBS)
    def test_strangers_find_nothing(self, cast: Cast, signed_in: SignedIn, verb: str) -> None:
        address = reverse(f"patients:{verb}", args=[cast.rosa.pk])
        assert signed_in(cast.olga).post(address, {"reason": "no_capacity"}).status_code == 404
        assert signed_in(cast.milo).post(address).status_code == 403
        assert signed_in(cast.pat_user).post(address).status_code == 403
        cast.rosa.refresh_from_db()
        assert cast.rosa.status == Referral.Status.NEW

    @pytest.mark.parametrize("verb", ["accept_referral", "close_referral", "link_referral"])
    def test_looking_at_a_verb_does_nothing(self, cast: Cast, signed_in: SignedIn, verb: str) -> None:
        assert signed_in(cast.frida).get(reverse(f"patients:{verb}", args=[cast.rosa.pk])).status_code == 405

    @pytest.mark.parametrize("given", ["", "nonsense", "sol"])
    def test_the_patient_of_the_form_passes_its_own_door(self, cast: Cast, signed_in: SignedIn, given: str) -> None:
        actions.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        patient = cast.sol.pk if given == "sol" else given
        response = signed_in(cast.frida).post(
            reverse("patients:link_referral", args=[cast.rosa.pk]), {"patient": patient}
        )
        assert response.status_code == (404 if given == "sol" else 422)
        cast.rosa.refresh_from_db()
        assert cast.rosa.patient is None


class TestEnter:
    def test_takes_down_a_call(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        address = reverse("patients:enter_referral")
        key = client.get(address).context["form"]["entry_key"].value()
        given = {
            "entry_key": key, "source": "phone", "given_name": "Nora", "family_name": "Nilsen", "phone": "303 555 0111",
            "reach_by": "phone", "location": cast.denver.pk,
        }  # fmt: skip
        for _ in range(2):
            response = client.post(address, given)
            assert response.headers["Location"] == reverse("patients:referral", args=[key])
        referral = Referral.objects.get(family_name="Nilsen")
        assert (referral.source, referral.phone.as_e164) == ("phone", "+13035550111")
        assert client.post(address, {**given, "phone": "", "given_name": "Kept"}).status_code == 422

    def test_other_locations_are_no_choice(self, cast: Cast, signed_in: SignedIn) -> None:
        response = signed_in(cast.frida).post(
            reverse("patients:enter_referral"),
            {"entry_key": uuid.uuid4(), "source": "phone", "given_name": "N", "family_name": "N", "email": "n@post.example",
             "reach_by": "email", "location": cast.phoenix.pk},
        )  # fmt: skip
        assert response.status_code == 422
