"""Patients registered, corrected, moved through the states of care, invited and joining: yes, no, and once."""

import threading
import uuid
from dataclasses import replace
from datetime import date, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.db import connection

from clinic import keyring
from clinic.models import AuditEvent, OutboundMessage, User, WorkItem
from patients.actions import patients, portal, referrals
from patients.models import (
    AddressChange,
    ContactPreference,
    LifeState,
    Patient,
    PortalInvitation,
    PortalSuspension,
)
from tests import factories as make
from tests.cast import Cast, make_cast

NOW = make.NOON
MEI = patients.Identity(
    given_name="Mei", family_name="Lindqvist", birth_date=date(1990, 2, 28), email="Mei@Post.example"
)


def register(cast: Cast, **values: object) -> Patient:
    given: dict[str, object] = {
        "by": cast.frida, "entry_key": uuid.uuid4(), "location": cast.denver, "identity": MEI, "now": NOW,
    }  # fmt: skip
    return patients.register(**{**given, **values})  # type: ignore[arg-type]  # a table of values


def invite(cast: Cast, patient: Patient) -> tuple[PortalInvitation, str]:
    """Return the invitation and the token that only its letter knows."""
    import json

    invitation = portal.invite_to_portal(by=cast.frida, patient=patient, now=NOW)
    letter = OutboundMessage.objects.get(kind="portal_invitation", subject_id=invitation.pk)
    return invitation, json.loads(keyring.unseal(letter.secret))["token"]


def join(token: str, born: date, address: str = "203.0.113.5") -> Patient:
    return portal.join_portal(token=token, birth_date=born, address=address, now=NOW)


