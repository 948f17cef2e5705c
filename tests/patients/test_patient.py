"""The desk's page of a patient, registering, editing, contacts, states of care, and the portal from the desk."""

import uuid
from typing import Any

import pytest
from django.urls import reverse

from clinic.models import AuditEvent
from patients.actions import patients as actions
from patients.actions import referrals
from patients.models import Contact, ContactPreference, KnownApart, LifeState, Patient, PortalInvitation
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.patients.counting import queries

NOW = make.NOON


def path(name: str, *args: object, **query: object) -> str:
    return reverse(f"patients:{name}", args=args) + (
        "?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else ""
    )


def identity(cast: Cast, **values: Any) -> dict[str, Any]:
    return {
        "given_name": "Mei", "family_name": "Lindqvist", "birth_date": "2/28/1990", "email": "mei@post.example",
        "phone": "", "home_location": cast.denver.pk, "entry_key": uuid.uuid4(), **values,
    }  # fmt: skip


class TestPage:
    def test_shows_the_desk_what_it_needs(self, cast: Cast, signed_in: SignedIn) -> None:
        make.make_contact(cast.pat, name="Robin Moreau")
        words = signed_in(cast.frida).get(path("patient", cast.pat.pk)).content.decode()
        for said in ("Pat Moreau", "17 May 1984", cast.pat.mrn, "Robin Moreau", "Theo Thorne", "pat@post.example",
                     reverse("sessions:patient_visits", args=[cast.pat.pk])):  # fmt: skip
            assert said in words

    def test_the_front_desk_is_offered_no_chart(self, cast: Cast, signed_in: SignedIn) -> None:
        page = signed_in(cast.frida).get(path("patient", cast.pat.pk))
        assert not page.context["chart_is_open"]
        assert not page.context["may_break_glass"]
        assert reverse("sessions:chart", args=[cast.pat.pk]) not in page.content.decode()

    def test_a_clinician_outside_the_team_is_offered_the_emergency_way(self, cast: Cast, signed_in: SignedIn) -> None:
        assert signed_in(cast.theo).get(path("patient", cast.pat.pk)).context["chart_is_open"]
        page = signed_in(cast.tess).get(path("patient", cast.pat.pk))
        assert (page.context["chart_is_open"], page.context["may_break_glass"]) == (False, True)

    def test_reading_is_audited_once(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        for _ in range(3):
            client.get(path("patient", cast.pat.pk))
        assert AuditEvent.objects.filter(verb="record.read", patient_id=cast.pat.pk).count() == 1

    def test_queries_do_not_grow(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.frida), path("patient", cast.pat.pk)
        make.make_contact(cast.pat, name="First")
        one = queries(client, address)
        for n in range(29):
            make.make_contact(cast.pat, name=f"Contact {n}")
            make.make_care_team_member(cast.pat, make.make_user())
            make.make_referral(cast.denver, patient=cast.pat)
        assert queries(client, address) == one

    def test_very_long_names_are_whole(self, cast: Cast, signed_in: SignedIn) -> None:
        person = make.make_patient(cast.denver, "A" * 80, "B" * 80, chosen_name="<b>C</b>" * 10)
        words = signed_in(cast.frida).get(path("patient", person.pk)).content.decode()
        assert "B" * 80 in words
        assert "<b>C</b>" not in words


POSTS = (
    "edit_patient", "change_life_state", "invite_to_portal", "withdraw_portal_invitation", "suspend_portal", "preferences",
    "add_contact",
)  # fmt: skip


class TestStrangers:
    @pytest.mark.parametrize("name", POSTS)
    def test_write_nothing(self, cast: Cast, signed_in: SignedIn, name: str) -> None:
        address = path(name, cast.pat.pk)
        before = Patient.objects.filter(pk=cast.pat.pk).values().get()
        assert signed_in(cast.olga).post(address, identity(cast)).status_code == 404
        assert signed_in(cast.ada).post(address).status_code == 404
        assert signed_in(cast.omar).post(address).status_code == 403
        assert signed_in(cast.quinn_user).post(address).status_code == 403
        assert Patient.objects.filter(pk=cast.pat.pk).values().get() == before

    @pytest.mark.parametrize("name", ["patient", "patient_history", "care_team"])
    def test_read_nothing(self, cast: Cast, signed_in: SignedIn, name: str) -> None:
        for person in (cast.omar, cast.olga, cast.iris):
            assert signed_in(person).get(path(name, cast.pat.pk)).status_code == 404
        assert signed_in(cast.quinn_user).get(path(name, cast.pat.pk)).status_code == 403

    def test_a_contact_of_somebody_else(self, cast: Cast, signed_in: SignedIn) -> None:
        contact = make.make_contact(cast.sol)
        for name in ("edit_contact", "end_contact"):
            assert signed_in(cast.frida).post(path(name, contact.pk)).status_code == 404
        contact.refresh_from_db()
        assert contact.ended_at is None


class TestRegister:
    def test_six_lines_and_enter(self, cast: Cast, signed_in: SignedIn) -> None:
        response = signed_in(cast.frida).post(path("register_patient"), identity(cast))
        patient = Patient.objects.get(family_name="Lindqvist")
        assert response.headers["Location"] == path("patient", patient.pk)

    def test_the_first_field_has_the_focus(self, cast: Cast, signed_in: SignedIn) -> None:
        words = signed_in(cast.frida).get(path("register_patient")).content.decode()
        first = words[words.index('name="given_name"') - 200 : words.index('name="given_name"') + 300]
        assert "autofocus" in first

    def test_prefilled_from_an_enquiry_but_for_the_birth_date(self, cast: Cast, signed_in: SignedIn) -> None:
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        page = signed_in(cast.frida).get(path("register_patient", referral=cast.rosa.pk))
        form = page.context["form"]
        assert form["given_name"].value() == "Rosa"
        assert form["birth_date"].value() is None
        response = signed_in(cast.frida).post(
            path("register_patient"),
            identity(
                cast, given_name="Rosa", family_name="Vega", referral=cast.rosa.pk, email_consent="asked_by_phone"
            ),
        )
        assert response.status_code == 302
        cast.rosa.refresh_from_db()
        assert cast.rosa.patient is not None
        assert ContactPreference.objects.get(patient=cast.rosa.patient).evidence == "asked_by_phone"

    def test_agreement_on_the_public_form_is_offered_only_where_it_was_given(
        self, cast: Cast, signed_in: SignedIn
    ) -> None:
        response = signed_in(cast.frida).post(path("register_patient"), identity(cast, email_consent="public_form"))
        assert response.status_code == 422
        agreed = make.make_referral(cast.denver, agrees_to_email=True)
        referrals.accept(by=cast.frida, referral=agreed, now=NOW)
        page = signed_in(cast.frida).get(path("register_patient", referral=agreed.pk))
        assert page.context["form"]["email_consent"].initial == "public_form"

    def test_asks_whether_it_is_somebody_we_know(self, cast: Cast, signed_in: SignedIn) -> None:
        twin = identity(cast, given_name="Patt", family_name="Moreau", birth_date="1984-05-17")
        client = signed_in(cast.frida)
        response = client.post(path("register_patient"), twin)
        assert response.status_code == 422
        words = response.content.decode()
        assert "Is this the same person?" in words
        assert "17 May 1984" in words
        assert "similar" in words
        assert 'value="Patt"' in words
        assert "differs" in words
        # Nobody is registered beside them until a person has said of each that they are somebody else; and that is kept.
        assert client.post(path("register_patient"), {**twin, "not_same": ["x", str(cast.sol.pk)]}).status_code == 422
        assert not KnownApart.objects.exists()
        assert client.post(path("register_patient"), {**twin, "not_same": str(cast.pat.pk)}).status_code == 302
        kept = KnownApart.objects.get()
        assert (kept.other, kept.said_by, kept.patient.given_name) == (cast.pat, cast.frida, "Patt")
        assert "birth_date" in kept.shared
        told = AuditEvent.objects.get(verb="patient.registered", patient_id=kept.patient_id)
        assert told.details == {"not_same": [str(cast.pat.pk)]}

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"birth_date": ""}, "Enter the birth date."),
            ({"birth_date": "5/17/84"}, "year in four digits"),
            ({"birth_date": "1/1/2099"}, "in the future"),
            ({"email": ""}, "Enter a phone or an e-mail"),
            ({"home_location": "phoenix"}, "Choose one of those offered."),
            ({"state": "Colorado"}, "room for 2."),
            ({"entry_key": "x"}, "This page is not complete. Reload it and try again."),
            ({"time_zone": "Mars/Olympus"}, "Choose one of those offered."),
        ],
    )
    def test_refuses_and_keeps_what_was_typed(
        self, cast: Cast, signed_in: SignedIn, change: dict[str, Any], sentence: str
    ) -> None:
        response = signed_in(cast.frida).post(path("register_patient"), identity(cast, **change))
        assert response.status_code == 422
        assert sentence in response.content.decode()
        assert 'value="Lindqvist"' in response.content.decode()
        assert not Patient.objects.filter(family_name="Lindqvist").exists()

    def test_an_enquiry_of_elsewhere_is_not_found(self, cast: Cast, signed_in: SignedIn) -> None:
        foreign = make.make_referral(cast.phoenix)
        assert signed_in(cast.frida).get(path("register_patient", referral=foreign.pk)).status_code == 404
        assert signed_in(cast.frida).get(path("register_patient", referral="x")).status_code == 200

    def test_only_the_desk_registers(self, cast: Cast, signed_in: SignedIn) -> None:
        for person in (cast.dana, cast.milo, cast.petra):
            assert signed_in(person).post(path("register_patient"), identity(cast)).status_code == 403


