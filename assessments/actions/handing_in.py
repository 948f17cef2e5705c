"""Handing in a packet: what was typed becomes facts, the flags are computed, and the clearance goes to a prescriber.

One transaction, the patient's row first. What a patient wrote about who they are fills in what nobody had asked; where it
differs from the record, the desk is asked and nothing changes by itself.
"""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from assessments import packetfacts
from assessments.actions import clearances, health, packets
from assessments.models import (
    Allergy,
    AssessmentRequest,
    Clearance,
    Condition,
    FamilyHistory,
    HealthFact,
    HealthStatement,
    Measurement,
    Medication,
    Packet,
    PacketSection,
    Source,
    TreatmentTrial,
)
from assessments.packetparts import SECTIONS
from clinic import audit, businessdays, localtime
from clinic.actions import worklist
from clinic.errors import Refused
from clinic.models import Role, User, WorkItem
from patients.actions import contacts
from patients.actions import patients as identities
from patients.models import Patient

# What of the record counts as "nobody asked", by column.
_NOT_ASKED: dict[str, Any] = {"sex_at_birth": Patient.Sex.UNKNOWN, "needs_interpreter": None}


_MODELS: dict[packetfacts.Table, type[HealthFact]] = {
    packetfacts.Table.ALLERGY: Allergy, packetfacts.Table.CONDITION: Condition, packetfacts.Table.FAMILY_HISTORY: FamilyHistory,
    packetfacts.Table.MEASUREMENT: Measurement, packetfacts.Table.MEDICATION: Medication,
    packetfacts.Table.STATEMENT: HealthStatement, packetfacts.Table.TRIAL: TreatmentTrial,
}  # fmt: skip


class PartsAreOpen(Refused):
    """A packet is handed in whole."""

    def __init__(self, titles: list[str]) -> None:
        super().__init__(
            _(
                "Not everything is finished yet: %(parts)s. Open what is left; you may leave single questions open there."
            )
            % {"parts": ", ".join(titles)}
        )


class QuestionnairesAreOpen(Refused):
    """A questionnaire is answered, or left on purpose."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Some questionnaires are not answered. Answer them, or tick that you would rather not, and hand it in again."
            )
        )


@transaction.atomic
def submit(*, by: User, packet: Packet, leaves_questionnaires: bool, now: datetime) -> Packet:
    """Return the packet, handed in: its answers are facts said by the patient, screened, and before a prescriber.

    Consents may stay open: they are signed before the first session. Questionnaires that the patient would rather not
    answer stay open too, and the packet says which they were. Handed in already, it is the same packet. Refuses one that
    is over, parts that are not done, and questionnaires that are neither answered nor left on purpose.
    """
    patient = clearances.locked_patient(packet.patient)
    packet = Packet.objects.select_for_update(no_key=True).get(pk=packet.pk)
    if packet.status == Packet.Status.SUBMITTED:
        return packet
    if packets.is_over(packet, now):
        raise packets.PacketIsOver(packet)
    today = localtime.day_of(now, patient.tz)
    drafts = _finished_parts(packet, today)
    left = list(AssessmentRequest.objects.open().filter(packet=packet).order_by("asked_at", "id"))
    if left and not leaves_questionnaires:
        raise QuestionnairesAreOpen
    packet.status, packet.settled_at = Packet.Status.SUBMITTED, now
    packet.begun_at = packet.begun_at or now
    packet.left_open = [request.code for request in left]
    packet.save(update_fields=["status", "settled_at", "begun_at", "left_open"])
    audit.record(
        by, audit.Verb.PACKET_SUBMITTED, packet, now=now, location_id=patient.home_location_id,
        details={"questionnaires_left": packet.left_open},
    )  # fmt: skip
    _name_people(by=by, patient=patient, drafts=drafts, now=now)
    _say_who_they_are(by=by, packet=packet, patient=patient, draft=drafts["about_you"], now=now)
    # The clinic's day has the last word on what is still to come; where the patient is, it may be tomorrow already.
    day = min(today, localtime.day_of(now, patient.home_location.tz))
    said = packetfacts.facts_from(drafts, day, born=patient.birth_date)
    health.record_many(by=by, patient=patient, entries=[_entry(one, now) for one in said], now=now)
    clearances.packet_moved(by=by, patient=patient, status=Clearance.Status.PACKET_SUBMITTED, now=now)
    return packet


def _entry(said: packetfacts.Said, now: datetime) -> health.Entry:
    values = {name: value for name, value in said.values.items() if name != "note"}
    return health.Entry(
        model=_MODELS[said.table], values=values, source=Source.PATIENT, at=now, note=said.values.get("note", "")
    )


def _finished_parts(packet: Packet, today: date) -> dict[str, dict[str, str]]:
    rows = {row.code: row for row in PacketSection.objects.filter(packet=packet).select_for_update(no_key=True)}
    not_done = [
        str(section.title) for section in SECTIONS if section.code not in rows or rows[section.code].done_at is None
    ]
    if not_done:
        raise PartsAreOpen(not_done)
    for section in SECTIONS:
        # A part counts as done for good reasons only: asked again, because the questions may have changed since.
        try:
            packets.guard_section(section, rows[section.code], today)
        except (packets.NotAnsweredYet, packets.TwoAnswers) as refusal:
            raise PartsAreOpen([str(section.title)]) from refusal
    return {code: row.draft for code, row in rows.items()}


def _name_people(*, by: User, patient: Patient, drafts: packetfacts.Drafts, now: datetime) -> None:
    for person in packetfacts.people_from(drafts):
        details = contacts.Details(
            kind=person.kind, name=person.name, relationship=person.relationship, phone=person.phone
        )
        try:
            contacts.add(by=by, patient=patient, details=details, now=now)
        except contacts.KnownContact:
            # The same person under the same phone is on the list already; what they are to us is the desk's to change.
            continue


def differences(patient: Patient, draft: dict[str, str]) -> dict[str, Any]:
    """Return what a patient wrote about themselves that is not what the record says, by column."""
    said = packetfacts.identity_from(draft)
    return {name: value for name, value in said.items() if getattr(patient, name) != value}


def _say_who_they_are(*, by: User, packet: Packet, patient: Patient, draft: dict[str, str], now: datetime) -> None:
    """Fill in what nobody had asked, and put what differs before the desk."""
    differ = differences(patient, draft)
    blank = {name: value for name, value in differ.items() if getattr(patient, name) == _NOT_ASKED.get(name, "")}
    if blank:
        identity = replace(identities.identity_of(patient=patient), **blank)
        try:
            identities.edit(by=by, patient=patient, version=patient.version, identity=identity, now=now)
        except Refused:
            # The record itself wants mending, such as one without a phone and an e-mail: no reason to turn the patient away.
            blank = {}
    if differ.keys() - blank.keys() or draft.get("identity_right") == "no" or draft.get("language_other"):
        worklist.open_item(
            by=by, kind=WorkItem.Kind.CALL_PATIENT, location=patient.home_location, owner_role=Role.FRONT_DESK,
            subject_type=packets.SUBJECT, subject_id=packet.pk, patient_id=patient.pk, now=now,
            due_at=businessdays.end_of_next(location=patient.home_location, now=now),
        )  # fmt: skip
