"""A packet filled in, for the tests that need one: every question answered, and nothing alarming."""

from datetime import date

from assessments import packetchecks, packetparts
from assessments.models import Packet, PacketSection
from assessments.packetquestions import NO, ON, YES, Kind
from clinic.models import User
from patients.models import Patient
from tests import factories as make

SAID: dict[str, dict[str, str]] = {
    "about_you": {"identity_right": YES, "language": "en", "needs_interpreter": NO, "sex_at_birth": "female", "height_cm": "170",
                  "pregnancy_possible": NO, "pregnancy": NO, "breastfeeding": NO},
    "contacts": {"has_emergency": YES, "emergency_name": "Ann Moreau", "emergency_relationship": "sister",
                 "emergency_phone": "(303) 555-0144", "escort_possible": YES, "escort_same": ON, "transport": "their_car",
                 "lives_with": YES},
    "medicines": {"medicine-0-name": "sertraline", "medicine-0-dose": "50 mg", "medicines_all": YES, "allergy_ketamine": NO,
                  "allergy_excipient": NO, "no_allergies": ON},
    "treatments": {"no_trials": ON, "ketamine_before": NO},
    "goals": {"reason": "I think in circles"},
}  # fmt: skip


def full() -> dict[str, dict[str, str]]:
    """Return the drafts of a packet in which every question has an answer; "no" or "never" where ``SAID`` says nothing."""
    drafts = {}
    for section in packetparts.SECTIONS:
        draft = dict(SAID.get(section.code, {}))
        for step in section.steps:
            for question in step.questions:
                if question.kind is Kind.CHOICE and question.name not in draft and question.is_shown(draft):
                    draft[question.name] = NO if NO in dict(question.choices) else "never"
        assert not packetchecks.of_section(section, draft, date(2027, 1, 13)), section.code
        drafts[section.code] = draft
    return drafts


def fill(packet: Packet, *, done: bool = True, **changes: dict[str, str]) -> Packet:
    """Write every part of the packet as ``full`` says, with ``changes`` by part; return the packet."""
    for code, draft in full().items():
        values = {name: value for name, value in {**draft, **changes.get(code, {})}.items() if value}
        PacketSection.objects.update_or_create(
            packet=packet, code=code,
            defaults={"draft": values, "revision": 1, "saved_at": make.NOON, "done_at": make.NOON if done else None},
        )  # fmt: skip
    return packet


def packet_of(patient: Patient, by: User, *, done: bool = True) -> Packet:
    """Return a packet that is out and filled in."""
    return fill(make.make_packet(patient, by, status=Packet.Status.IN_PROGRESS), done=done)