class TestEdit:
    def edited(self, cast: Cast, **values: Any) -> dict[str, Any]:
        fields = actions.identity_of(patient=cast.quinn).__dict__
        said = {name: "" if value is None else value for name, value in fields.items()}
        return {**said, "birth_date": "11/2/1991", "version": 1, **values}

    def test_saves_and_tells_the_history(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        response = client.post(
            path("edit_patient", cast.quinn.pk), self.edited(cast, pronouns="they/them", city="Golden")
        )
        assert response.status_code == 302
        words = client.get(path("patient_history", cast.quinn.pk)).content.decode()
        assert "Frida Flores" in words
        assert "Golden" in words
        assert "Pronouns" in words

    def test_the_second_editor_sees_what_changed_and_may_save_again(self, cast: Cast, signed_in: SignedIn) -> None:
        frida, felix = signed_in(cast.frida), signed_in(cast.felix)
        frida.post(path("edit_patient", cast.quinn.pk), self.edited(cast, city="Boulder"))
        late = felix.post(path("edit_patient", cast.quinn.pk), self.edited(cast, city="Golden"))
        assert late.status_code == 422
        words = late.content.decode()
        assert "Somebody changed this record" in words
        assert "Boulder" in words
        assert "Frida Flores" in words
        assert 'value="Golden"' in words
        assert 'name="version" value="2"' in words
        again = felix.post(path("edit_patient", cast.quinn.pk), self.edited(cast, city="Golden", version=2))
        assert again.status_code == 302

    def test_every_field_is_prefilled(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        form = client.get(path("edit_patient", cast.quinn.pk)).context["form"]
        sent = {name: form[name].value() for name in form.fields}
        sent = {name: "" if value in (None, False) else value for name, value in sent.items()}
        assert client.post(path("edit_patient", cast.quinn.pk), sent).status_code == 302
        cast.quinn.refresh_from_db()
        assert cast.quinn.version == 1

    def test_history_queries_do_not_grow(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        client.post(path("edit_patient", cast.quinn.pk), self.edited(cast, city="0"))
        one = queries(client, path("patient_history", cast.quinn.pk))
        for n in range(2, 31):
            client.post(path("edit_patient", cast.quinn.pk), self.edited(cast, city=str(n), version=n))
        assert queries(client, path("patient_history", cast.quinn.pk)) == one

    @pytest.mark.parametrize("version", ["", "x", "-1", "99999999999"])
    def test_a_made_up_version(self, cast: Cast, signed_in: SignedIn, version: str) -> None:
        response = signed_in(cast.frida).post(path("edit_patient", cast.quinn.pk), self.edited(cast, version=version))
        assert response.status_code == 422


class TestContacts:
    def test_add_change_end(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        robin = {"kind": "both", "name": "Robin", "relationship": "sister", "phone": "303 555 0100", "email": ""}
        assert client.post(path("add_contact", cast.pat.pk), robin).status_code == 302
        again = client.post(path("add_contact", cast.pat.pk), robin)
        assert again.status_code == 422
        assert "is on the list already" in again.content.decode()
        contact = Contact.objects.get(name="Robin")
        assert contact.can_escort
        assert client.get(path("edit_contact", contact.pk)).status_code == 200
        assert client.post(path("edit_contact", contact.pk), {**robin, "phone": "x"}).status_code == 422
        assert client.post(path("edit_contact", contact.pk), {**robin, "kind": "escort"}).status_code == 302
        assert client.get(path("end_contact", contact.pk)).status_code == 405
        assert client.post(path("end_contact", contact.pk)).status_code == 302
        assert client.post(path("end_contact", contact.pk), follow=True).status_code == 200
        contact.refresh_from_db()
        assert contact.ended_at is not None
        verbs = set(AuditEvent.objects.filter(verb__startswith="contact.").values_list("verb", flat=True))
        assert verbs == {"contact.added", "contact.changed", "contact.ended"}
        late = client.post(path("edit_contact", contact.pk), robin)
        assert "taken this contact off the list" in late.content.decode()


class TestLifeState:
    def test_moves_and_offers_what_follows(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        page = client.get(path("change_life_state", cast.pat.pk))
        assert [value for value, _label in page.context["form"].fields["to"].choices] == [
            "paused", "discharged", "deceased",
        ]  # fmt: skip
        assert client.post(path("change_life_state", cast.pat.pk), {"to": "enquirer"}).status_code == 422
        assert client.post(path("change_life_state", cast.pat.pk), {"to": "deceased"}).status_code == 302
        words = client.get(path("patient", cast.pat.pk)).content.decode()
        assert "This patient has died" in words
        assert "Invite to the portal" not in words

    def test_a_closed_portal_signs_out_at_once(self, cast: Cast, signed_in: SignedIn) -> None:
        pat = signed_in(cast.pat_user)
        assert pat.get(path("portal_me")).status_code == 200
        actions.change_life_state(by=cast.frida, patient=cast.pat, to=LifeState.DECEASED, now=NOW)
        assert pat.get(path("portal_me")).status_code == 302

    def test_only_a_manager_takes_back_a_death(self, cast: Cast, signed_in: SignedIn) -> None:
        actions.change_life_state(by=cast.frida, patient=cast.pat, to=LifeState.DECEASED, now=NOW)
        assert signed_in(cast.frida).post(path("take_back_death", cast.pat.pk)).status_code == 403
        assert signed_in(cast.ada).post(path("take_back_death", cast.pat.pk)).status_code == 302
        assert signed_in(cast.ada).post(path("take_back_death", cast.pat.pk)).status_code == 422


class TestPortalFromTheDesk:
    def test_invite_withdraw_suspend(self, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        person = make.make_patient(cast.denver, "Mei")
        assert client.post(path("invite_to_portal", person.pk)).status_code == 302
        second = client.post(path("invite_to_portal", person.pk))
        assert second.status_code == 422
        assert "An invitation is on its way" in second.content.decode()
        assert client.post(path("withdraw_portal_invitation", person.pk)).status_code == 302
        assert PortalInvitation.objects.get().withdrawn_at is not None
        assert client.post(path("withdraw_portal_invitation", person.pk)).status_code == 422
        assert client.post(path("suspend_portal", cast.pat.pk), {}).status_code == 422
        assert client.post(path("suspend_portal", cast.pat.pk), {"reason": "deceased"}).status_code == 422
        assert client.post(path("suspend_portal", cast.pat.pk), {"reason": "lost_address"}).status_code == 302
        assert AuditEvent.objects.get(verb="portal.suspended").details == {"reason": "lost_address"}
        words = client.get(path("patient", cast.pat.pk)).content.decode()
        assert "no longer reads that address" in words
        assert "Invite to the portal" in words

    def test_a_shared_address_is_explained(self, cast: Cast, signed_in: SignedIn) -> None:
        partner = make.make_patient(cast.denver, "Partner", email="pat@post.example")
        response = signed_in(cast.frida).post(path("invite_to_portal", partner.pk))
        assert response.status_code == 422
        assert "a sign-in address is one person" in response.content.decode()

    @pytest.mark.parametrize(("answer", "email"), [("apply", "new@post.example"), ("refuse", "pat@post.example")])
    def test_a_wish_from_the_portal_is_answered(self, cast: Cast, signed_in: SignedIn, answer: str, email: str) -> None:
        wish = actions.ask_address_change(
            by=cast.pat_user, patient=cast.pat, email="new@post.example", phone="", now=NOW
        )
        client = signed_in(cast.frida)
        assert "new@post.example" in client.get(path("patient", cast.pat.pk)).content.decode()
        assert signed_in(cast.olga).post(path("answer_address_change", wish.pk), {"answer": answer}).status_code == 404
        assert client.post(path("answer_address_change", wish.pk), {"answer": "maybe"}).status_code == 422
        assert client.post(path("answer_address_change", wish.pk), {"answer": answer}).status_code == 302
        assert client.post(path("answer_address_change", wish.pk), {"answer": answer}).status_code == 422
        cast.pat.refresh_from_db()
        assert cast.pat.email == email


class TestPreferences:
    def test_new_answers_are_new_rows_with_evidence(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.frida), path("preferences", cast.pat.pk)
        given = {"visit_email": "no", "visit_sms": "yes", "evidence": "asked_by_phone"}
        assert client.post(address, {**given, "evidence": ""}).status_code == 422
        assert client.post(address, given).status_code == 302
        rows = ContactPreference.objects.filter(patient=cast.pat)
        assert rows.count() == 3
        assert not rows.model.objects.allows(cast.pat, "visit", "email")
        assert rows.model.objects.allows(cast.pat, "visit", "sms")
        assert not rows.model.objects.allows(cast.pat, "follow_up", "email")
        # The same answers again write nothing.
        client.post(address, given)
        assert rows.count() == 3
        assert "asked by phone" in client.get(address).content.decode()
        assert AuditEvent.objects.filter(verb="preference.changed").count() == 2

    def test_the_public_form_is_no_evidence_of_the_desk(self, cast: Cast, signed_in: SignedIn) -> None:
        response = signed_in(cast.frida).post(
            path("preferences", cast.pat.pk), {"visit_sms": "yes", "evidence": "public_form"}
        )
        assert response.status_code == 422
