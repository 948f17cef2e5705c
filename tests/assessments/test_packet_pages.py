"""The packet's pages: the patient's own, the desk's panel in words, and the clinician's reading of what was handed in."""

import html
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.urls import reverse

from assessments import letters
from assessments.actions import handing_in, packets
from assessments.models import Clearance, FamilyHistory, Packet, PacketSection, RiskAlert
from assessments.packetparts import SECTIONS
from clinic import subjects
from clinic.models import AuditEvent, OutboundMessage, WorkItem
from patients.models import ContactPreference, Patient
from tests import factories as make
from tests.assessments.packets import fill, packet_of
from tests.cast import Cast
from tests.conftest import SignedIn

NOON = make.NOON
HTMX: Any = {"HTTP_HX_REQUEST": "true"}


def url(part: str, step: str = "") -> str:
    return reverse("assessments:packet_section", args=[part]) + (f"?step={step}" if step else "")


@pytest.fixture
def quinn(cast: Cast, signed_in: SignedIn, now: object) -> Client:
    return signed_in(cast.quinn_user)


@pytest.fixture
def packet(cast: Cast) -> Packet:
    return make.make_packet(cast.quinn, cast.frida)


def post(
    client: Client, part: str, typed: Mapping[str, str], step: str = "", go: str = "next", key: str = "w.0", **more: Any
) -> Any:
    values = {"version": "{}", "entry_key": key, "go": go, **typed}
    return client.post(url(part, step), values, **more)


def draft_of(part: str) -> dict[str, str]:
    return PacketSection.objects.get(code=part).draft  # type: ignore[no-any-return]  # JSON


