"""(Roof) The intake assessments of the demo clinic: who was asked, who answered, who was cleared, and the alarms.

Told by calling actions at their moments; what people do with their ``hands`` is in the module of that name.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from assessments import definitions
from assessments.actions import alerts, asking, clearances, health, packets, requests, safetyplans
from assessments.actions.handing_in import submit
from assessments.models import Disposition, Measurement, RiskAlert
from assessments.packetquestions import YES
from clinic import localtime
from clinic.actions import pages, rota
from clinic.actions.signatures import DEMO_PROOF
from clinic.demo import care, hands
from clinic.demo.cast import DENVER, PHOENIX
from clinic.demo.story import Story, attempt
from clinic.models import OnCall, Page, User
from patients.actions import careteams, consents, consenttexts
from patients.models import Consent, ConsentWithdrawal, Patient


def tell(story: Story) -> None:
    """Plan this part of the story; its moments come with the others."""
    now = story.now
    story.later(story.begins, lambda at: _prepare(story, at))
    story.later(now - timedelta(days=13), lambda at: _rota(story, at))
    story.later(now - timedelta(days=64), lambda at: _pat(story, at))
    story.later(now - timedelta(days=12), lambda at: _quinn(story, at))
    story.later(now - timedelta(days=3, hours=5), lambda at: _sol(story, at))
    for number, case in enumerate(_CASES):
        story.later(now - timedelta(days=11 - number % 5, hours=number), partial(case, story, number))
    for days in range(45, -1, -3):
        story.later((now - timedelta(days=days)).replace(hour=14, minute=5), lambda at: _now_and_then(story, at))


def _prepare(story: Story, at: datetime) -> None:
    """The clinic's wordings are published, and it is settled what is asked when."""
    dana = story.people["dana"]
    for text in consenttexts.draft_first_texts(by=dana, now=at):
        consenttexts.publish_text(
            by=dana, text=text, seen=text.text_hash, needs_new_signature=False, effective_at=at,
            location=story.places[DENVER], proof=DEMO_PROOF, now=at,
        )  # fmt: skip
    asking.seed_first_rules(by=dana, now=at)


def _rota(story: Story, at: datetime) -> None:
    """Week by week, two people in turn; whoever is away then is not on call."""
    turns = {DENVER: ("nina", "theo", "nils", "dana"), PHOENIX: ("omar", "iris")}
    managers = {DENVER: "ada", PHOENIX: "olga"}
    for site, names in turns.items():
        place = story.places[site]
        monday = localtime.week_start(localtime.day_of(at, place.tz))
        for week in range(9):
            first = max(monday + timedelta(weeks=week), localtime.day_of(at, place.tz))
            for tier, shift in ((OnCall.Tier.FIRST, 0), (OnCall.Tier.SECOND, 1)):
                attempt(
                    rota.enter_duty, by=story.people[managers[site]], location=place,
                    user=story.people[names[(week + shift) % len(names)]], tier=tier, first=first,
                    last=monday + timedelta(weeks=week, days=6), now=at,
                )  # fmt: skip


def _now_and_then(story: Story, at: datetime) -> None:
    """What beat does, every few days: often enough for what is asked weeks ahead."""
    sam = story.people["sam"]
    asking.ask_due(by=sam, now=at)
    requests.expire_due(now=at)
    packets.expire_due(now=at)
    clearances.expire_due(now=at)


def _pat(story: Story, at: datetime) -> None:
    """Two months in: assessed, cleared, three doses, and questionnaires that get better, with a week left out."""
    pat, dana, nina = hands.named("pat@post.example"), story.people["dana"], story.people["nina"]
    packet = packets.invite(by=story.people["frida"], patient=pat, asks_about_trauma=True, now=at)
    drafts = hands.drafts(
        medicines={"medicine-1-name": "lamotrigine", "medicine-1-dose": "100 mg at night"},
        about_you={"sex_at_birth": "male"},
    )
    hands.fill_in(pat, packet, drafts, at + timedelta(hours=9))
    hands.questionnaires(story, pat, at + timedelta(days=1), mood=21, worry=16, trauma=38)
    submit(by=hands.user(pat), packet=packet, leaves_questionnaires=False, now=at + timedelta(days=1, hours=1))
    hands.sign_all(story, pat, at + timedelta(days=1, hours=2))
    hands.examine(pat, nina, at + timedelta(days=6))
    hands.sheets(story, pat, nina, at + timedelta(days=6))
    hands.interview(pat, dana, at + timedelta(days=6, hours=1))
    hands.clear(pat, dana, at + timedelta(days=6, hours=2))
    hands.doses(story, pat, (42, 35, 28))
    for days, mood, worry, thoughts in (
        (43, 20, 15, 19),
        (34, 16, 12, 16),
        (27, 13, 10, 13),
        (13, 9, 8, 9),
        (5, 7, 6, 8),
    ):
        for number, (code, total) in enumerate((("phq-9", mood), ("gad-7", worry), ("daily-life", thoughts))):
            told = {item.item: 0 for item in definitions.current(code).safety_items}
            answers = hands.answers(definitions.current(code), total, **told)
            story.later(
                (story.now - timedelta(days=days)).replace(hour=3, minute=10 + 4 * number),
                partial(hands.answer, pat, code, answers, story=story),
            )


