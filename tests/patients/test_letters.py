"""This floor's letters: neutral words, the right reader, and not sent once nobody wants them."""

import json
from dataclasses import replace

import pytest

from clinic import keyring, letters
from clinic.models import OutboundMessage
from patients.actions import patients, portal, referrals
from patients.models import LifeState, Patient, PortalInvitation
from tests import factories as make
from tests.cast import Cast
from tests.patients.test_patient_actions import register
from tests.patients.test_referral_actions import receive

NOW = make.NOON


@pytest.fixture
def sent(cast: Cast) -> dict[str, OutboundMessage]:
    """One queued letter of each kind."""
    receive(cast)
    mei = register(cast)
    portal.invite_to_portal(by=cast.frida, patient=mei, now=NOW)
    kept = patients.identity_of(patient=cast.quinn)
    patients.edit(by=cast.frida, patient=cast.quinn, version=1, identity=replace(kept, email="n@post.example"), now=NOW)
    return {letter.kind: letter for letter in OutboundMessage.objects.all()}


@pytest.mark.parametrize("kind", ["enquiry_received", "portal_invitation", "address_changed"])
def test_says_nothing_that_others_may_not_read(sent: dict[str, OutboundMessage], kind: str) -> None:
    letter = letters.render(sent[kind])
    assert letters.revealing_words(letter.text + letter.html + letter.subject) == []
    assert "Juniper Street" in letter.text
    assert "(303) 555-0100" in letter.text
    for name in ("Nilsen", "Lindqvist", "Abbott"):
        assert name not in letter.text + letter.subject


def test_the_invitation_holds_the_link_and_the_table_does_not(sent: dict[str, OutboundMessage]) -> None:
    letter = sent["portal_invitation"]
    token = json.loads(keyring.unseal(letter.secret))["token"]
    rendered = letters.render(letter)
    assert f"/join/{token}/" in rendered.text
    assert f"/join/{token}/" in rendered.html
    assert token not in str(PortalInvitation.objects.values().get())


def test_a_name_that_is_a_message_is_not_passed_on(cast: Cast) -> None:
    receive(cast, given_name="Visit www.spam.example now")
    letter = letters.render(OutboundMessage.objects.get(kind="enquiry_received"))
    assert "spam" not in letter.text + letter.html


def test_the_last_question_before_each_leaves(cast: Cast, sent: dict[str, OutboundMessage]) -> None:
    def asks(kind: str) -> str:
        return letters.get(kind).still_wanted(sent[kind], NOW)

    assert [asks(kind) for kind in sorted(sent)] == ["", "", ""]
    from patients.models import Referral

    referrals.decline(
        by=cast.frida, referral=Referral.objects.get(family_name="Nilsen"), reason="no_capacity", note="", now=NOW
    )
    mei = Patient.objects.get(given_name="Mei")
    portal.withdraw_portal_invitation(by=cast.frida, patient=mei, now=NOW)
    patients.change_life_state(by=cast.frida, patient=cast.quinn, to=LifeState.DISCHARGED, now=NOW)
    for kind in sorted(sent):
        assert letters.reason_text(kind, asks(kind)) != asks(kind) != ""


def test_the_post_knows_the_names_of_our_people(cast: Cast, sent: dict[str, OutboundMessage]) -> None:
    names = letters.recipient_names(sent.values())
    assert {"Nora Nilsen", "Mei Lindqvist", "Quinn Abbott"} <= set(names.values())


def test_a_language_we_have_no_words_in_gets_a_letter_all_the_same(cast: Cast) -> None:
    Patient.objects.filter(pk=cast.quinn.pk).update(language="other")
    cast.quinn.refresh_from_db()
    kept = patients.identity_of(patient=cast.quinn)
    patients.edit(by=cast.frida, patient=cast.quinn, version=1, identity=replace(kept, email=""), now=NOW)
    letter = OutboundMessage.objects.get(kind="address_changed")
    assert letter.language == "other"
    text = letters.render(letter).text
    assert "we no longer write to this e-mail address" in text
    assert "another" not in text, "there is none"