class TestFillingIn:
    def test_every_screen_opens_and_asks_without_choosing(self, quinn: Client, packet: Packet) -> None:
        for section in SECTIONS:
            for step in section.steps:
                page = quinn.get(url(section.code, step.name))
                assert page.status_code == 200
                assert b" checked" not in page.content
                assert b"988" in page.content
        assert not PacketSection.objects.exists(), "looking writes nothing"
        packet.refresh_from_db()
        assert packet.status == "invited"

    def test_save_and_go_on_walks_through_a_part_and_finishes_it(self, quinn: Client, packet: Packet) -> None:
        assert post(quinn, "goals", {"reason": "circles"}).headers["Location"] == url("goals", "hopes")
        assert post(quinn, "goals", {"hopes": "sleep"}, "hopes").headers["Location"] == url("goals", "more")
        assert post(quinn, "goals", {"more": ""}, "more").headers["Location"] == reverse("assessments:my_packet")
        assert draft_of("goals") == {"reason": "circles", "hopes": "sleep"}
        assert PacketSection.objects.get(code="goals").done_at == NOON
        assert "done" in quinn.get(reverse("assessments:my_packet")).content.decode()

    def test_what_is_open_is_shown_and_may_be_left_for_a_talk(self, cast: Cast, quinn: Client, packet: Packet) -> None:
        page = post(quinn, "family", {})
        assert page.status_code == 422
        assert "Leave these open and go on" in page.content.decode()
        done = post(quinn, "family", {}, go="leave")
        assert done.headers["Location"] == reverse("assessments:my_packet")
        assert PacketSection.objects.get(code="family").done_at == NOON
        # Left open is no answer: nothing is made of it.
        fill(packet, family={"family_psychosis": "", "leave-relatives": "on"})
        handing_in.submit(by=cast.quinn_user, packet=packet, leaves_questionnaires=True, now=NOON)
        assert not FamilyHistory.objects.exists()

    def test_what_cannot_be_right_is_kept_said_and_not_left(self, quinn: Client, packet: Packet) -> None:
        page = post(quinn, "about_you", {"sex_at_birth": "female", "height_feet": "tall"}, "body_basics")
        assert page.status_code == 422
        words = page.content.decode()
        assert "Write a whole number." in words
        assert 'value="tall"' in words
        assert "Leave these open" not in words
        assert draft_of("about_you")["height_feet"] == "tall"

    def test_the_last_screen_leads_to_the_first_that_is_open(self, quinn: Client, packet: Packet) -> None:
        answer = post(quinn, "goals", {"more": "no"}, "more")
        assert answer.headers["Location"] == url("goals", "reason") + "&check=1"
        assert "Still open on this page" in quinn.get(answer.headers["Location"]).content.decode()

    def test_rows_are_added_without_scripts(self, quinn: Client, packet: Packet) -> None:
        typed = {"medicine-0-name": "sertraline"}
        assert post(quinn, "medicines", typed, go="add").status_code == 302
        page = quinn.get(url("medicines")).content.decode()
        assert 'name="medicine-1-name"' in page
        assert 'name="medicine-2-name"' not in page
        assert 'value="sertraline"' in page
        # And with them, in place.
        page = post(quinn, "medicines", typed, go="add", **HTMX).content.decode()
        assert 'name="medicine-2-name"' in page

    def test_a_change_is_kept_by_itself_and_says_when(self, quinn: Client, packet: Packet) -> None:
        answer = post(quinn, "goals", {"reason": "I thi"}, go="keep", **HTMX)
        assert answer.status_code == 200
        words = answer.content.decode()
        assert "Saved 09:00" in words
        assert "<html" not in words
        assert json.loads(html.unescape(re.search(r'name="version" value="([^"]*)"', words)[1])) == {"reason": "I thi"}  # type: ignore[index]  # it is there
        # The last words of a page that was left.
        assert post(quinn, "goals", {"reason": "I think"}, go="keep").status_code == 204
        assert draft_of("goals") == {"reason": "I think"}

    def test_one_goes_on_where_one_was(self, quinn: Client, packet: Packet) -> None:
        post(quinn, "history", {"glaucoma": "no"}, "eyes", go="stop")
        assert url("history", "eyes") in quinn.get(reverse("assessments:my_packet")).content.decode()
        assert "Your eyes" in quinn.get(url("history")).content.decode()

    def test_the_second_of_two_windows_is_told_and_both_texts_stay(self, quinn: Client, packet: Packet) -> None:
        post(quinn, "goals", {"reason": "from the phone"}, go="keep", key="phone.1")
        answer = post(quinn, "goals", {"reason": "from the laptop"}, go="keep", key="laptop.1", **HTMX)
        assert "from the phone" in answer.content.decode()
        page = post(quinn, "goals", {"reason": "from the laptop"}, key="laptop.2")
        assert page.status_code == 422
        assert "“from the phone”" in page.content.decode()
        taken = post(quinn, "goals", {"reason": "from the laptop"}, go="take:reason:0", key="laptop.3")
        assert taken.status_code == 302
        assert draft_of("goals") == {"reason": "from the phone"}
        assert "from the laptop" not in quinn.get(url("goals")).content.decode()

    @pytest.mark.parametrize(
        "values",
        [
            {"version": "{", "entry_key": "x" * 61}, {"go": "take:reason:99"}, {"go": "take:status:0"}, {"go": "x" * 81},
            {"reason": "x" * 10_001}, {"medicine-0-name": "elsewhere", "status": "submitted", "packet": "1"}, {"reason": "\x00\x00"},
        ],
    )  # fmt: skip
    def test_what_was_tampered_with_breaks_nothing(self, quinn: Client, packet: Packet, values: dict[str, str]) -> None:
        answer = post(quinn, "goals", values)
        assert answer.status_code in {200, 302, 422}
        for row in PacketSection.objects.all():
            assert set(row.draft) <= {"reason"}
        packet.refresh_from_db()
        assert packet.status != "submitted"

    def test_too_much_is_refused_and_stays_on_the_page(self, quinn: Client, packet: Packet) -> None:
        page = post(quinn, "goals", {"reason": "long " * 2100})
        assert page.status_code == 422
        assert "This is more than we can keep here" in page.content.decode()
        assert "long long long" in page.content.decode()

    def test_after_its_end_nothing_is_lost_and_nothing_is_written(self, quinn: Client, packet: Packet) -> None:
        post(quinn, "goals", {"reason": "kept"}, go="keep")
        Packet.objects.update(status="withdrawn", settled_at=NOON)
        page = post(quinn, "goals", {"reason": "typed later"})
        assert page.status_code == 422
        assert "typed later" in page.content.decode()
        assert draft_of("goals") == {"reason": "kept"}
        assert quinn.get(url("goals")).status_code == 302

    def test_a_part_that_there_is_not(self, quinn: Client, packet: Packet) -> None:
        assert quinn.get(url("taxes")).status_code == 404


