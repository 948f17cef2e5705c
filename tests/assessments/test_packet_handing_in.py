"""Handing in: what was typed becomes facts, flags, contacts and work, in one transaction, once."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from assessments.actions import handing_in, packets
from assessments.models import (
    AssessmentRequest,
    Clearance,
    Condition,
    HealthStatement,
    Medication,
    Packet,
    PacketSection,
    ScreeningFlag,
    Source,
)
from clinic.models import AuditEvent, WorkItem
from patients.models import Contact, Patient
from tests import factories as make
from tests.assessments.packets import fill, packet_of
from tests.cast import Cast

NOON = make.NOON


def submit(cast: Cast, packet: Packet, leaves: bool = False) -> Packet:
    return handing_in.submit(by=cast.quinn_user, packet=packet, leaves_questionnaires=leaves, now=NOON)


@pytest.fixture
def packet(cast: Cast) -> Packet:
    return packet_of(cast.quinn, cast.frida)


def conditions_of(patient: Patient) -> list[Condition]:
    return [one for one in Condition.objects.filter(patient=patient) if isinstance(one, Condition)]


def test_answers_become_facts_said_by_the_patient_and_a_prescriber_is_asked(cast: Cast, packet: Packet) -> None:
    fill(
        packet,
        history={"hypertension": "yes", "hypertension-state": "controlled", "stroke": "unsure", "glaucoma": ""},
        substances={"use_cannabis": "weekly"},
    )
    PacketSection.objects.filter(packet=packet, code="history").update(
        draft=PacketSection.objects.get(packet=packet, code="history").draft | {"leave-eyes": "on"}
    )
    submit(cast, packet)
    states = {one.kind: one.state for one in conditions_of(cast.quinn)}
    assert (states["hypertension"], states["stroke"], states["tia"]) == ("controlled", "unknown", "absent")
    # Nobody answered it: there is no fact, and least of all a no.
    assert "glaucoma" not in states
    facts = Condition.objects.filter(patient=cast.quinn)
    assert set(facts.values_list("source", "by_prescriber", "recorded_by")) == {
        (Source.PATIENT, False, cast.quinn_user.pk)
    }
    assert set(Medication.objects.values_list("text", "taking")) == {("sertraline", "current"), ("Cannabis", "current")}
    assert HealthStatement.objects.get(kind="medicines_complete").value is True
    flags = set(ScreeningFlag.objects.live().filter(patient=cast.quinn).values_list("code", "finding"))
    assert ("CV-HTN-CTL", "found") in flags
    packet.refresh_from_db()
    assert (packet.status, packet.settled_at) == ("submitted", NOON)
    assert Clearance.objects.get(patient=cast.quinn).status == "packet_submitted"
    assert WorkItem.objects.get(kind="clearance_review").owner_role == "prescriber"
    assert AuditEvent.objects.get(verb="packet.submitted").subject_id == packet.pk
    assert "Ann Moreau" not in str(list(AuditEvent.objects.values_list("details", flat=True)))


def test_handing_in_twice_is_handing_in_once(cast: Cast, packet: Packet) -> None:
    submit(cast, packet)
    count = Condition.objects.count()
    submit(cast, packet)
    assert Condition.objects.count() == count
    assert AuditEvent.objects.filter(verb="packet.submitted").count() == 1
    assert WorkItem.objects.filter(kind="clearance_review").count() == 1


def test_people_are_named_once(cast: Cast, packet: Packet) -> None:
    submit(cast, packet)
    ann = Contact.objects.get(patient=cast.quinn)
    assert (ann.name, ann.kind, ann.phone.as_e164) == ("Ann Moreau", "both", "+13035550144")
    again = packet_of(cast.quinn, cast.frida)
    submit(cast, again)
    assert Contact.objects.filter(patient=cast.quinn).count() == 1


def test_what_nobody_had_asked_is_filled_in_and_what_differs_goes_to_the_desk(cast: Cast, packet: Packet) -> None:
    Patient.objects.filter(pk=cast.quinn.pk).update(pronouns="she/her", language="")
    fill(packet, about_you={"pronouns": "they/them", "language": "es", "chosen_name": "Q", "sex_at_birth": "unsaid"})
    submit(cast, packet)
    quinn = Patient.objects.get(pk=cast.quinn.pk)
    assert (quinn.language, quinn.chosen_name, quinn.pronouns, quinn.sex_at_birth) == ("es", "Q", "she/her", "unknown")
    item = WorkItem.objects.get(kind="call_patient")
    assert (item.subject_type, item.subject_id, item.owner_role) == ("packet", packet.pk, "front_desk")
    assert handing_in.differences(quinn, {"pronouns": "they/them", "language": "es"}) == {"pronouns": "they/them"}


def test_after_midnight_where_the_patient_is_this_year_is_still_no_day_to_come(cast: Cast, packet: Packet) -> None:
    """Half past midnight in New York is the evening before in Denver: the packet was refused until Denver's midnight."""
    Patient.objects.filter(pk=cast.quinn.pk).update(time_zone="America/New_York")
    fill(packet, history={"suicide_attempt": "yes", "suicide_attempt-when": "2027"})
    late = datetime(2027, 1, 14, 5, 30, tzinfo=UTC)
    packet.refresh_from_db()
    handing_in.submit(by=cast.quinn_user, packet=packet, leaves_questionnaires=False, now=late)
    attempt = next(one for one in conditions_of(cast.quinn) if one.kind == "suicide_attempt")
    assert attempt.onset_on == date(2027, 1, 13)


