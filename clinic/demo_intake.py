"""(Roof) The intake assessments of the demo clinic: packets, answers, facts, flags, clearances, consents and alarms.

Told by calling actions at their moments, like everything in demo.py, which begins this part of the story.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from assessments import definitions, packetparts
from assessments.actions import (
    alerts,
    asking,
    clearances,
    entries,
    flags,
    health,
    packets,
    requests,
    responses,
    reviews,
    safetyplans,
)
from assessments.actions.handing_in import submit
from assessments.instrument import Definition
from assessments.merging import Window
from assessments.models import (
    AssessmentResponse,
    CareEventKind,
    Clearance,
    Diagnosis,
    Disposition,
    HealthFact,
    HealthStatement,
    Measurement,
    Packet,
    RiskAlert,
    ScreeningFlag,
    TreatmentTrial,
)
from assessments.packetquestions import NO, ON, YES, Kind
from clinic import localtime
from clinic.actions import pages, rota
from clinic.actions.signatures import DEMO_PROOF
from clinic.errors import Refused
from clinic.models import OnCall, Page, User
from patients.actions import careteams, consents, consenttexts
from patients.models import Consent, ConsentText, ConsentWithdrawal, Patient

if TYPE_CHECKING:
    from clinic.demo import Story

DENVER, PHOENIX = "Denver", "Phoenix"
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


def tell(story: "Story") -> None:
    """Plan this part of the story; its moments come with the others."""
    now = story.now
    story.later(story.begins, lambda at: _prepare(story, at))
    story.later(now - timedelta(days=13), lambda at: _rota(story, at))
    story.later(now - timedelta(days=64), lambda at: _pat(story, at))
    story.later(now - timedelta(days=12), lambda at: _quinn(story, at))
    story.later(now - timedelta(days=3, hours=5), lambda at: _sol(story, at))
    for number, case in enumerate(_CASES):
        story.later(now - timedelta(days=11 - number % 5, hours=number), lambda at, c=case, n=number: c(story, n, at))  # type: ignore[misc]  # bound now, not when it is called
    for days in range(45, -1, -3):
        story.later((now - timedelta(days=days)).replace(hour=14, minute=5), lambda at: _now_and_then(story, at))


def _try(act: Callable[..., Any], **arguments: Any) -> Any:
    """Do it unless it is refused: in a made-up clinic too, not everything goes as planned."""
    try:
        return act(**arguments)
    except Refused:
        return None


def _prepare(story: "Story", at: datetime) -> None:
    """The clinic's wordings are published, and it is settled what is asked when."""
    dana = story.people["dana"]
    for text in consenttexts.draft_first_texts(by=dana, now=at):
        consenttexts.publish_text(
            by=dana, text=text, seen=text.text_hash, needs_new_signature=False, effective_at=at,
            location=story.places[DENVER], proof=DEMO_PROOF, now=at,
        )  # fmt: skip
    asking.seed_first_rules(by=dana, now=at)


def _rota(story: "Story", at: datetime) -> None:
    """Week by week, two people in turn; whoever is away then is not on call."""
    turns = {DENVER: ("nina", "theo", "nils", "dana"), PHOENIX: ("omar", "iris")}
    managers = {DENVER: "ada", PHOENIX: "olga"}
    for site, names in turns.items():
        place = story.places[site]
        monday = localtime.week_start(localtime.day_of(at, place.tz))
        for week in range(9):
            first = max(monday + timedelta(weeks=week), localtime.day_of(at, place.tz))
            for tier, shift in ((OnCall.Tier.FIRST, 0), (OnCall.Tier.SECOND, 1)):
                _try(
                    rota.enter_duty, by=story.people[managers[site]], location=place,
                    user=story.people[names[(week + shift) % len(names)]], tier=tier, first=first,
                    last=monday + timedelta(weeks=week, days=6), now=at,
                )  # fmt: skip


def _now_and_then(story: "Story", at: datetime) -> None:
    """What beat does, every few days: often enough for what is asked weeks ahead."""
    sam = story.people["sam"]
    asking.ask_due(by=sam, now=at)
    requests.expire_due(now=at)
    packets.expire_due(now=at)
    clearances.expire_due(now=at)


def _named(email: str) -> Patient:
    return Patient.objects.select_related("home_location", "portal_user").get(email=email, portal_user__isnull=False)


def _drafts(**changes: Mapping[str, str]) -> dict[str, dict[str, str]]:
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


def _fill_in(patient: Patient, packet: Packet, drafts: Mapping[str, Mapping[str, str]], at: datetime) -> None:
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


