"""Somebody writes that they may not stay safe: numbers in the same answer, and a person told at once, at any hour."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from clinic.actions import outbox, worklist
from clinic.letters import Rendered
from clinic.models import OutboundMessage, Role, TimeOff, WorkItem
from patients import crisis
from patients.actions import crisis as danger
from patients.actions import referrals
from patients.models import Patient, Referral
from sessions.actions import wishes
from sessions.models import ChangeRequest
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .test_enquire import ask
from .test_referral_actions import receive

ALARMING = "Nothing helps any more and I don’t want to live like this. I want to die."
Kind = WorkItem.Kind


@pytest.mark.parametrize(
    "text",
    [
        "I want to die", "i just WANT  to\ndie", "I'm going to kill myself", "I don’t want to be here anymore",
        "thoughts of suicide", "I was suicidal ten years ago", "self-harm", "self harming again", "I took an overdose",
        "everyone would be better off without me", "I can't go on", "I cannot stay safe", "no reason to live",
        "I wish I was dead", "planning to end it all", "cut myself", "quiero morir", "No quiero vivir más",
        "I can't live like this", "I cannot live anymore", "hacerme daño", "life is not worth living, nothing to live for", "I want to end my life",
        "i wanna die", "I want 2 die", "I don’t wanna live", "I'd rather be dead", "Life isn't worth living", "life’s not worth it",
        "I took all my pills", "I swallowed a whole bottle of tablets", "I could take all of the pills", "I od'd last night",
        "I wish I could go to sleep and never wake up", "I hope I don't wake up", "I wish I wasn't alive", "wish i weren’t here",
        "everyone would be better off if I was gone", "I want to disappear", "I'm thinking about ending things", "I want it to end",
        "slitting my wrists", "I shot myself", "jump off a bridge", "sucidal thoughts", "suicde", "no reason to be here",
        "I can't keep going", "thoughts of death", "I am a danger to myself", "I see no way out", "ya no puedo más", "took my own life",
    ],
)  # fmt: skip
def test_words_that_are_found(text: str) -> None:
    assert crisis.may_mean_danger(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Hello", "Could I come on Tuesday?", "I want to diet before that", "My dog died", "I live in Denver",
        "I want to live better", "I'd kill for a morning appointment", "Can I take the bus?", "I cut my hair myself",
        "the end of my lifelong search", "I can't live in Denver", "I do not want to wait",
        "I take all my medication every morning", "I don't wake up at night", "I did not wake up during the surgery",
        "ending things with my landlord", "The drive is not worth it", "I can't keep going to two clinics", "I jumped off the bus",
        "I want to take two pills at night", "the pain is killing me", "I want this to work", "sucked", "I thought about it",
    ],
)  # fmt: skip
def test_words_that_are_not(text: str) -> None:
    assert not crisis.may_mean_danger(text)


class TestEnquiry:
    def test_the_answer_begins_with_the_numbers(self, cast: Cast, now: datetime) -> None:
        response = ask(cast, message=ALARMING)
        page = response.client.get(response.headers["Location"]).content.decode()
        assert page.index("tel:988") < page.index("What happens next")
        assert page.index("tel:911") < page.index("What happens next")
        assert "around the clock" in page

    def test_a_refused_form_shows_them_too_and_keeps_the_words(self, cast: Cast, now: datetime) -> None:
        response = ask(cast, message=ALARMING, given_name="")
        page = response.content.decode()
        assert response.status_code == 422
        assert page.index("tel:988") < page.index("<form")
        assert "I want to die" in page

    def test_the_desk_and_the_prescribers_are_told_at_once(self, cast: Cast) -> None:
        night = make.NOON + timedelta(hours=12)
        referral = receive(cast, message=ALARMING, now=night)
        items = WorkItem.objects.filter(kind=Kind.CRISIS_WORDS, subject_id=referral.pk)
        assert {(item.owner, item.owner_role) for item in items} == {(None, Role.FRONT_DESK), (cast.dana, "")}
        assert {item.due_at for item in items} == {night}
        page = OutboundMessage.objects.get(kind="read_now")
        assert (page.recipient_kind, page.address, page.is_urgent) == ("staff", cast.dana.email, True)
        sent: list[Rendered] = []

        def send(letter: Rendered) -> str:
            sent.append(letter)
            return "1"

        while outbox.deliver_next(by=cast.sam, now=night, send=send):
            pass
        assert {letter.address for letter in sent} == {cast.dana.email, "nora@post.example"}
        assert not any("die" in letter.text for letter in sent)

    def test_who_is_away_is_not_alone_with_it_and_at_night_who_is_on_call_is_asked(self, cast: Cast) -> None:
        """Hazard: at ten past two the words lie in three mailboxes that are opened at eight, or next week."""
        make.make_duty(cast.denver, cast.tess, "first", make.NOON - timedelta(hours=12), 48)

        def asked(now: datetime, patient: Patient) -> set[str]:
            items = danger.ask_to_read(
                by=None, location=cast.denver, subject_type="patient", subject_id=patient.pk, patient=patient, now=now
            )
            return {item.owner.name.split()[0] for item in items if item.owner}

        night = make.NOON + timedelta(hours=17)
        assert asked(make.NOON, cast.pat) == {"Theo", "Dana", "Nina"}
        assert asked(night, cast.pat) == {"Theo", "Dana", "Nina", "Tess"}
        make.make_care_team_member(cast.quinn, cast.theo, is_lead=True)
        assert asked(make.NOON, cast.quinn) == {"Theo"}
        TimeOff.objects.create(
            user=cast.theo, during=(make.NOON, night), reason="holiday", entered_by=cast.ada, entered_at=make.NOON
        )
        assert asked(make.NOON, cast.quinn) == {"Theo", "Dana"}

    def test_new_words_are_a_new_letter_though_the_item_is_still_on_the_list(self, cast: Cast) -> None:
        """Hazard: nobody took this morning's item off the list, and tonight's words are swallowed by it."""

        def written(minutes: int) -> int:
            danger.ask_to_read(
                by=None, location=cast.denver, subject_type="patient", subject_id=cast.pat.pk, patient=cast.pat,
                now=make.NOON + timedelta(minutes=minutes),
            )  # fmt: skip
            return OutboundMessage.objects.filter(kind="read_now").count()

        assert [written(minutes) for minutes in (0, 5, 29, 31, 60 * 12)] == [3, 3, 3, 6, 9]
        assert WorkItem.objects.filter(kind=Kind.CRISIS_WORDS).count() == 4, "one item a person, however often"

    def test_twice_from_one_form_is_once(self, cast: Cast) -> None:
        key = uuid.uuid4()
        receive(cast, message=ALARMING, entry_key=key)
        receive(cast, message=ALARMING, entry_key=key)
        assert WorkItem.objects.filter(kind=Kind.CRISIS_WORDS).count() == 2
        assert OutboundMessage.objects.filter(kind="read_now").count() == 1

    def test_words_taken_down_by_phone_count_too(self, cast: Cast, now: datetime) -> None:
        referrals.enter(
            by=cast.frida, location=cast.denver, entry_key=make.make_referral(cast.denver).pk, source="phone",
            given_name="Nora", family_name="Nilsen", email="", phone="+13035550111", reach_by="phone",
            message="Says she cannot go on.", agrees_to_email=False, now=now,
        )  # fmt: skip
        assert WorkItem.objects.filter(kind=Kind.CRISIS_WORDS).count() == 2

    def test_nobody_is_troubled_by_an_ordinary_message(self, cast: Cast) -> None:
        receive(cast)
        assert not WorkItem.objects.filter(kind=Kind.CRISIS_WORDS).exists()

    def test_marked_in_the_list_and_on_the_enquiry(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        referral = receive(cast, message=ALARMING)
        client = signed_in(cast.frida)
        assert client.get(reverse("patients:referrals")).content.decode().count("Read now") == 1
        page = client.get(reverse("patients:referral", args=[referral.pk])).content.decode()
        assert "may mean danger" in page
        assert "may mean danger" not in client.get(
            reverse("patients:referral", args=[cast.rosa.pk])
        ).content.decode()  # fmt: skip
        first = client.get(reverse("clinic:worklist")).context["items"][0]
        assert (first["title"], first["url"]) == (
            "Read now: words that may mean danger", reverse("patients:referral", args=[referral.pk]),
        )  # fmt: skip

    def test_deciding_about_the_enquiry_does_not_take_it_off_the_list(self, cast: Cast, now: datetime) -> None:
        referral = receive(cast, message=ALARMING)
        referrals.decline(by=cast.frida, referral=referral, reason="no_capacity", note="", now=now)
        assert Referral.objects.get(pk=referral.pk).status == "declined"
        assert WorkItem.objects.open().filter(kind=Kind.CRISIS_WORDS).count() == 2

    def test_a_page_is_not_sent_about_what_was_dealt_with(self, cast: Cast, now: datetime) -> None:
        receive(cast, message=ALARMING, email="", phone="+13035550111", reach_by="phone")
        mine = WorkItem.objects.get(kind=Kind.CRISIS_WORDS, owner=cast.dana)
        worklist.close_item(by=cast.dana, item=mine, outcome=WorkItem.Outcome.DONE, note="Called.", now=now)
        message = outbox.deliver_next(by=cast.sam, now=now, send=lambda _letter: "1")
        assert message is not None
        assert (message.kind, message.status) == ("read_now", "skipped")


class TestWish:
    def test_the_care_team_is_told_and_the_patient_gets_the_numbers(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        visit = make.make_appointment(cast.pat, cast.intake, cast.dana, now + timedelta(days=7))
        client = signed_in(cast.pat_user)
        url = reverse("sessions:ask_change", args=[visit.pk])
        response = client.post(url, {"wish": "cancel", "message": ALARMING})
        page = client.get(response.headers["Location"]).content.decode()
        assert page.index('id="now-title"') < page.index("When and where")
        items = WorkItem.objects.filter(kind=Kind.CRISIS_WORDS, subject_id=visit.pk, patient_id=cast.pat.pk)
        assert {item.owner for item in items} == {None, cast.theo, cast.dana, cast.nina}
        desk = signed_in(cast.frida).get(reverse("sessions:appointment", args=[visit.pk])).content.decode()
        assert "may mean danger" in desk

    def test_a_refused_wish_shows_the_numbers_and_keeps_the_words(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        visit = make.make_appointment(cast.pat, cast.intake, cast.dana, now + timedelta(hours=3))
        url = reverse("sessions:ask_change", args=[visit.pk])
        response = signed_in(cast.pat_user).post(url, {"wish": "cancel", "message": ALARMING})
        page = response.content.decode()
        assert response.status_code == 422
        assert 'id="now-title"' in page
        assert "I want to die" in page

    def test_without_a_team_the_prescribers_are_told(self, cast: Cast, now: datetime) -> None:
        visit = make.make_appointment(cast.quinn, cast.intake, cast.dana, now + timedelta(days=7))
        wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message=ALARMING, now=now
        )
        owners = {item.owner for item in WorkItem.objects.filter(kind=Kind.CRISIS_WORDS)}
        assert owners == {None, cast.dana}