def _quinn(story: Story, at: datetime) -> None:
    """Cleared with a condition, and not started: blood pressure is treated."""
    quinn, dana = hands.named("quinn@post.example"), story.people["dana"]
    packet = packets.invite(by=story.people["felix"], patient=quinn, asks_about_trauma=False, now=at)
    drafts = hands.drafts(
        history={"hypertension": YES, "hypertension-state": "controlled"},
        medicines={"medicine-1-name": "lisinopril", "medicine-1-dose": "10 mg"},
    )
    hands.fill_in(quinn, packet, drafts, at + timedelta(hours=8))
    hands.questionnaires(story, quinn, at + timedelta(hours=10), mood=17, worry=13)
    submit(by=hands.user(quinn), packet=packet, leaves_questionnaires=False, now=at + timedelta(hours=12))
    hands.sign_all(story, quinn, at + timedelta(hours=13))
    hands.examine(quinn, story.people["nina"], at + timedelta(days=4), systolic=132, diastolic=84)
    hands.sheets(story, quinn, story.people["nina"], at + timedelta(days=4))
    hands.interview(quinn, dana, at + timedelta(days=4, hours=1))
    hands.clear(
        quinn,
        dana,
        at + timedelta(days=4, hours=2),
        conditions="Blood pressure at home every morning in the week before.",
    )


def _sol(story: Story, at: datetime) -> None:
    """In the middle of the packet: some parts are done, the rest is still to do."""
    sol = hands.named("sol@post.example")
    packet = packets.invite(by=story.people["olga"], patient=sol, asks_about_trauma=True, now=at)
    drafts = hands.drafts()
    hands.fill_in(sol, packet, {code: drafts[code] for code in ("about_you", "contacts")}, at + timedelta(hours=20))


def _somebody(story: Story, number: int, at: datetime) -> Patient | None:
    """Return one of those in care in Denver who have no portal yet, given one and a whole care team."""
    known = Patient.objects.filter(home_location=story.places[DENVER], life_state="active", portal_user=None)
    patient = known.exclude(email="").select_related("home_location").order_by("mrn").first()
    if patient is None:
        return None
    care.join(story, patient, at)
    patient.refresh_from_db()
    for name in ("dana", "theo", "nina"):
        attempt(careteams.add, by=story.people["ada"], patient=patient, user=story.people[name], now=at)
    return patient


def _handed_in(
    story: Story, number: int, at: datetime, *, mood: int = 16, worry: int = 12, **changes: Mapping[str, str]
) -> Patient | None:
    """Return somebody whose packet is handed in, and before a prescriber."""
    patient = _somebody(story, number, at)
    if patient is None:
        return None
    packet = packets.invite(by=story.people["frida"], patient=patient, asks_about_trauma=number % 2 == 0, now=at)
    hands.fill_in(patient, packet, hands.drafts(**changes), at + timedelta(hours=3))
    hands.questionnaires(story, patient, at + timedelta(hours=5), mood=mood, worry=worry, trauma=24)
    submit(by=hands.user(patient), packet=packet, leaves_questionnaires=False, now=at + timedelta(hours=6))
    return patient


def _nothing_in_the_way(story: Story, number: int, at: datetime) -> None:
    """Seen, examined, nothing found: waits for a decision."""
    patient = _handed_in(story, number, at)
    if patient is not None:
        hands.sign_all(story, patient, at + timedelta(hours=7))
        hands.sheets(story, patient, story.people["nina"], at + timedelta(days=1))
        hands.examine(patient, story.people["nina"], at + timedelta(days=1))
        hands.interview(patient, story.people["dana"], at + timedelta(days=1, hours=1))


def _decisions_to_take(story: Story, number: int, at: datetime) -> None:
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
        hands.examine(patient, story.people["nina"], at + timedelta(days=1), systolic=138, diastolic=86)


def _stopped(story: Story, number: int, at: datetime) -> None:
    """An aneurysm in the family album of facts: no dose, and the conversation goes on."""
    patient = _handed_in(story, number, at, history={"aneurysm": YES, "aneurysm-state": "current"})
    if patient is not None:
        hands.examine(patient, story.people["nina"], at + timedelta(days=1))


def _cleared(story: Story, number: int, at: datetime) -> Patient | None:
    patient = _handed_in(story, number, at, about_you={"pregnancy_possible": YES})
    if patient is None:
        return None
    hands.sign_all(story, patient, at + timedelta(hours=7))
    hands.sheets(story, patient, story.people["nina"], at + timedelta(days=1))
    hands.examine(patient, story.people["nina"], at + timedelta(days=1))
    hands.interview(patient, story.people["dana"], at + timedelta(days=1, hours=1))
    hands.clear(patient, story.people["dana"], at + timedelta(days=1, hours=2))
    return patient


