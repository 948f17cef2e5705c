"""(Roof) What people of the demo do by hand: fill in packets, answer, sign, measure, interview, decide."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from assessments import definitions, packetparts
from assessments.actions import asking, entries, flags, health, packets, requests, responses, reviews
from assessments.instrument import Definition
from assessments.merging import Window
from assessments.models import (
    AssessmentResponse,
    CareEventKind,
    Clearance,
    Diagnosis,
    HealthFact,
    HealthStatement,
    Measurement,
    Packet,
    ScreeningFlag,
    TreatmentTrial,
)
from assessments.packetquestions import NO, ON, YES, Kind
from clinic.actions.signatures import DEMO_PROOF
from clinic.demo.story import Story, attempt
from clinic.models import User
from patients.actions import consents
from patients.models import Consent, ConsentText, Patient

# What everybody answers who has nothing to report; "no" and "never" fill the rest.
PLAIN: dict[str, dict[str, str]] = {
    "about_you": {
        "identity_right": YES, "language": "en", "needs_interpreter": NO, "sex_at_birth": "female", "height_cm": "168",
        "pregnancy_possible": NO, "pregnancy": NO, "breastfeeding": NO,
    },
    "contacts": {
        "has_emergency": YES, "emergency_name": "Robin Ahlgren", "emergency_relationship": "friend",
        "emergency_phone": "(303) 555-0177", "escort_possible": YES, "escort_same": ON, "transport": "their_car",
        "lives_with": YES,
    },
    "medicines": {
        "medicine-0-name": "sertraline", "medicine-0-dose": "100 mg in the morning", "medicines_all": YES,
        "allergy_ketamine": NO, "allergy_excipient": NO, "no_allergies": ON,
    },
    "treatments": {
        "trial-0-name": "sertraline", "trial-0-dose": "150 mg", "trial-0-weeks": "12", "trial-0-helped": "some",
        "trial-0-now": YES, "ketamine_before": NO,
    },
    "goals": {"reason": "I think in circles, and it takes the whole evening."},
}  # fmt: skip


def named(email: str) -> Patient:
    return Patient.objects.select_related("home_location", "portal_user").get(email=email, portal_user__isnull=False)


def user(patient: Patient) -> User:
    assert patient.portal_user is not None
    return patient.portal_user


def drafts(**changes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return every part of a packet as somebody fills it in, with ``changes`` by part."""
    drafts = {}
    for section in packetparts.SECTIONS:
        draft = {**PLAIN.get(section.code, {}), **changes.get(section.code, {})}
        for step in section.steps:
            for question in step.questions:
                if question.kind is Kind.CHOICE and question.name not in draft and question.is_shown(draft):
                    offered = [value for value, _label in question.choices]
                    draft[question.name] = next((value for value in (NO, "never") if value in offered), offered[-1])
        drafts[section.code] = draft
    return drafts


def fill_in(patient: Patient, packet: Packet, drafts: Mapping[str, Mapping[str, str]], at: datetime) -> None:
    """Type the parts, one after another, a few minutes each."""
    by = patient.portal_user
    assert by is not None
    for number, section in enumerate(packetparts.SECTIONS):
        draft, then = drafts.get(section.code), at + timedelta(minutes=5 * number)
        if draft is None:
            continue
        for step in section.steps:
            typed = {name: draft.get(name, "") for name in step.names(draft)}
            packets.save_section(
                by=by, packet=packet, section=section, step=step, typed=typed, seen={}, window=Window("demo", number), now=then
            )  # fmt: skip
        packets.complete_section(by=by, packet=packet, section=section, now=then)