class TestRegister:
    def test_gives_a_number_and_belongs_to_the_enquiry(self, cast: Cast) -> None:
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        patient = register(cast, referral=cast.rosa, email_consent=ContactPreference.Evidence.PUBLIC_FORM)
        assert patient.mrn.startswith("SW-1")
        assert (patient.email, patient.life_state) == ("mei@post.example", LifeState.ENQUIRER)
        cast.rosa.refresh_from_db()
        assert cast.rosa.patient == patient
        agreed = ContactPreference.objects.get(patient=patient)
        assert (agreed.category, agreed.channel, agreed.is_allowed, agreed.evidence) == (
            "visit", "email", True, "public_form",
        )  # fmt: skip
        assert AuditEvent.objects.get(verb="patient.registered").patient_id == patient.pk

    def test_without_consent_no_answer_is_written(self, cast: Cast) -> None:
        assert not ContactPreference.objects.filter(patient=register(cast)).exists()

    def test_twice_from_one_form_is_once(self, cast: Cast) -> None:
        key = uuid.uuid4()
        assert register(cast, entry_key=key).pk == register(cast, entry_key=key).pk

    def test_a_key_of_somebody_else_registers_anew(self, cast: Cast) -> None:
        assert register(cast, entry_key=cast.sol.pk).pk != cast.sol.pk

    def test_asks_about_people_who_seem_known(self, cast: Cast) -> None:
        twin = replace(MEI, given_name="Patt", family_name="Moreau", birth_date=cast.pat.birth_date)
        with pytest.raises(patients.LooksKnown) as refused:
            register(cast, identity=twin)
        assert [patient for patient, _match in refused.value.matches] == [cast.pat]
        assert register(cast, identity=twin, is_surely_new=True).family_name == "Moreau"

    def test_asks_only_about_people_the_desk_may_see(self, cast: Cast) -> None:
        twin = replace(MEI, given_name="Sol", family_name="Serrano", birth_date=cast.sol.birth_date)
        assert register(cast, identity=twin)

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"email": "", "phone": ""}, patients.CannotBeReached),
            ({"birth_date": date(2027, 1, 14)}, patients.NotBornYet),
        ],
    )
    def test_refuses(self, cast: Cast, change: dict[str, object], refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            register(cast, identity=replace(MEI, **change))  # type: ignore[arg-type]  # a table of values

    def test_an_enquiry_has_one_patient(self, cast: Cast) -> None:
        with pytest.raises(referrals.AlreadyDecided):
            register(cast, referral=cast.rosa)
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        register(cast, referral=cast.rosa)
        with pytest.raises(referrals.AlreadyLinked):
            register(cast, referral=cast.rosa, identity=replace(MEI, given_name="Another", email="x@post.example"))


class TestEdit:
    def test_writes_what_differs_and_raises_the_version(self, cast: Cast) -> None:
        kept = patients.identity_of(patient=cast.quinn)
        edited = patients.edit(
            by=cast.frida, patient=cast.quinn, version=1, identity=replace(kept, pronouns="they/them"), now=NOW
        )
        assert (edited.pronouns, edited.version) == ("they/them", 2)
        assert AuditEvent.objects.get(verb="patient.changed").details == {"fields": ["pronouns"]}
        again = patients.edit(
            by=cast.frida, patient=cast.quinn, version=2, identity=patients.identity_of(patient=edited), now=NOW
        )
        assert again.version == 2

    def test_second_editor_is_told(self, cast: Cast) -> None:
        kept = patients.identity_of(patient=cast.quinn)
        patients.edit(by=cast.frida, patient=cast.quinn, version=1, identity=replace(kept, city="Boulder"), now=NOW)
        with pytest.raises(patients.ChangedMeanwhile):
            patients.edit(by=cast.felix, patient=cast.quinn, version=1, identity=replace(kept, city="Golden"), now=NOW)
        cast.quinn.refresh_from_db()
        assert cast.quinn.city == "Boulder"

    def test_a_new_address_is_traced_and_told_to_the_old_one(self, cast: Cast) -> None:
        kept = patients.identity_of(patient=cast.quinn)
        patients.edit(
            by=cast.frida, patient=cast.quinn, version=1, now=NOW,
            identity=replace(kept, email="new@post.example", phone="+13035550999"),
        )  # fmt: skip
        traced = AuditEvent.objects.get(verb="patient.address_changed")
        assert traced.details == {"fields": ["email", "phone"]}
        letter = OutboundMessage.objects.get(kind="address_changed")
        assert letter.address == "quinn@post.example"
        # Letters go to the new address; the way into the portal is still the old one until it is verified anew.
        cast.quinn_user.refresh_from_db()
        assert cast.quinn_user.email == "quinn@post.example"

    def test_a_new_address_withdraws_the_invitation_to_the_old_one(self, cast: Cast) -> None:
        patient = register(cast)
        invitation, token = invite(cast, patient)
        kept = patients.identity_of(patient=patient)
        patients.edit(
            by=cast.frida, patient=patient, version=1, identity=replace(kept, email="other@post.example"), now=NOW
        )
        invitation.refresh_from_db()
        assert invitation.withdrawn_at == NOW
        assert OutboundMessage.objects.get(kind="portal_invitation").status == OutboundMessage.Status.VOID
        with pytest.raises(portal.CannotJoin):
            join(token, MEI.birth_date)


class TestLifeState:
    def test_death_stops_letters_and_closes_the_portal(self, cast: Cast) -> None:
        kept = patients.identity_of(patient=cast.quinn)
        edited = patients.edit(
            by=cast.frida, patient=cast.quinn, version=1, identity=replace(kept, email="n@post.example"), now=NOW
        )
        patient = patients.change_life_state(by=cast.frida, patient=edited, to=LifeState.DECEASED, now=NOW)
        assert not patient.gets_letters
        assert not patient.has_portal
        assert patient.portal_suspension == PortalSuspension.DECEASED
        assert OutboundMessage.objects.get(kind="address_changed").status == OutboundMessage.Status.VOID
        cast.quinn_user.refresh_from_db()
        assert not cast.quinn_user.is_active

    def test_discharge_withdraws_an_invitation(self, cast: Cast) -> None:
        patient = register(cast)
        invitation, _token = invite(cast, patient)
        patients.change_life_state(by=cast.frida, patient=patient, to=LifeState.DISCHARGED, now=NOW)
        invitation.refresh_from_db()
        assert invitation.withdrawn_at == NOW
        with pytest.raises(portal.GetsNoLetters):
            portal.invite_to_portal(by=cast.frida, patient=patient, now=NOW)

    def test_refuses_what_does_not_follow(self, cast: Cast) -> None:
        with pytest.raises(patients.NoSuchMove, match="active"):
            patients.change_life_state(by=cast.frida, patient=cast.pat, to=LifeState.ENQUIRER, now=NOW)

    def test_twice_is_once(self, cast: Cast) -> None:
        for _ in range(2):
            patients.change_life_state(by=cast.frida, patient=cast.pat, to=LifeState.PAUSED, now=NOW)
        assert AuditEvent.objects.filter(verb="patient.life_state_changed").count() == 1

    def test_a_death_is_taken_back_by_its_own_act(self, cast: Cast) -> None:
        patients.change_life_state(by=cast.frida, patient=cast.pat, to=LifeState.DECEASED, now=NOW)
        with pytest.raises(patients.DeathIsTakenBackByManagers):
            patients.change_life_state(by=cast.frida, patient=cast.pat, to=LifeState.DISCHARGED, now=NOW)
        patient = patients.take_back_death(by=cast.ada, patient=cast.pat, now=NOW)
        assert patient.life_state == LifeState.DISCHARGED
        assert not patient.has_portal
        with pytest.raises(patients.NoSuchMove):
            patients.take_back_death(by=cast.ada, patient=cast.pat, now=NOW)


class TestInvite:
    def test_keeps_no_token_in_clear(self, cast: Cast) -> None:
        invitation, token = invite(cast, register(cast))
        assert invitation.token_hash != token
        assert invitation.expires_at == NOW + timedelta(days=14)
        letter = OutboundMessage.objects.get(kind="portal_invitation")
        assert token not in letter.secret

    def test_one_open_invitation(self, cast: Cast) -> None:
        patient = register(cast)
        invite(cast, patient)
        with pytest.raises(portal.AlreadyInvited, match="Wed 27 Jan 2027"):
            portal.invite_to_portal(by=cast.frida, patient=patient, now=NOW)

    def test_an_expired_one_makes_room(self, cast: Cast) -> None:
        patient = register(cast)
        first, _token = invite(cast, patient)
        later = NOW + timedelta(days=15)
        second = portal.invite_to_portal(by=cast.frida, patient=patient, now=later)
        first.refresh_from_db()
        assert first.withdrawn_at == later
        assert second.is_open(later)

    def test_withdrawn_voids_the_letter(self, cast: Cast) -> None:
        patient = register(cast)
        invite(cast, patient)
        portal.withdraw_portal_invitation(by=cast.frida, patient=patient, now=NOW)
        assert OutboundMessage.objects.get(kind="portal_invitation").status == OutboundMessage.Status.VOID
        with pytest.raises(portal.NoOpenInvitation):
            portal.withdraw_portal_invitation(by=cast.frida, patient=patient, now=NOW)

    def test_refuses_who_has_it_and_who_has_no_address(self, cast: Cast) -> None:
        with pytest.raises(portal.HasPortal):
            portal.invite_to_portal(by=cast.frida, patient=cast.pat, now=NOW)
        with pytest.raises(portal.HasNoEmail):
            portal.invite_to_portal(by=cast.frida, patient=make.make_patient(cast.denver, email=""), now=NOW)

    @pytest.mark.parametrize("address", ["pat@post.example", "frida@juniper.example"])
    def test_a_sign_in_address_is_one_persons(self, cast: Cast, address: str) -> None:
        patient = make.make_patient(cast.denver, email=address)
        with pytest.raises(portal.AddressIsSomebodyElses, match="only they read"):
            portal.invite_to_portal(by=cast.frida, patient=patient, now=NOW)

    def test_two_invitations_to_one_address(self, cast: Cast) -> None:
        invite(cast, make.make_patient(cast.denver, "One", email="shared@post.example"))
        with pytest.raises(portal.AddressIsSomebodyElses):
            invite(cast, make.make_patient(cast.denver, "Two", email="shared@post.example"))


class TestJoin:
    def test_makes_a_sign_in_with_a_verified_address(self, cast: Cast) -> None:
        patient = register(cast)
        _invitation, token = invite(cast, patient)
        joined = join(token, MEI.birth_date)
        user = joined.portal_user
        assert user is not None
        assert (user.kind, user.email, user.has_usable_password()) == (User.Kind.PATIENT, "mei@post.example", False)
        address = EmailAddress.objects.get(user=user)
        assert (address.email, address.verified, address.primary) == ("mei@post.example", True, True)
        assert joined.has_portal
        assert AuditEvent.objects.get(verb="portal.joined").actor_id == user.pk

    def test_a_link_is_good_once(self, cast: Cast) -> None:
        _invitation, token = invite(cast, register(cast))
        join(token, MEI.birth_date)
        with pytest.raises(portal.AlreadyJoined):
            join(token, MEI.birth_date)
        with pytest.raises(portal.CannotJoin):
            join(token, date(1990, 2, 27))
        assert User.objects.filter(email="mei@post.example").count() == 1

    def test_a_forwarded_link_wants_the_birth_date_and_closes_at_the_fifth_guess(self, cast: Cast) -> None:
        patient = register(cast)
        invitation, token = invite(cast, patient)
        for guess in range(5):
            with pytest.raises(portal.CannotJoin):
                join(token, date(1990, 3, 1 + guess))
        invitation.refresh_from_db()
        assert (invitation.failed_checks, invitation.withdrawn_at) == (5, NOW)
        call = WorkItem.objects.get(kind=WorkItem.Kind.CALL_PATIENT)
        assert (call.patient_id, call.owner_role) == (patient.pk, "front_desk")
        with pytest.raises(portal.CannotJoin):
            join(token, MEI.birth_date)
        assert AuditEvent.objects.filter(verb="portal.join_refused").count() == 5

    def test_wrong_expired_and_made_up_links_get_one_sentence(self, cast: Cast) -> None:
        invitation, token = invite(cast, register(cast))
        said = set()
        for given, born in (("made-up", MEI.birth_date), (token, date(1990, 1, 1))):
            with pytest.raises(portal.CannotJoin) as refused:
                join(given, born)
            said.add(str(refused.value))
        PortalInvitation.objects.filter(pk=invitation.pk).update(expires_at=NOW)
        with pytest.raises(portal.CannotJoin) as refused:
            join(token, MEI.birth_date)
        assert said == {str(refused.value)}

    def test_one_address_may_not_try_for_ever(self, cast: Cast) -> None:
        _invitation, token = invite(cast, register(cast))
        for n in range(portal.MOST_CHECKS_FROM_ONE_ADDRESS):
            with pytest.raises(portal.CannotJoin):
                join(f"made-up-{n}", MEI.birth_date)
        with pytest.raises(portal.CannotJoin):
            join(token, MEI.birth_date)
        assert join(token, MEI.birth_date, address="203.0.113.77").has_portal

    def test_the_address_became_somebody_elses(self, cast: Cast) -> None:
        _invitation, token = invite(cast, register(cast))
        make.make_user("Other Person", kind=User.Kind.PATIENT, email="mei@post.example")
        with pytest.raises(portal.CannotJoin):
            join(token, MEI.birth_date)

    def test_suspended_and_joined_again_is_the_same_user_at_a_new_address(self, cast: Cast) -> None:
        portal.suspend_portal(by=cast.frida, patient=cast.quinn, reason=PortalSuspension.LOST_ADDRESS, now=NOW)
        cast.quinn_user.refresh_from_db()
        assert not cast.quinn_user.is_active
        with pytest.raises(portal.NoPortal):
            portal.suspend_portal(by=cast.frida, patient=cast.quinn, reason=PortalSuspension.ASKED, now=NOW)
        cast.quinn.refresh_from_db()
        kept = patients.identity_of(patient=cast.quinn)
        edited = patients.edit(
            by=cast.frida, patient=cast.quinn, version=cast.quinn.version, now=NOW,
            identity=replace(kept, email="fresh@post.example"),
        )  # fmt: skip
        _invitation, token = invite(cast, edited)
        joined = join(token, cast.quinn.birth_date)
        assert joined.portal_user is not None
        assert joined.portal_user.pk == cast.quinn_user.pk
        assert joined.portal_user.email == "fresh@post.example"
        assert not joined.portal_is_suspended


class TestAddressChange:
    def test_asked_on_the_portal_applied_at_the_desk(self, cast: Cast) -> None:
        wish = patients.ask_address_change(
            by=cast.quinn_user, patient=cast.quinn, email="New@Post.example", phone="", now=NOW
        )
        again = patients.ask_address_change(
            by=cast.quinn_user, patient=cast.quinn, email="new@post.example", phone="", now=NOW
        )
        assert again.pk == wish.pk
        with pytest.raises(patients.AlreadyAsked):
            patients.ask_address_change(
                by=cast.quinn_user, patient=cast.quinn, email="third@post.example", phone="", now=NOW
            )
        cast.quinn.refresh_from_db()
        assert cast.quinn.email == "quinn@post.example"
        patients.answer_address_change(by=cast.frida, wish=wish, apply=True, now=NOW)
        cast.quinn.refresh_from_db()
        assert (cast.quinn.email, cast.quinn.version) == ("new@post.example", 2)
        assert OutboundMessage.objects.get(kind="address_changed").address == "quinn@post.example"
        assert WorkItem.objects.get(kind=WorkItem.Kind.ADDRESS_CHANGED).outcome == WorkItem.Outcome.DONE
        with pytest.raises(patients.AlreadySettled):
            patients.answer_address_change(by=cast.felix, wish=wish, apply=False, now=NOW)

    def test_refused_changes_nothing(self, cast: Cast) -> None:
        with pytest.raises(patients.NothingAsked):
            patients.ask_address_change(by=cast.quinn_user, patient=cast.quinn, email="", phone="", now=NOW)
        wish = patients.ask_address_change(
            by=cast.quinn_user, patient=cast.quinn, email="", phone="+13035550777", now=NOW
        )
        patients.answer_address_change(by=cast.frida, wish=wish, apply=False, now=NOW)
        cast.quinn.refresh_from_db()
        assert cast.quinn.version == 1
        assert AddressChange.objects.get().was_applied is False


@pytest.mark.django_db(transaction=True)
def test_twenty_people_redeem_one_invitation() -> None:
    cast = make_cast()
    patient = register(cast)
    _invitation, token = invite(cast, patient)
    start, outcomes = threading.Barrier(20), []

    def press(n: int) -> None:
        try:
            start.wait()
            join(token, MEI.birth_date, address=f"198.51.100.{n}")
            outcomes.append("joined")
        except portal.AlreadyJoined:
            outcomes.append("sentence")
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["joined"] + ["sentence"] * 19
    assert User.objects.filter(email="mei@post.example").count() == 1
    assert AuditEvent.objects.filter(verb="portal.joined").count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_presses_register_one_patient() -> None:
    cast = make_cast()
    key, start, made = uuid.uuid4(), threading.Barrier(20), []

    def press() -> None:
        try:
            start.wait()
            made.append(register(cast, entry_key=key, is_surely_new=True).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) == {key}
    assert Patient.objects.filter(family_name="Lindqvist").count() == 1
