"""The public pages: what strangers read, how they ask, and what they never learn."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import OutboundMessage, WorkItem
from patients.models import Patient, Referral
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

XSS = "<script>alert(1)</script>"


def form(cast: Cast, **values: Any) -> dict[str, Any]:
    return {
        "entry_key": uuid.uuid4(), "given_name": "Nora", "family_name": "Nilsen", "reach_by": "email",
        "email": "nora@post.example", "phone": "", "location": cast.denver.pk, "message": "Hello",
        "agrees_to_email": "on", "website": "", **values,
    }  # fmt: skip


def ask(cast: Cast, **values: Any) -> Any:
    return Client().post(reverse("patients:enquire"), form(cast, **values))


class TestWelcome:
    def test_says_the_four_steps_off_label_and_who_answers_now(self, cast: Cast) -> None:
        words = Client().get(reverse("patients:welcome")).content.decode()
        for said in ("We get to know you", "Two and a half hours", "Preparation", "Integration", "Psychotherapy",
                     "We stay in touch", "off-label", "not approved by the FDA", "Call 988", "Call 911", "Ask or start"):  # fmt: skip
            assert said in words
        # No numbers of success: nothing is promised.
        assert not re.search(r"\d\s?%|percent|proven|cure", words)

    def test_is_the_front_door_of_strangers(self, cast: Cast) -> None:
        assert Client().get("/").headers["Location"] == reverse("patients:welcome")


class TestEnquire:
    def test_says_when_an_address_is_needed(self, cast: Cast) -> None:
        page = Client().get(reverse("patients:enquire")).content.decode()
        labels = {
            words.split(" <")[0]: words for words in re.findall(r'<label class="field-label"[^>]*>(.*?)</label>', page)
        }
        assert "(if by e-mail)" in labels["E-mail"]
        assert "(if by phone)" in labels["Phone"]
        assert "(optional)" in labels["Anything you would like us to know"]

    def test_a_message_becomes_an_enquiry(self, cast: Cast) -> None:
        response = ask(cast)
        assert (response.status_code, response.headers["Location"]) == (302, reverse("patients:enquiry_sent"))
        referral = Referral.objects.get(email="nora@post.example")
        assert (referral.location, referral.agrees_to_email, referral.source) == (cast.denver, True, "public_page")
        assert WorkItem.objects.filter(kind=WorkItem.Kind.REFERRAL, subject_id=referral.pk).exists()

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"given_name": ""}, "Enter the first name."),
            ({"location": ""}, "Choose a location."),
            ({"email": "", "reach_by": "email"}, "Enter an e-mail, or choose to be called instead."),
            ({"reach_by": "phone"}, "Enter a phone, or choose to be written to instead."),
            ({"phone": "12"}, "Enter a phone with its area code"),
            ({"phone": "303 555 0142 x7"}, "Enter the number without its extension"),
            ({"email": "nora"}, "Enter an e-mail address like name@example.com."),
            ({"location": str(uuid.uuid4())}, "Choose one of those offered."),
            ({"message": "x" * 2001}, "room for 2000."),
            ({"given_name": "x" * 81}, "room for 80."),
            ({"entry_key": "not-a-key"}, "This page is not complete. Reload it and try again."),
            ({"message": "a\x00b"}, "There is a character in this that cannot be kept."),
        ],
    )
    def test_refuses_in_sentences_and_keeps_what_was_typed(
        self, cast: Cast, change: dict[str, str], sentence: str
    ) -> None:
        response = ask(cast, **{"message": "My own words.", **change})
        assert response.status_code == 422
        words = response.content.decode()
        assert sentence in words
        if "message" not in change:
            assert "My own words." in words
        assert not Referral.objects.filter(family_name="Nilsen").exists()

    def test_a_long_message_is_refused_whole_and_never_cut(self, cast: Cast) -> None:
        long = "I have more to say. " * 150
        (box,) = re.findall(r"<textarea[^>]*>", Client().get(reverse("patients:enquire")).content.decode())
        assert "maxlength" not in box
        answer = ask(cast, message=long)
        assert answer.status_code == 422
        assert long.strip() in answer.content.decode()
        assert not Referral.objects.exclude(pk=cast.rosa.pk).exists()

    def test_a_flood_is_refused_in_a_sentence(self, cast: Cast) -> None:
        for n in range(3):
            assert ask(cast, message=f"Number {n}").status_code == 302
        response = ask(cast, message="Number 4")
        assert response.status_code == 422
        assert "try again in an hour" in response.content.decode()
        assert "Number 4" in response.content.decode()

    def test_what_only_machines_fill_in_is_refused_in_words_and_never_thanked(self, cast: Cast) -> None:
        """A browser that fills in forms may have done it for somebody who would wait for our answer."""
        response = ask(cast, website="https://spam.example", message="My own words.")
        assert response.status_code == 422
        page = response.content.decode()
        assert "Your browser filled in a field that has to stay empty." in page
        assert "My own words." in page
        assert 'value="https://spam.example"' in page, "it is shown, so that a person can empty it"
        assert not Referral.objects.filter(family_name="Nilsen").exists()

    def test_known_and_unknown_people_get_the_same_answer(self, cast: Cast) -> None:
        known = ask(cast, email="pat@post.example", given_name="Pat", family_name="Moreau")
        unknown = ask(cast, email="nobody@post.example")
        assert (known.status_code, known.headers["Location"]) == (unknown.status_code, unknown.headers["Location"])
        pages = [Client().get(response.headers["Location"]).content.decode() for response in (known, unknown)]
        assert len({re.sub(r"[A-Za-z0-9]{64}", "", page) for page in pages}) == 1
        letters = OutboundMessage.objects.filter(kind="enquiry_received")
        assert {letter.recipient_kind for letter in letters} == {"enquirer"}

    def test_a_stored_script_stays_words(self, cast: Cast, signed_in: SignedIn) -> None:
        ask(cast, given_name=XSS, family_name=XSS, message=XSS)
        referral = Referral.objects.get(given_name=XSS)
        client = signed_in(cast.frida)
        for address in (
            reverse("patients:referrals"),
            reverse("patients:referral", args=[referral.pk]),
            reverse("patients:decline_referral", args=[referral.pk]),
        ):
            words = client.get(address).content.decode()
            assert XSS not in words
            assert "&lt;script&gt;" in words

    def test_without_the_token_of_the_form_nothing_is_taken(self, cast: Cast) -> None:
        client = Client(enforce_csrf_checks=True)
        assert client.post(reverse("patients:enquire"), form(cast)).status_code == 403

    def test_looking_writes_nothing(self, cast: Cast) -> None:
        Client().get(reverse("patients:enquire") + "?given_name=Nora&location=x&website=y")
        assert Referral.objects.count() == 1

    def test_extra_fields_change_nothing(self, cast: Cast) -> None:
        ask(cast, status="booked", patient=str(cast.pat.pk), accepted_at="2027-01-01", source="clinician")
        referral = Referral.objects.get(family_name="Nilsen")
        assert (referral.status, referral.patient_id, referral.source) == ("new", None, "public_page")

    def test_the_key_of_another_enquiry_neither_shows_nor_changes_it(self, cast: Cast) -> None:
        ask(cast, entry_key=cast.rosa.pk)
        cast.rosa.refresh_from_db()
        assert cast.rosa.given_name == "Rosa"
        assert Referral.objects.filter(family_name="Nilsen").exists()

    def test_no_public_page_knows_anybody(self, cast: Cast) -> None:
        make.make_patient(cast.denver, "Secretperson")
        for name in ("welcome", "enquire", "enquiry_sent"):
            words = Client().get(reverse(f"patients:{name}")).content.decode()
            assert not any(patient.family_name in words for patient in Patient.objects.all())