def answers(definition: Definition, total: int, **told: int) -> dict[str, int]:
    """Return answers that come to about ``total``, spread evenly, with some items as ``told``."""
    items = [item for item in definition.scored_items if item.id not in told]
    left = max(0, total - sum(told.values()))
    answers = dict(told)
    for place, item in enumerate(items):
        share = min(item.high, -(-left // (len(items) - place)))
        answers[item.id], left = share, left - share
    return answers


def answer(patient: Patient, code: str, answers: Mapping[str, int], at: datetime, story: Story) -> AssessmentResponse:
    """Hand in answers, to what is asked of the patient if it is."""
    definition = definitions.current(code)
    by = patient.portal_user
    assert by is not None
    asked = next((one for one in requests.answerable(patient=patient, now=at) if one.code == code), None)
    return responses.hand_in(
        by=by, patient=patient, definition=definition, answers=answers, mode=AssessmentResponse.Mode.PORTAL, request=asked,
        submission_key=story.a_key(), answered_at=at, begun_at=at - timedelta(minutes=definition.minutes), now=at,
    )  # fmt: skip


def questionnaires(story: Story, patient: Patient, at: datetime, *, mood: int, worry: int, trauma: int = 0) -> None:
    """Answer what a packet asks."""
    for number, request in enumerate(requests.answerable(patient=patient, now=at)):
        total = {"phq-9": mood, "gad-7": worry, "pcl-5": trauma, "audit-c": 2, "asq": 0, "daily-life": 12}.get(
            request.code, 0
        )
        definition = definitions.current(request.code)
        told = {item.item: 0 for item in definition.safety_items}
        answer(patient, request.code, answers(definition, total, **told), at + timedelta(minutes=4 * number), story)


def sign_all(story: Story, patient: Patient, at: datetime, routes: Iterable[str] = ("", "sl")) -> None:
    by = patient.portal_user
    assert by is not None
    for text in ConsentText.objects.in_force(at).filter(language="en", route__in=list(routes)).order_by("kind"):
        attempt(
            consents.sign, by=by, patient=patient, text=text, seen=text.text_hash, entry_key=story.a_key(),
            typed_name=f"{patient.given_name} {patient.family_name}", how=Consent.How.PORTAL, proof=DEMO_PROOF, now=at,
            address="203.0.113.40",
        )  # fmt: skip


def examine(patient: Patient, nurse: User, at: datetime, *, systolic: int = 124, diastolic: int = 78) -> None:
    """The measurements of an intake visit, the tests that came back, and the blood pressure of another day."""
    kinds = Measurement.Kind
    measured: tuple[tuple[str, datetime, str, int | str, int | str | None], ...] = (
        (kinds.BLOOD_PRESSURE, at - timedelta(days=2), "document", systolic - 4, diastolic + 2),
        (kinds.BLOOD_PRESSURE, at - timedelta(minutes=15), "clinician", systolic - 4, diastolic + 2),
        (kinds.BLOOD_PRESSURE, at, "clinician", systolic, diastolic),
        (kinds.HEART_RATE, at, "clinician", 72, None),
        (kinds.OXYGEN_SATURATION, at, "clinician", 98, None),
        (kinds.WEIGHT, at, "clinician", 71, None),
        (kinds.LIVER_TEST, at, "laboratory", "0.6", "0.5"),
    )
    said = [
        health.Entry(
            model=Measurement, source=source, at=then,
            values={"kind": kind, "first": Decimal(first), "second": None if second is None else Decimal(second)},
        )
        for kind, then, source, first, second in measured
    ]  # fmt: skip
    health.record_many(by=nurse, patient=patient, entries=said, now=at)


def sheets(story: Story, patient: Patient, nurse: User, at: datetime) -> None:
    """Paper from the waiting room: a questionnaire whose words are not ours to show."""
    definition = definitions.current("dast-10")
    # Item 3 is counted the other way round: "yes" is the answer of somebody who has no trouble stopping.
    items = {item.id: int(item.reversed) for item in definition.scored_items}
    entries.enter(
        by=nurse, patient=patient, definition=definition, way=entries.Way.PAPER, given=entries.Given(items=items),
        submission_key=story.a_key(), held=(), answered_at=at - timedelta(minutes=30), now=at,
    )  # fmt: skip


def interview(patient: Patient, prescriber: User, at: datetime, *, indication: str = "trd") -> None:
    """What a prescriber says after the conversation: what the therapy is for, and what only they can say."""
    said: list[tuple[type[HealthFact], dict[str, Any]]] = [
        (
            Diagnosis,
            {
                "text": "Major depressive disorder, recurrent, severe without psychotic features", "icd10": "F33.2",
                "indication": indication,
            },
        )
    ]  # fmt: skip
    for kind, value in (("can_consent", True), ("in_person_evaluation", True), ("prescribed_remotely", False)):
        said.append((HealthStatement, {"kind": kind, "value": value}))
    for treatment, dose in (("Sertraline", "150 mg"), ("Venlafaxine", "225 mg")):
        tried = {"treatment": treatment, "max_dose": dose, "weeks": 10, "outcome": "helped a little at first"}
        said.append((TreatmentTrial, {**tried, "is_adequate": True, "has_failed": True, "in_current_episode": True}))
    facts = [health.Entry(model=model, values=values, source="clinician", at=at) for model, values in said]
    health.record_many(by=prescriber, patient=patient, entries=facts, now=at)


def clear(patient: Patient, prescriber: User, at: datetime, *, conditions: str = "") -> Clearance | None:
    """Decide every override that is open, acknowledge the rest, and clear for six sublingual sessions."""
    held = Clearance.objects.live().filter(patient=patient).order_by("-since").first()
    if held is None:
        return None
    rows = ScreeningFlag.objects.open().filter(patient=patient, severity="override", finding="found")
    overrides = [
        flags.Override(
            flag_id=row.pk, reason_code=ScreeningFlag.Reason.STABLE_AND_TREATED, plan_text="Blood pressure every ten minutes in the first hour.",
            reason_text="Stable on treatment for more than a year; discussed with the patient.",
        )
        for row in rows
    ]  # fmt: skip
    return reviews.decide(
        by=prescriber, clearance=held, seen_version=held.version,
        outcome=Clearance.Status.CLEARED_WITH_CONDITIONS if conditions else Clearance.Status.CLEARED, route="sl", max_mg=200,
        max_sessions=6, conditions=conditions, reason="Suitable, and well informed.", proof=DEMO_PROOF, now=at,
        workup_words="Urinalysis was normal at the family doctor's last month.", overrides=overrides,
    )  # fmt: skip


def doses(story: Story, patient: Patient, days_ago: Iterable[int]) -> None:
    """Doses as the clinic has them on paper, so that courses have a beginning."""
    for days in days_ago:
        story.later(
            (story.now - timedelta(days=days)).replace(hour=17, minute=0),
            lambda at: asking.record_event(
                by=story.people["nina"], patient=patient, kind=CareEventKind.DOSE_GIVEN, at=at, subject_type="paper_record",
                subject_id=story.a_key(), now=at,
            ),
        )  # fmt: skip