def _answers(definition: Definition, total: int, **told: int) -> dict[str, int]:
    """Return answers that come to about ``total``, spread evenly, with some items as ``told``."""
    items = [item for item in definition.scored_items if item.id not in told]
    left = max(0, total - sum(told.values()))
    answers = dict(told)
    for place, item in enumerate(items):
        share = min(item.high, -(-left // (len(items) - place)))
        answers[item.id], left = share, left - share
    return answers


def _answer(
    patient: Patient, code: str, answers: Mapping[str, int], at: datetime, story: "Story"
) -> AssessmentResponse:
    """Hand in answers, to what is asked of the patient if it is."""
    definition = definitions.current(code)
    by = patient.portal_user
    assert by is not None
    asked = next((one for one in requests.answerable(patient=patient, now=at) if one.code == code), None)
    return responses.hand_in(
        by=by, patient=patient, definition=definition, answers=answers, mode=AssessmentResponse.Mode.PORTAL, request=asked,
        submission_key=story.a_key(), answered_at=at, begun_at=at - timedelta(minutes=definition.minutes), now=at,
    )  # fmt: skip


def _questionnaires(story: "Story", patient: Patient, at: datetime, *, mood: int, worry: int, trauma: int = 0) -> None:
    """Answer what a packet asks."""
    for number, request in enumerate(requests.answerable(patient=patient, now=at)):
        total = {"phq-9": mood, "gad-7": worry, "pcl-5": trauma, "audit-c": 2, "asq": 0, "daily-life": 12}.get(
            request.code, 0
        )
        definition = definitions.current(request.code)
        told = {item.item: 0 for item in definition.safety_items}
        _answer(patient, request.code, _answers(definition, total, **told), at + timedelta(minutes=4 * number), story)


def _sign_all(story: "Story", patient: Patient, at: datetime, routes: Iterable[str] = ("", "sl")) -> None:
    by = patient.portal_user
    assert by is not None
    for text in ConsentText.objects.in_force(at).filter(language="en", route__in=list(routes)).order_by("kind"):
        _try(
            consents.sign, by=by, patient=patient, text=text, seen=text.text_hash, entry_key=story.a_key(),
            typed_name=f"{patient.given_name} {patient.family_name}", how=Consent.How.PORTAL, proof=DEMO_PROOF, now=at,
            address="203.0.113.40",
        )  # fmt: skip


def _examine(patient: Patient, nurse: User, at: datetime, *, systolic: int = 124, diastolic: int = 78) -> None:
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


def _sheets(story: "Story", patient: Patient, nurse: User, at: datetime) -> None:
    """Paper from the waiting room: a questionnaire whose words are not ours to show."""
    definition = definitions.current("dast-10")
    # Item 3 is counted the other way round: "yes" is the answer of somebody who has no trouble stopping.
    items = {item.id: int(item.reversed) for item in definition.scored_items}
    entries.enter(
        by=nurse, patient=patient, definition=definition, way=entries.Way.PAPER, given=entries.Given(items=items),
        submission_key=story.a_key(), held=(), answered_at=at - timedelta(minutes=30), now=at,
    )  # fmt: skip


def _interview(patient: Patient, prescriber: User, at: datetime, *, indication: str = "trd") -> None:
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


def _clear(patient: Patient, prescriber: User, at: datetime, *, conditions: str = "") -> Clearance | None:
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


def _doses(story: "Story", patient: Patient, days_ago: Iterable[int]) -> None:
    """Doses as the clinic has them on paper, so that courses have a beginning."""
    for days in days_ago:
        story.later(
            (story.now - timedelta(days=days)).replace(hour=17, minute=0),
            lambda at: asking.record_event(
                by=story.people["nina"], patient=patient, kind=CareEventKind.DOSE_GIVEN, at=at, subject_type="paper_record",
                subject_id=story.a_key(), now=at,
            ),
        )  # fmt: skip


def _pat(story: "Story", at: datetime) -> None:
    """Two months in: assessed, cleared, three doses, and questionnaires that get better, with a week left out."""
    pat, dana, nina = _named("pat@post.example"), story.people["dana"], story.people["nina"]
    packet = packets.invite(by=story.people["frida"], patient=pat, asks_about_trauma=True, now=at)
    drafts = _drafts(
        medicines={"medicine-1-name": "lamotrigine", "medicine-1-dose": "100 mg at night"},
        about_you={"sex_at_birth": "male"},
    )
    _fill_in(pat, packet, drafts, at + timedelta(hours=9))
    _questionnaires(story, pat, at + timedelta(days=1), mood=21, worry=16, trauma=38)
    submit(by=_user(pat), packet=packet, leaves_questionnaires=False, now=at + timedelta(days=1, hours=1))
    _sign_all(story, pat, at + timedelta(days=1, hours=2))
    _examine(pat, nina, at + timedelta(days=6))
    _sheets(story, pat, nina, at + timedelta(days=6))
    _interview(pat, dana, at + timedelta(days=6, hours=1))
    _clear(pat, dana, at + timedelta(days=6, hours=2))
    _doses(story, pat, (42, 35, 28))
    for days, mood, worry, thoughts in (
        (43, 20, 15, 19),
        (34, 16, 12, 16),
        (27, 13, 10, 13),
        (13, 9, 8, 9),
        (5, 7, 6, 8),
    ):
        for number, (code, total) in enumerate((("phq-9", mood), ("gad-7", worry), ("daily-life", thoughts))):
            told = {item.item: 0 for item in definitions.current(code).safety_items}
            answers = _answers(definitions.current(code), total, **told)
            story.later(
                (story.now - timedelta(days=days)).replace(hour=3, minute=10 + 4 * number),
                lambda then, c=code, a=answers: _answer(pat, c, a, then, story),  # type: ignore[misc]  # bound now, not when it is called
            )


def _quinn(story: "Story", at: datetime) -> None:
    """Cleared with a condition, and not started: blood pressure is treated."""
    quinn, dana = _named("quinn@post.example"), story.people["dana"]
    packet = packets.invite(by=story.people["felix"], patient=quinn, asks_about_trauma=False, now=at)
    drafts = _drafts(
        history={"hypertension": YES, "hypertension-state": "controlled"},
        medicines={"medicine-1-name": "lisinopril", "medicine-1-dose": "10 mg"},
    )
    _fill_in(quinn, packet, drafts, at + timedelta(hours=8))
    _questionnaires(story, quinn, at + timedelta(hours=10), mood=17, worry=13)
    submit(by=_user(quinn), packet=packet, leaves_questionnaires=False, now=at + timedelta(hours=12))
    _sign_all(story, quinn, at + timedelta(hours=13))
    _examine(quinn, story.people["nina"], at + timedelta(days=4), systolic=132, diastolic=84)
    _sheets(story, quinn, story.people["nina"], at + timedelta(days=4))
    _interview(quinn, dana, at + timedelta(days=4, hours=1))
    _clear(
        quinn,
        dana,
        at + timedelta(days=4, hours=2),
        conditions="Blood pressure at home every morning in the week before.",
    )


def _sol(story: "Story", at: datetime) -> None:
    """In the middle of the packet: some parts are done, the rest is still to do."""
    sol = _named("sol@post.example")
    packet = packets.invite(by=story.people["olga"], patient=sol, asks_about_trauma=True, now=at)
    drafts = _drafts()
    _fill_in(sol, packet, {code: drafts[code] for code in ("about_you", "contacts")}, at + timedelta(hours=20))


def _user(patient: Patient) -> User:
    assert patient.portal_user is not None
    return patient.portal_user


def _somebody(story: "Story", number: int, at: datetime) -> Patient | None:
    """Return one of those in care in Denver who have no portal yet, given one and a whole care team."""
    known = Patient.objects.filter(home_location=story.places[DENVER], life_state="active", portal_user=None)
    patient = known.exclude(email="").select_related("home_location").order_by("mrn").first()
    if patient is None:
        return None
    story.join(patient, at)
    patient.refresh_from_db()
    for name in ("dana", "theo", "nina"):
        _try(careteams.add, by=story.people["ada"], patient=patient, user=story.people[name], now=at)
    return patient


def _handed_in(
    story: "Story", number: int, at: datetime, *, mood: int = 16, worry: int = 12, **changes: Mapping[str, str]
) -> Patient | None:
    """Return somebody whose packet is handed in, and before a prescriber."""
    patient = _somebody(story, number, at)
    if patient is None:
        return None
    packet = packets.invite(by=story.people["frida"], patient=patient, asks_about_trauma=number % 2 == 0, now=at)
    _fill_in(patient, packet, _drafts(**changes), at + timedelta(hours=3))
    _questionnaires(story, patient, at + timedelta(hours=5), mood=mood, worry=worry, trauma=24)
    submit(by=_user(patient), packet=packet, leaves_questionnaires=False, now=at + timedelta(hours=6))
    return patient


def _nothing_in_the_way(story: "Story", number: int, at: datetime) -> None:
    """Seen, examined, nothing found: waits for a decision."""
    patient = _handed_in(story, number, at)
    if patient is not None:
        _sign_all(story, patient, at + timedelta(hours=7))
        _sheets(story, patient, story.people["nina"], at + timedelta(days=1))
        _examine(patient, story.people["nina"], at + timedelta(days=1))
        _interview(patient, story.people["dana"], at + timedelta(days=1, hours=1))


def _decisions_to_take(story: "Story", number: int, at: datetime) -> None:
    """A benzodiazepine, a misspelt name, treated blood pressure: a prescriber has to decide."""
    patient = _handed_in(
        story, number, at, mood=19, worry=17,
        history={"hypertension": YES, "hypertension-state": "controlled"},
        medicines={
            "medicine-1-name": "lorazapam", "medicine-1-dose": "1 mg at night, most days", "medicine-2-name": "lisinopril",
            "medicine-2-dose": "20 mg", "medicine-3-name": "a green pill from my sister", "medicine-3-dose": "when I cannot sleep",
        },
    )  # fmt: skip
    if patient is not None:
        _examine(patient, story.people["nina"], at + timedelta(days=1), systolic=138, diastolic=86)


def _stopped(story: "Story", number: int, at: datetime) -> None:
    """An aneurysm in the family album of facts: no dose, and the conversation goes on."""
    patient = _handed_in(story, number, at, history={"aneurysm": YES, "aneurysm-state": "current"})
    if patient is not None:
        _examine(patient, story.people["nina"], at + timedelta(days=1))


def _cleared(story: "Story", number: int, at: datetime) -> Patient | None:
    patient = _handed_in(story, number, at, about_you={"pregnancy_possible": YES})
    if patient is None:
        return None
    _sign_all(story, patient, at + timedelta(hours=7))
    _sheets(story, patient, story.people["nina"], at + timedelta(days=1))
    _examine(patient, story.people["nina"], at + timedelta(days=1))
    _interview(patient, story.people["dana"], at + timedelta(days=1, hours=1))
    _clear(patient, story.people["dana"], at + timedelta(days=1, hours=2))
    return patient


def _cleared_then_suspended(story: "Story", number: int, at: datetime) -> None:
    """Cleared, and yesterday the pregnancy test was positive."""
    patient = _cleared(story, number, at)
    if patient is not None:
        story.later(
            story.now - timedelta(hours=20),
            lambda then: health.record_measurement(
                by=story.people["nina"], patient=patient, kind=Measurement.Kind.PREGNANCY_TEST, result="positive",
                source="clinician", at=then, now=then,
            ),
        )  # fmt: skip


def _cleared_then_withdrew(story: "Story", number: int, at: datetime) -> None:
    """Cleared, and thought better of it."""
    patient = _cleared(story, number, at)
    if patient is None:
        return

    def take_back(then: datetime) -> None:
        consent = Consent.objects.filter(patient=patient, text__kind="ketamine").order_by("-signed_at").first()
        if consent is not None:
            consents.withdraw(
                by=_user(patient), consent=consent, how=ConsentWithdrawal.How.PORTAL, now=then,
                words="I would like to wait until after the summer.",
            )  # fmt: skip

    story.later(story.now - timedelta(hours=45), take_back)


def _alarm(
    story: "Story",
    number: int,
    at: datetime,
    raised_at: datetime,
    item_9: int,
    then: Callable[[RiskAlert, datetime], None],
) -> None:
    """Somebody answers the ninth question of the PHQ-9 so that it worries us, and people are called."""
    patient = _somebody(story, number, at)
    if patient is None:
        return
    definition = definitions.current("phq-9")
    last = definition.scored_items[-1].id

    def answer(moment: datetime) -> None:
        response = _answer(patient, "phq-9", _answers(definition, 17, **{last: item_9}), moment, story)
        alert = RiskAlert.objects.get(response=response)
        pages.call_due(by=story.people["sam"], now=moment + timedelta(seconds=20))
        then(alert, moment)

    story.later(raised_at, answer)


def _acknowledge(alert: RiskAlert, who: User, at: datetime) -> None:
    page = Page.objects.ringing().about("riskalert", alert.pk).first()
    if page is not None:
        _try(pages.acknowledge, by=who, page=page, now=at)


def _last_night(story: "Story", number: int, at: datetime) -> None:
    """At ten past two somebody was not well. Theo has spoken with them; what follows from it is still to be said."""
    night = localtime.at(
        localtime.day_of(story.now, story.places[DENVER].tz),
        datetime.min.time().replace(hour=2, minute=10),
        story.places[DENVER].tz,
    )
    if night > story.now:
        night -= timedelta(days=1)
    theo = story.people["theo"]

    def then(alert: RiskAlert, moment: datetime) -> None:
        _acknowledge(alert, theo, moment + timedelta(minutes=6))
        _try(
            alerts.record_contact, by=theo, alert=alert, whom="patient", result="spoke", at=moment + timedelta(minutes=14),
            note="Awake, alone, no plan. Slept at a friend's afterwards.", now=moment + timedelta(minutes=20),
        )  # fmt: skip

    _alarm(story, number, at, night, 2, then)


def _closed_red(story: "Story", number: int, at: datetime) -> None:
    """A week ago it was grave. Dana was there, and a safety plan was written together."""
    dana = story.people["dana"]

    def then(alert: RiskAlert, moment: datetime) -> None:
        _acknowledge(alert, dana, moment + timedelta(minutes=3))
        _try(
            alerts.record_contact, by=dana, alert=alert, whom="patient", result="spoke", at=moment + timedelta(minutes=9),
            note="On the phone for forty minutes; the sister came over.", now=moment + timedelta(minutes=50),
        )  # fmt: skip
        _try(
            safetyplans.write, by=dana, patient=alert.patient, with_patient=True, seen_number=0, now=moment + timedelta(minutes=70),
            parts={
                "signs": "I stop answering messages. I lie awake and count what went wrong.",
                "alone": "A cold shower. The long walk round the lake.",
                "places": "The climbing hall; my neighbour's kitchen.",
                "people": "My sister, at any hour.",
                "professionals": "The clinic; 988 at night.",
                "surroundings": "My sister keeps the tablets and gives me a week at a time.",
            },
        )  # fmt: skip
        _try(
            alerts.dispose, by=dana, alert=alert, proof=DEMO_PROOF, now=moment + timedelta(minutes=90),
            decision=alerts.Decision(
                level=Disposition.Level.HIGH, outcome=Disposition.Outcome.WITH_SOMEBODY,
                rationale="Thoughts every day, a plan without preparation, no intent tonight; reachable, sister in the flat.",
                means="Tablets handed to the sister while on the phone.", consulted="Theo Thorne, treating therapist.",
                plan="Seen tomorrow at nine. No session until reviewed together.",
            ),
        )  # fmt: skip

    _alarm(story, number, at, story.now - timedelta(days=6, hours=3), 3, then)


def _closed_yellow(story: "Story", number: int, at: datetime) -> None:
    """Thoughts on some days: Theo called the same afternoon."""
    theo = story.people["theo"]

    def then(alert: RiskAlert, moment: datetime) -> None:
        _try(
            alerts.record_contact, by=theo, alert=alert, whom="patient", result="spoke", at=moment + timedelta(hours=2),
            note="Old thoughts, no plan, no intent.", now=moment + timedelta(hours=2),
        )  # fmt: skip
        _try(
            alerts.dispose, by=theo, alert=alert, now=moment + timedelta(hours=3),
            decision=alerts.Decision(level=Disposition.Level.LOW, outcome=Disposition.Outcome.SAFE_AT_HOME, rationale="Known, unchanged for months; talked through."),
        )  # fmt: skip

    _alarm(story, number, at, story.now - timedelta(days=2, hours=4), 1, then)


def _left_unanswered(story: "Story", number: int, at: datetime) -> None:
    """Asked for two questionnaires, and has not answered."""
    patient = _somebody(story, number, at)
    if patient is not None:
        for code in ("phq-9", "gad-7"):
            requests.ask(
                by=story.people["theo"], patient=patient, code=code, opens_at=at, due_at=story.now - timedelta(days=2),
                expires_at=story.now + timedelta(days=5), now=at,
            )  # fmt: skip


def _not_begun(story: "Story", number: int, at: datetime) -> None:
    patient = _somebody(story, number, at)
    if patient is not None:
        packets.invite(by=story.people["frida"], patient=patient, asks_about_trauma=False, now=at)


_CASES: tuple[Callable[["Story", int, datetime], None], ...] = (
    _nothing_in_the_way, _decisions_to_take, _stopped, _cleared_then_suspended, _cleared_then_withdrew, _last_night,
    _closed_red, _closed_yellow, _left_unanswered, _not_begun, _nothing_in_the_way, _decisions_to_take,
)  # fmt: skip