def _cleared_then_suspended(story: Story, number: int, at: datetime) -> None:
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


def _cleared_then_withdrew(story: Story, number: int, at: datetime) -> None:
    """Cleared, and thought better of it."""
    patient = _cleared(story, number, at)
    if patient is None:
        return

    def take_back(then: datetime) -> None:
        consent = Consent.objects.filter(patient=patient, text__kind="ketamine").order_by("-signed_at").first()
        if consent is not None:
            consents.withdraw(
                by=hands.user(patient), consent=consent, how=ConsentWithdrawal.How.PORTAL, now=then,
                words="I would like to wait until after the summer.",
            )  # fmt: skip

    story.later(story.now - timedelta(hours=45), take_back)


def _alarm(
    story: Story,
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
        response = hands.answer(patient, "phq-9", hands.answers(definition, 17, **{last: item_9}), moment, story)
        alert = RiskAlert.objects.get(response=response)
        pages.call_due(by=story.people["sam"], now=moment + timedelta(seconds=20))
        then(alert, moment)

    story.later(raised_at, answer)


def _acknowledge(alert: RiskAlert, who: User, at: datetime) -> None:
    page = Page.objects.ringing().about("riskalert", alert.pk).first()
    if page is not None:
        attempt(pages.acknowledge, by=who, page=page, now=at)


def _last_night(story: Story, number: int, at: datetime) -> None:
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
        attempt(
            alerts.record_contact, by=theo, alert=alert, whom="patient", result="spoke", at=moment + timedelta(minutes=14),
            note="Awake, alone, no plan. Slept at a friend's afterwards.", now=moment + timedelta(minutes=20),
        )  # fmt: skip

    _alarm(story, number, at, night, 2, then)


def _closed_red(story: Story, number: int, at: datetime) -> None:
    """A week ago it was grave. Dana was there, and a safety plan was written together."""
    dana = story.people["dana"]

    def then(alert: RiskAlert, moment: datetime) -> None:
        _acknowledge(alert, dana, moment + timedelta(minutes=3))
        attempt(
            alerts.record_contact, by=dana, alert=alert, whom="patient", result="spoke", at=moment + timedelta(minutes=9),
            note="On the phone for forty minutes; the sister came over.", now=moment + timedelta(minutes=50),
        )  # fmt: skip
        attempt(
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
        attempt(
            alerts.dispose, by=dana, alert=alert, proof=DEMO_PROOF, now=moment + timedelta(minutes=90),
            decision=alerts.Decision(
                level=Disposition.Level.HIGH, outcome=Disposition.Outcome.WITH_SOMEBODY,
                rationale="Thoughts every day, a plan without preparation, no intent tonight; reachable, sister in the flat.",
                means="Tablets handed to the sister while on the phone.", consulted="Theo Thorne, treating therapist.",
                plan="Seen tomorrow at nine. No session until reviewed together.",
            ),
        )  # fmt: skip

    _alarm(story, number, at, story.now - timedelta(days=6, hours=3), 3, then)


def _closed_yellow(story: Story, number: int, at: datetime) -> None:
    """Thoughts on some days: Theo called the same afternoon."""
    theo = story.people["theo"]

    def then(alert: RiskAlert, moment: datetime) -> None:
        attempt(
            alerts.record_contact, by=theo, alert=alert, whom="patient", result="spoke", at=moment + timedelta(hours=2),
            note="Old thoughts, no plan, no intent.", now=moment + timedelta(hours=2),
        )  # fmt: skip
        attempt(
            alerts.dispose, by=theo, alert=alert, now=moment + timedelta(hours=3),
            decision=alerts.Decision(level=Disposition.Level.LOW, outcome=Disposition.Outcome.SAFE_AT_HOME, rationale="Known, unchanged for months; talked through."),
        )  # fmt: skip

    _alarm(story, number, at, story.now - timedelta(days=2, hours=4), 1, then)


def _left_unanswered(story: Story, number: int, at: datetime) -> None:
    """Asked for two questionnaires, and has not answered."""
    patient = _somebody(story, number, at)
    if patient is not None:
        for code in ("phq-9", "gad-7"):
            requests.ask(
                by=story.people["theo"], patient=patient, code=code, opens_at=at, due_at=story.now - timedelta(days=2),
                expires_at=story.now + timedelta(days=5), now=at,
            )  # fmt: skip


def _not_begun(story: Story, number: int, at: datetime) -> None:
    patient = _somebody(story, number, at)
    if patient is not None:
        packets.invite(by=story.people["frida"], patient=patient, asks_about_trauma=False, now=at)


_CASES: tuple[Callable[[Story, int, datetime], None], ...] = (
    _nothing_in_the_way, _decisions_to_take, _stopped, _cleared_then_suspended, _cleared_then_withdrew, _last_night,
    _closed_red, _closed_yellow, _left_unanswered, _not_begun, _nothing_in_the_way, _decisions_to_take,
)  # fmt: skip