def test_a_record_that_wants_mending_keeps_nobody_from_handing_in(cast: Cast, packet: Packet) -> None:
    Patient.objects.filter(pk=cast.quinn.pk).update(email="", phone="", language="")
    submit(cast, packet)
    assert Patient.objects.get(pk=cast.quinn.pk).language == ""
    assert WorkItem.objects.get(kind="call_patient").subject_id == packet.pk


def test_who_is_written_about_as_they_are_troubles_nobody(cast: Cast, packet: Packet) -> None:
    submit(cast, packet)
    assert not WorkItem.objects.filter(kind="call_patient").exists()


def test_parts_that_are_not_done_keep_it_back_and_nothing_is_written(cast: Cast, packet: Packet) -> None:
    PacketSection.objects.filter(packet=packet, code="family").update(done_at=None)
    with pytest.raises(handing_in.PartsAreOpen, match="Your family"):
        submit(cast, packet)
    # Done once, and changed behind its back: looked at again.
    PacketSection.objects.filter(packet=packet, code="family").update(done_at=NOON, draft={"family_psychosis": "maybe"})
    with pytest.raises(handing_in.PartsAreOpen, match="Your family"):
        submit(cast, packet)
    assert not Condition.objects.exists()
    assert Packet.objects.get().status == "in_progress"


def test_questionnaires_are_answered_or_left_on_purpose_and_then_stay_open(cast: Cast) -> None:
    packet = packets.invite(by=cast.frida, patient=cast.quinn, asks_about_trauma=False, now=NOON)
    fill(packet)
    AssessmentRequest.objects.filter(packet=packet, code="gad-7").update(status="done", settled_at=NOON)
    with pytest.raises(handing_in.QuestionnairesAreOpen):
        submit(cast, packet)
    submit(cast, packet, leaves=True)
    packet.refresh_from_db()
    assert set(packet.left_open) == {"phq-9", "asq", "audit-c", "daily-life"}
    assert AssessmentRequest.objects.open().filter(packet=packet).count() == 4


@pytest.mark.parametrize("status", ["withdrawn", "expired"])
def test_one_that_is_over_is_not_handed_in(cast: Cast, packet: Packet, status: str) -> None:
    Packet.objects.update(status=status, settled_at=NOON)
    with pytest.raises(packets.PacketIsOver):
        submit(cast, packet)
    assert not Condition.objects.exists()


def test_a_day_before_birth_is_no_day(cast: Cast, packet: Packet) -> None:
    fill(packet, history={"stroke": "yes", "stroke-when": "1975"})
    submit(cast, packet)
    stroke = Condition.objects.get(kind="stroke")
    assert (stroke.state, stroke.onset_on) == ("past", None)
    assert "1975" in stroke.note


def test_a_screening_that_fails_leaves_the_packet_as_it_was(
    cast: Cast, packet: Packet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_said: Any) -> None:
        raise RuntimeError("the rules are broken")

    monkeypatch.setattr("assessments.actions.flags.rescreen", broken)
    with pytest.raises(RuntimeError):
        submit(cast, packet)
    packet.refresh_from_db()
    assert packet.status == "in_progress"
    assert not Condition.objects.exists()
    assert not Contact.objects.exists()
    assert PacketSection.objects.filter(packet=packet).exclude(draft={}).count() == PacketSection.objects.count()