class TestDanger:
    def test_words_of_danger_bring_the_numbers_and_a_yes_calls_people_once(self, quinn: Client, packet: Packet) -> None:
        answer = post(quinn, "goals", {"reason": "I want to die"}, go="keep", **HTMX)
        assert "Are you safe right now?" in answer.content.decode()
        assert not RiskAlert.objects.exists()
        for _twice in range(2):
            page = post(quinn, "goals", {"reason": "I want to die"}, go="danger")
            assert page.status_code == 200
            assert "tel:988" in page.content.decode()
        assert RiskAlert.objects.get().tier == "red"
        assert "They will try to reach you" in page.content.decode()
        Patient.objects.filter(pk=packet.patient_id).update(phone="")
        nobody_can = post(quinn, "goals", {"reason": "I want to die"}, go="danger").content.decode()
        assert "no phone number of yours" in nobody_can

    def test_a_yes_calls_people_whatever_else_is_wrong_with_the_form(self, quinn: Client, packet: Packet) -> None:
        for version in ("x" * 400_001, "[" * 100_000):
            before = transaction.savepoint()
            page = post(quinn, "goals", {"reason": "I want to die", "version": version}, go="danger")
            assert (page.status_code, RiskAlert.objects.count()) == (200, 1), version[:3]
            assert "tel:988" in page.content.decode()
            transaction.savepoint_rollback(before)

    def test_the_numbers_come_when_everything_else_breaks(
        self, quinn: Client, packet: Packet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(**_said: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr("assessments.actions.calling_help.call_for_help", broken)
        monkeypatch.setattr("assessments.actions.responses.call_people", broken)
        page = post(quinn, "goals", {"reason": "x"}, go="danger").content.decode()
        assert "We could not reach anybody" in page
        assert "tel:988" in page

    def test_the_care_team_reads_those_words_and_no_others_before_it_is_handed_in(
        self, cast: Cast, quinn: Client, packet: Packet, signed_in: SignedIn
    ) -> None:
        make.make_care_team_member(cast.quinn, cast.theo)
        post(quinn, "goals", {"reason": "I want to die"}, go="keep")
        post(quinn, "goals", {"hopes": "to swim"}, "hopes", go="keep")
        page = signed_in(cast.theo).get(reverse("assessments:packet", args=[packet.pk])).content.decode()
        assert "I want to die" in page
        assert "to swim" not in page


class TestHandingIn:
    def test_everything_once_more_and_then_it_is_handed_in_once(self, cast: Cast, quinn: Client) -> None:
        packets.invite(by=cast.frida, patient=cast.quinn, asks_about_trauma=False, now=NOON)
        packet = fill(Packet.objects.get())
        check = reverse("assessments:packet_check")
        page = quinn.get(check).content.decode()
        assert "sertraline" in page
        assert "Hand it in" in page
        refused = quinn.post(check)
        assert refused.status_code == 422
        assert "Some questionnaires are not answered" in refused.content.decode()
        for _twice in range(2):
            assert quinn.post(check, {"leaves_questionnaires": "on"}).headers["Location"] == reverse(
                "assessments:packet_done"
            )
        assert "Thank you" in quinn.get(reverse("assessments:packet_done")).content.decode()
        packet.refresh_from_db()
        assert packet.status == "submitted"
        assert "You handed this in" in quinn.get(reverse("assessments:my_packet")).content.decode()

    def test_what_is_not_finished_is_named_and_led_to(self, quinn: Client, packet: Packet) -> None:
        page = quinn.get(reverse("assessments:packet_check")).content.decode()
        assert "Not finished yet" in page
        assert "Hand it in</span>" not in page
        assert quinn.post(reverse("assessments:packet_check")).status_code == 422
        assert quinn.get(reverse("assessments:packet_done")).status_code == 302

    def test_changing_one_thing_leads_back_to_the_reading(self, cast: Cast, quinn: Client) -> None:
        packet_of(cast.quinn, cast.frida)
        answer = quinn.post(url("goals", "reason") + "&back=check", {"go": "next", "reason": "other", "version": '{"reason": "I think in circles"}', "entry_key": "w.1"})  # fmt: skip
        assert answer.headers["Location"] == reverse("assessments:packet_check")

    def test_nothing_to_fill_in(self, quinn: Client) -> None:
        assert "There is nothing to fill in now" in quinn.get(reverse("assessments:my_packet")).content.decode()
        for name in ("packet_check", "packet_done"):
            assert quinn.get(reverse(f"assessments:{name}")).headers["Location"] == reverse("assessments:my_packet")
        assert quinn.post(url("goals"), {"reason": "x"}).status_code == 404

    def test_somebody_elses_packet_is_nobodys(
        self, cast: Cast, signed_in: SignedIn, packet: Packet, now: object
    ) -> None:
        pat = signed_in(cast.pat_user)
        assert post(pat, "goals", {"reason": "x", "packet": str(packet.pk)}).status_code == 404
        assert not PacketSection.objects.exists()
        assert signed_in(cast.frida).get(url("goals")).status_code == 403


class TestDesk:
    SECRETS = ("sertraline", "hypertension", "PHQ-9", "I think in circles", "CV-", "Ann Moreau")

    @pytest.fixture
    def handed_in(self, cast: Cast) -> Packet:
        packet = fill(packet_of(cast.quinn, cast.frida), about_you={"pronouns": "they/them"})
        Patient.objects.filter(pk=cast.quinn.pk).update(pronouns="she/her")
        return handing_in.submit(by=cast.quinn_user, packet=packet, leaves_questionnaires=True, now=NOON)

    def panel(self, client: Client, cast: Cast) -> str:
        page = client.get(reverse("assessments:patient_intake", args=[cast.quinn.pk]), **HTMX)
        assert page.status_code == 200
        assert "<html" not in page.content.decode()
        return str(page.content.decode())

    def test_the_desk_sees_words_and_never_an_answer_or_a_reason(
        self, cast: Cast, signed_in: SignedIn, handed_in: Packet, now: object
    ) -> None:
        Clearance.objects.update(status="clinician_review")
        Clearance.objects.update(status="declined", conditions="too dangerous for words")
        make.make_alert(cast.quinn)
        words = self.panel(signed_in(cast.frida), cast)
        for expected in (
            "Handed in",
            "none to do",
            "not cleared",
            "Clinician contact required",
            "they/them",
            "Send a new packet",
        ):
            assert expected in words, expected
        assert not [secret for secret in (*self.SECRETS, "too dangerous", "item9", "declined") if secret in words]

    @pytest.mark.parametrize(
        ("who", "sees", "never"),
        [
            ("milo", ("Packet", "Questionnaires", "Clinician contact required"), ("Send a new packet", "they/them", "Read the packet")),
            ("ada", ("Clearance",), ("Packet", "Questionnaires", "Clinician contact required", "Consents", "they/them")),
            ("petra", ("Clearance",), ("Packet", "Questionnaires", "Clinician contact required", "Consents", "they/them")),
            ("dana", ("Packet", "Send a new packet"), ("Read the packet", "they/them")),
        ],
    )  # fmt: skip
    def test_each_role_sees_its_part(
        self,
        cast: Cast,
        signed_in: SignedIn,
        handed_in: Packet,
        who: str,
        sees: tuple[str, ...],
        never: tuple[str, ...],
        now: object,
    ) -> None:
        make.make_alert(cast.quinn)
        words = self.panel(signed_in(getattr(cast, who)), cast)
        assert not [one for one in sees if one not in words]
        assert not [one for one in never if one in words]

    def test_a_clearance_of_one_route_hides_no_other_and_one_that_ran_out_is_none(
        self, cast: Cast, signed_in: SignedIn, now: object
    ) -> None:
        frida = signed_in(cast.frida)
        assert "no review yet" in self.panel(frida, cast)
        cleared = make.make_clearance(cast.quinn, "cleared", by=cast.dana, expires_on=NOON.date())
        assert self.panel(frida, cast).count("tone-green") == 1
        make.make_clearance(cast.quinn, "suspended", by=cast.dana, route="im")
        assert "tone-red" in self.panel(frida, cast)
        assert "tone-green" in self.panel(frida, cast)
        Clearance.objects.exclude(pk=cleared.pk).update(status="expired")
        with time_machine.travel(NOON + timedelta(days=1), tick=False):
            words = self.panel(signed_in(cast.frida), cast)
        assert "tone-green" not in words
        assert "no clearance now" in words

    def test_strangers_of_another_place_find_nothing(
        self, cast: Cast, signed_in: SignedIn, handed_in: Packet, now: object
    ) -> None:
        for who in (cast.omar, cast.olga, cast.ada):
            client = signed_in(who)
            refused = 404 if who is not cast.ada else 403
            assert client.get(reverse("assessments:invite_packet", args=[cast.quinn.pk])).status_code in {404, refused}
            for verb in ("withdraw_packet", "remind_packet"):
                assert client.post(reverse(f"assessments:{verb}", args=[handed_in.pk])).status_code == 404
        assert signed_in(cast.olga).get(reverse("assessments:patient_intake", args=[cast.quinn.pk])).status_code == 404

    def test_the_whole_way_from_the_desk(self, cast: Cast, signed_in: SignedIn, now: object) -> None:
        frida, there = signed_in(cast.frida), reverse("assessments:invite_packet", args=[cast.quinn.pk])
        assert frida.post(there, {}).status_code == 422, "nobody presumes whether trauma is asked about"
        assert frida.post(there, {"asks_about_trauma": "yes"}).headers["Location"] == reverse(
            "patients:patient", args=[cast.quinn.pk]
        )
        assert "A packet is out already" in frida.post(there, {"asks_about_trauma": "no"}).content.decode()
        packet = Packet.objects.get()
        assert packet.asks_about_trauma
        assert "Sent Wed 13 Jan 2027; good until Fri 12 Feb 2027" in self.panel(frida, cast)
        assert "questionnaires of it that were begun are begun anew" in self.panel(frida, cast), "said before the press"
        remind = frida.post(reverse("assessments:remind_packet", args=[packet.pk]))
        assert remind.status_code == 422
        assert "on its way already" in remind.content.decode()
        OutboundMessage.objects.update(status="sent", settled_at=NOON)
        assert frida.post(reverse("assessments:remind_packet", args=[packet.pk])).status_code == 302
        assert frida.post(reverse("assessments:withdraw_packet", args=[packet.pk])).status_code == 302
        assert "Taken back" in self.panel(frida, cast)
        quinn = signed_in(cast.quinn_user).post(reverse("assessments:packet_check"), {}, follow=True).content.decode()
        assert "We took this back" in quinn, "and not that the time is over"
        assert "Nothing was handed in" in quinn
        assert frida.post(reverse("assessments:withdraw_packet", args=[packet.pk])).status_code == 422

    def test_the_desk_is_told_that_no_letter_goes(self, cast: Cast, signed_in: SignedIn, now: object) -> None:
        ContactPreference.objects.filter(patient=cast.quinn).delete()
        frida, there = signed_in(cast.frida), reverse("assessments:invite_packet", args=[cast.quinn.pk])
        said = frida.post(there, {"asks_about_trauma": "no"}, follow=True).content.decode()
        assert "is sent to" not in said
        assert "No letter tells Quinn" in said
        OutboundMessage.objects.update(status="sent", settled_at=NOON)
        again = reverse("assessments:remind_packet", args=[Packet.objects.get().pk])
        assert "No letter goes to Quinn" in frida.post(again, follow=True).content.decode()

    def test_the_care_team_reads_what_was_handed_in_and_nobody_else(
        self, cast: Cast, signed_in: SignedIn, handed_in: Packet, now: object
    ) -> None:
        there = reverse("assessments:packet", args=[handed_in.pk])
        assert signed_in(cast.theo).get(there).status_code == 404
        make.make_care_team_member(cast.quinn, cast.theo)
        page = signed_in(cast.theo).get(there).content.decode()
        assert "sertraline" in page
        assert "I think in circles" in page
        assert (
            AuditEvent.objects.filter(verb="record.read", subject_id=handed_in.pk, actor_id=cast.theo.pk).count() == 1
        )
        assert signed_in(cast.frida).get(there).status_code == 403
        assert signed_in(cast.omar).get(there).status_code == 404

    def test_work_about_a_packet_leads_each_to_what_they_may_open(
        self, cast: Cast, signed_in: SignedIn, handed_in: Packet, now: object
    ) -> None:
        item = WorkItem.objects.get(kind="call_patient")
        desk = subjects.labels(cast.frida, [item], NOON)[handed_in.pk]
        assert desk.url == reverse("patients:patient", args=[cast.quinn.pk])
        make.make_care_team_member(cast.quinn, cast.theo)
        assert subjects.labels(cast.theo, [item], NOON)[handed_in.pk].url == reverse(
            "assessments:packet", args=[handed_in.pk]
        )
        assert subjects.labels(cast.olga, [item], NOON) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""), ({"status": "withdrawn", "settled_at": NOON}, "packet_over"), ({"life_state": "discharged"}, "life_state"),
        ({"portal_suspended_at": NOON, "portal_suspension": "asked"}, "no_portal"), ({"consent": False}, "no_consent"),
    ],
)  # fmt: skip
def test_the_letter_goes_only_while_it_helps(cast: Cast, change: dict[str, Any], reason: str) -> None:
    packet = packets.invite(by=cast.frida, patient=cast.quinn, asks_about_trauma=False, now=NOON)
    message = OutboundMessage.objects.get(subject_id=packet.pk)
    if "status" in change:
        Packet.objects.update(**change)
    elif "consent" in change:
        ContactPreference.objects.filter(patient=cast.quinn).update(is_allowed=False)
    elif change:
        Patient.objects.filter(pk=cast.quinn.pk).update(**change)
    assert letters.packet_still_wanted(message, NOON) == reason
    letters.packet_not_sent(cast.sam, message, reason or "x", NOON)
    calls = WorkItem.objects.filter(kind="call_patient", patient_id=cast.quinn.pk).count()
    assert calls == (1 if reason in {"", "no_portal", "no_consent"} else 0)
