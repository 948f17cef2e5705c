"""Packets are sent, filled in, taken back and run out: what each act does, whom it refuses, and that twice is once."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from assessments.actions import packets
from assessments.merging import Window
from assessments.models import AssessmentRequest, CareEvent, Clearance, Packet, PacketSection
from assessments.packetparts import BY_CODE
from clinic.errors import Refused
from clinic.models import AuditEvent, OutboundMessage, User, WorkItem
from patients.models import LifeState, Patient
from tests import factories as make
from tests.assessments.packets import fill, packet_of
from tests.cast import Cast

NOON = make.NOON
FREE = {"phq-9", "gad-7", "asq", "audit-c", "daily-life"}


def invite(cast: Cast, now: datetime = NOON, patient: Patient | None = None, trauma: bool = False) -> Packet:
    return packets.invite(by=cast.frida, patient=patient or cast.quinn, asks_about_trauma=trauma, now=now)


def save(packet: Packet, by: User, part: str, typed: dict[str, str], **more: Any) -> packets.Saved:
    section = BY_CODE[part]
    step = section.step(more.pop("step", "")) or section.steps[0]
    values = {"seen": {}, "window": Window("a", more.pop("turn", 0)), "now": NOON, **more}
    return packets.save_section(by=by, packet=packet, section=section, step=step, typed=typed, **values)


class TestInvite:
    def test_it_opens_the_clearance_asks_the_questionnaires_and_writes_one_letter(self, cast: Cast) -> None:
        packet = invite(cast)
        # Thirty whole days of Denver: until the end of Friday, 12 February.
        assert packets.last_day(packet, cast.quinn.tz).isoformat() == "2027-02-12"
        assert Clearance.objects.get(patient=cast.quinn).status == "invited"
        asked = AssessmentRequest.objects.filter(packet=packet)
        assert {request.code for request in asked} == FREE
        assert {request.expires_at for request in asked} == {packet.expires_at}
        letter = OutboundMessage.objects.get(subject_type="packet", subject_id=packet.pk)
        assert (letter.kind, letter.address, letter.category) == ("packet_invitation", cast.quinn.email, "visit")
        assert CareEvent.objects.get(subject_id=packet.pk).kind == "intake_opened"
        assert AuditEvent.objects.filter(verb="packet.invited", subject_id=packet.pk).count() == 1

    def test_trauma_is_asked_about_where_somebody_said_so_and_wording_only_where_it_may_be_shown(
        self, cast: Cast
    ) -> None:
        make.make_wording(cast.dana, "ptq")
        packet = invite(cast, trauma=True)
        assert {one.code for one in AssessmentRequest.objects.filter(packet=packet)} == FREE | {"pcl-5", "ptq"}

    def test_a_second_is_refused_while_one_is_out(self, cast: Cast) -> None:
        invite(cast)
        with pytest.raises(packets.PacketIsOut, match="good until Fri 12 Feb 2027"):
            invite(cast)
        assert Packet.objects.count() == 1

    @pytest.mark.parametrize("state", [LifeState.DISCHARGED, LifeState.DECEASED])
    def test_nobody_is_written_to_who_is_not_in_care(self, cast: Cast, state: LifeState) -> None:
        patient = make.make_patient(cast.denver, life_state=state)
        with pytest.raises(packets.NotInCare):
            invite(cast, patient=patient)

    def test_without_a_way_into_the_portal_there_is_no_packet(self, cast: Cast) -> None:
        with pytest.raises(packets.NoWayIn, match="Invite them to the portal"):
            invite(cast, patient=make.make_patient(cast.denver))

    def test_without_an_address_the_desk_is_asked_to_call(self, cast: Cast) -> None:
        cast.quinn.email = ""
        cast.quinn.save(update_fields=["email"])
        invite(cast)
        assert WorkItem.objects.get(kind="call_patient").patient_id == cast.quinn.pk

    def test_what_was_typed_into_one_that_ran_out_is_carried_over_and_looked_through_again(self, cast: Cast) -> None:
        first = packet_of(cast.quinn, cast.frida)
        PacketSection.objects.filter(packet=first, code="goals").update(
            draft={"reason": "still this", "leave-hopes": "on"}
        )
        packets.withdraw(by=cast.frida, packet=first, now=NOON)
        second = invite(cast)
        assert second.carries_on == first
        kept = PacketSection.objects.filter(packet=second)
        assert not kept.exclude(done_at=None).exists()
        assert kept.get(code="goals").draft == {"reason": "still this"}

    def test_what_was_handed_in_is_not_carried_over(self, cast: Cast) -> None:
        packet_of(cast.quinn, cast.frida)
        Packet.objects.update(status="submitted", settled_at=NOON)
        second = invite(cast)
        assert second.carries_on is None
        assert not PacketSection.objects.filter(packet=second).exists()


class TestSave:
    @pytest.fixture
    def packet(self, cast: Cast) -> Packet:
        return make.make_packet(cast.quinn, cast.frida)

    def test_the_first_word_begins_the_packet_and_moves_the_clearance(self, cast: Cast, packet: Packet) -> None:
        saved = save(packet, cast.quinn_user, "goals", {"reason": "I think"})
        packet.refresh_from_db()
        assert (packet.status, packet.begun_at) == ("in_progress", NOON)
        assert (saved.section.draft, saved.section.revision, saved.section.step) == ({"reason": "I think"}, 1, "reason")
        assert Clearance.objects.filter(patient=cast.quinn, status="packet_in_progress").exists()

    def test_what_would_be_refused_is_kept_and_what_no_question_asks_is_not(self, cast: Cast, packet: Packet) -> None:
        typed = {
            "height_feet": "five\x00 and a bit",
            "sex_at_birth": "dragon",
            "status": "submitted",
            "leave-name": "on",
        }
        saved = save(packet, cast.quinn_user, "about_you", typed, step="body_basics")
        assert saved.section.draft == {"height_feet": "five and a bit", "sex_at_birth": "dragon"}
        with pytest.raises(packets.NotAnsweredYet):
            packets.complete_section(by=cast.quinn_user, packet=packet, section=BY_CODE["about_you"], now=NOON)

    def test_a_part_that_is_changed_is_to_be_finished_again(self, cast: Cast) -> None:
        packet = packet_of(cast.quinn, cast.frida)
        goals = PacketSection.objects.get(packet=packet, code="goals")
        same = save(packet, cast.quinn_user, "goals", {"reason": goals.draft["reason"]})
        assert same.section.done_at == NOON
        assert save(packet, cast.quinn_user, "goals", {"reason": "else"}, turn=1).section.done_at is None

    def test_two_windows_keep_both_texts_and_the_part_waits_for_a_choice(self, cast: Cast) -> None:
        packet = packet_of(cast.quinn, cast.frida)
        seen = {"reason": "I think in circles"}
        save(packet, cast.quinn_user, "goals", {"reason": "from the phone"}, seen=seen, window=Window("phone", 1))
        saved = save(
            packet, cast.quinn_user, "goals", {"reason": "from the laptop"}, seen=seen, window=Window("laptop", 1)
        )
        assert saved.clashed == {"reason"}
        assert saved.section.others == {"reason": ["from the phone"]}
        with pytest.raises(packets.TwoAnswers):
            packets.complete_section(by=cast.quinn_user, packet=packet, section=BY_CODE["goals"], now=NOON)
        chosen = save(
            packet, cast.quinn_user, "goals", {"reason": "from the laptop"}, seen=seen, window=Window("laptop", 2),
            choice=packets.Choice("reason", 0),
        )  # fmt: skip
        assert (chosen.section.draft["reason"], chosen.section.others) == ("from the phone", {})
        assert packets.complete_section(by=cast.quinn_user, packet=packet, section=BY_CODE["goals"], now=NOON).done_at

    @pytest.mark.parametrize("typed", [{"reason": "x" * 10_001}])
    def test_there_is_an_end_to_what_fits(self, cast: Cast, packet: Packet, typed: dict[str, str]) -> None:
        save(packet, cast.quinn_user, "goals", {"reason": "kept"})
        packet.refresh_from_db()
        with pytest.raises(packets.TooMuch):
            save(packet, cast.quinn_user, "goals", typed, turn=1)
        assert PacketSection.objects.get(packet=packet).draft == {"reason": "kept"}

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            ("submitted", "handed this in already"),
            ("withdrawn", "taken this back"),
            ("expired", "time for this is over"),
        ],
    )
    def test_nothing_is_written_into_one_that_is_over(self, cast: Cast, status: str, sentence: str) -> None:
        packet = make.make_packet(cast.quinn, cast.frida, status=status, settled_at=NOON)
        with pytest.raises(packets.PacketIsOver, match=sentence):
            save(packet, cast.quinn_user, "goals", {"reason": "x"})
        assert not PacketSection.objects.exists()

    def test_whoever_types_when_the_time_runs_out_may_finish(self, cast: Cast, packet: Packet) -> None:
        save(packet, cast.quinn_user, "goals", {"reason": "x"}, now=packet.expires_at + timedelta(minutes=59))
        packet.refresh_from_db()
        with pytest.raises(packets.PacketIsOver):
            save(packet, cast.quinn_user, "goals", {"reason": "y"}, now=packet.expires_at + timedelta(minutes=61))

    def test_words_of_danger_ask_somebody_to_look_once_and_show_the_numbers(self, cast: Cast, packet: Packet) -> None:
        assert not save(packet, cast.quinn_user, "goals", {"reason": "I want to"}).needs_numbers
        packet.refresh_from_db()
        assert save(packet, cast.quinn_user, "goals", {"reason": "I want to die"}, turn=1).needs_numbers
        told = WorkItem.objects.filter(kind="crisis_words", patient_id=cast.quinn.pk)
        assert told.exists()
        count = told.count()
        # The numbers stay as long as the words do; nobody is called twice for them.
        assert save(packet, cast.quinn_user, "goals", {"reason": "I want to die", "x": ""}, turn=2).needs_numbers
        assert save(packet, cast.quinn_user, "goals", {"reason": "I want to die now"}, turn=3).needs_numbers
        assert told.count() == count


class TestEnds:
    def test_taken_back_with_all_it_asks_and_what_was_typed_is_kept(self, cast: Cast) -> None:
        packet = invite(cast)
        save(packet, cast.quinn_user, "goals", {"reason": "kept"})
        packets.withdraw(by=cast.frida, packet=packet, now=NOON)
        assert set(AssessmentRequest.objects.values_list("status", flat=True)) == {"cancelled"}
        assert CareEvent.objects.get(subject_id=packet.pk).cancelled_at == NOON
        assert OutboundMessage.objects.get(subject_id=packet.pk).status == "void"
        assert PacketSection.objects.get().draft == {"reason": "kept"}
        with pytest.raises(packets.NotOut):
            packets.withdraw(by=cast.frida, packet=packet, now=NOON)

    def test_the_letter_goes_again_once_the_first_has_left(self, cast: Cast) -> None:
        packet = invite(cast)
        with pytest.raises(packets.LetterOnItsWay):
            packets.remind(by=cast.frida, packet=packet, now=NOON)
        OutboundMessage.objects.update(status="sent", settled_at=NOON)
        packets.remind(by=cast.frida, packet=packet, now=NOON)
        assert OutboundMessage.objects.filter(subject_id=packet.pk).count() == 2
        Packet.objects.update(status="submitted", settled_at=NOON)
        with pytest.raises(packets.NotOut, match="handed in"):
            packets.remind(by=cast.frida, packet=packet, now=NOON)

    def test_what_ran_out_is_put_before_the_desk_once_and_keeps_what_was_typed(self, cast: Cast) -> None:
        packet = fill(make.make_packet(cast.quinn, cast.frida), done=False)
        gone = make.make_patient(cast.denver, life_state=LifeState.DISCHARGED)
        make.make_packet(gone, cast.frida)
        assert packets.expire_due(now=packet.expires_at + timedelta(minutes=59)) == 0
        late = packet.expires_at + timedelta(minutes=61)
        assert packets.expire_due(now=late) == 2
        assert packets.expire_due(now=late) == 0
        packet.refresh_from_db()
        assert (packet.status, packet.settled_at) == ("expired", late)
        item = WorkItem.objects.get(kind="packet_ran_out")
        assert (item.patient_id, item.owner_role) == (cast.quinn.pk, "front_desk")
        assert PacketSection.objects.filter(packet=packet).count() == len(BY_CODE)
        # Sending a new one is what was asked for.
        second = invite(cast, now=late)
        item.refresh_from_db()
        assert item.outcome == "done"
        assert PacketSection.objects.get(packet=second, code="goals").draft["reason"] == "I think in circles"


def _together(acts: list[Callable[[], object]]) -> list[object]:
    """Run the acts in threads of their own at the same moment; return what each gave or raised."""
    start, results = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            results.append(act())
        except Refused as refusal:
            results.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_two_desks_send_one_packet_and_two_windows_lose_no_field(cast: Cast) -> None:
    sent = _together([lambda: invite(cast)] * 2)
    assert sorted(type(one).__name__ for one in sent) == ["Packet", "PacketIsOut"]
    packet = Packet.objects.get()
    texts = {"hopes": "sleep", "reason": "circles"}

    def window(name: str, turn: int) -> Callable[[], object]:
        return lambda: save(packet, cast.quinn_user, "goals", {name: texts[name]}, step=name, window=Window(name, turn))

    # The part is begun by both, and then held by each in turn.
    for turn in range(1, 6):
        packet.refresh_from_db()
        texts = {name: f"{text} {turn}" for name, text in texts.items()}
        _together([window(name, turn) for name in texts])
        assert PacketSection.objects.get(packet=packet).draft == texts
