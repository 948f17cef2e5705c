"""(Roof) The days of the demo's front desk: full weeks, enquiries, calls, the post, and what went wrong."""

from datetime import datetime, timedelta
from functools import partial

from clinic import channels, localtime
from clinic.actions import outbox, worklist
from clinic.demo import care, plan
from clinic.demo.cast import DENVER, MESSAGES, PHOENIX
from clinic.demo.story import AHEAD, LETTERS_SINCE, Story, attempt
from clinic.errors import Refused
from clinic.letters import Rendered
from clinic.models import Category, Channel, OutboundMessage, WorkItem
from patients.actions import careteams, preferences, referrals
from patients.actions.preferences import Answer
from patients.models import ContactPreference, LifeState, Patient, Referral
from sessions.actions import reminders, visitrequests, waitlist, wishes
from sessions.models import Appointment, ChangeRequest, WaitlistEntry


def busy_weeks(story: Story) -> None:
    """The days around now are full, as a clinic's are; the weeks after that fill up more slowly, up to six ahead."""
    for shift in [*range(-4, 15), *range(16, AHEAD.days, 3)]:
        day = story.now + timedelta(days=shift)
        booked = min(day - timedelta(days=9), story.now - timedelta(hours=1)) + timedelta(minutes=shift + 5)
        story.later(booked, partial(_fill, story, day))


def _fill(story: Story, day: datetime, at: datetime) -> None:
    for site, most in {DENVER: 8, PHOENIX: 3}.items():
        place = story.places[site]
        known = Patient.objects.filter(home_location=place, life_state=LifeState.ACTIVE, portal_user=None)
        known = known.select_related("home_location").order_by("mrn")
        for number, patient in enumerate(story.dice.sample(list(known), min(most, known.count()))):
            code = ("follow_up", "integration", "preparation")[number % 3] if site == DENVER else "follow_up"
            visit = plan.book(story, patient, code, localtime.day_of(day, place.tz), at)
            if visit is not None:
                plan.happen(story, visit)


def enquiries(story: Story) -> None:
    """New ones of every age, one of them from somebody we know; some declined, some waiting to be booked."""
    ages = (0.2, 0.7, 1.5, 5, 20, 27, 49, 75, 120, 200)
    for number, hours_ago in enumerate(ages):
        story.later(story.now - timedelta(hours=hours_ago), partial(_enquire, story, 300 + number, None))
    for number in range(9):
        at = story.now - timedelta(days=4 + number * 6)
        reason = list(Referral.DeclineReason)[number % len(Referral.DeclineReason)]
        story.later(at, partial(_enquire, story, 400 + number, reason))

    def somebody_known(at: datetime) -> None:
        referrals.receive(
            location=story.places[DENVER], entry_key=story.a_key(), given_name="Patrice", family_name="Moreau",
            email="pat@post.example", phone="", reach_by=Referral.Reach.EMAIL,
            message="I am with you already and would like to change something about my visits.", agrees_to_email=True,
            address="203.0.113.12", now=at,
        )  # fmt: skip

    story.later(story.now - timedelta(hours=30), somebody_known)


def _enquire(story: Story, number: int, declined: Referral.DeclineReason | None, at: datetime) -> None:
    identity = care.identity_of(story, number)
    site = PHOENIX if number % 4 == 0 else DENVER
    referral = referrals.receive(
        location=story.places[site], entry_key=story.a_key(), given_name=identity.given_name,
        family_name=identity.family_name, email=identity.email or f"asker.{number}@post.example", phone=identity.phone,
        reach_by=Referral.Reach.PHONE if number % 3 == 0 else Referral.Reach.EMAIL, message=story.dice.choice(MESSAGES),
        agrees_to_email=True, address=f"203.0.113.{20 + number % 200}", now=at,
    )  # fmt: skip
    desk = story.people["frida" if site == DENVER else "olga"]
    if declined is not None:
        referrals.decline(by=desk, referral=referral, reason=declined, note="", now=at + timedelta(hours=4))
    elif number % 3 == 1:
        story.later(
            at + timedelta(hours=6), lambda then: attempt(referrals.accept, by=desk, referral=referral, now=then)
        )


def keep_up(story: Story) -> None:
    """Every evening the desk makes the calls of the days before, and closes enquiries from which nothing came."""
    day = story.begins
    while day <= story.now:
        story.later(day.replace(hour=23, minute=50), lambda at: _clear_the_desk(story, at))
        day += timedelta(days=1)


def _clear_the_desk(story: Story, at: datetime) -> None:
    desks = {story.places[DENVER].pk: story.people["frida"], story.places[PHOENIX].pk: story.people["olga"]}
    calls = WorkItem.objects.open().filter(kind=WorkItem.Kind.CALL_PATIENT, created_at__lt=at - timedelta(hours=36))
    for item in calls.order_by("id"):
        attempt(
            worklist.close_item, by=desks[item.location_id], item=item, outcome=WorkItem.Outcome.DONE,
            note="Spoke to them.", now=at,
        )  # fmt: skip
    given_up = Referral.objects.filter(status=Referral.Status.ACCEPTED, accepted_at__lt=at - timedelta(days=20))
    for referral in given_up.order_by("id"):
        attempt(referrals.close, by=desks[referral.location_id], referral=referral, now=at)


def post(story: Story) -> None:
    """The house's own hands: twice a day everything due is queued and sent, to nobody."""
    day = story.now - LETTERS_SINCE
    while day <= story.now + timedelta(days=1):
        for hour in (16, 23):
            at = day.replace(hour=hour, minute=30, second=0, microsecond=0)
            story.later(min(at, story.now), lambda then: _deliver(story, then))
        day += timedelta(days=1)


def _deliver(story: Story, at: datetime) -> None:
    sam = story.people["sam"]
    reminders.queue_due(by=sam, now=at)

    def send(letter: Rendered) -> str:
        return f"<{letter.message_id}@post.example>"

    # What was queued with a start a little later, so that letters do not come in a burst, goes on the same round.
    until = at + timedelta(hours=3)
    while outbox.deliver_next(by=sam, now=min(until, story.now), send=send):
        pass


def who_waits(story: Story) -> None:
    """Three wait for a time that becomes free, and Sol asks on the portal for a visit."""
    for days, code, weekdays in ((9, "follow_up", ()), (5, "integration", (1, 3)), (2, "preparation", (0, 2, 4))):
        story.later(story.now - timedelta(days=days, hours=2), partial(_wait, story, code, weekdays))
    story.later(story.now - timedelta(hours=5), lambda at: _ask_for_a_visit(story, at))


def _wait(story: Story, code: str, weekdays: tuple[int, ...], at: datetime) -> None:
    denver, desk = story.places[DENVER], story.people["frida"]
    busy = Appointment.objects.filter(starts_at__gt=at).values("patient")
    known = Patient.objects.filter(home_location=denver, life_state=LifeState.ACTIVE).exclude(pk__in=busy)
    today = localtime.day_of(at, denver.tz)
    wish = waitlist.Wish(story.types[code], today, today + timedelta(days=60), weekdays=weekdays)
    waiting = WaitlistEntry.objects.waiting().values("patient")
    for patient in known.exclude(pk__in=waiting).order_by("mrn")[:1]:
        attempt(waitlist.ask, by=desk, patient=patient, wish=wish, now=at)


def _ask_for_a_visit(story: Story, at: datetime) -> None:
    sol = Patient.objects.filter(email="sol@post.example", portal_user__isnull=False).first()
    if sol is not None and sol.portal_user is not None:
        wanted = visitrequests.Wanted(story.types["follow_up"], weekdays=(1, 2), day_parts=("morning",))
        attempt(visitrequests.ask, by=sol.portal_user, patient=sol, wanted=wanted, now=at)


def what_went_wrong(story: Story) -> None:
    """A letter nobody knows the outcome of, one that came back, a wish that could not be met, a break of the glass."""
    now, people = story.now, story.people
    pat = Patient.objects.select_related("home_location", "portal_user").get(
        email="pat@post.example", portal_user__isnull=False
    )
    coming = Appointment.objects.filter(patient=pat, starts_at__gt=now + timedelta(days=2)).select_related("location", "visit_type", "patient").order_by("starts_at")  # fmt: skip
    if (first := coming.first()) is not None and pat.portal_user is not None:
        try:
            wish = wishes.ask_change(
                by=pat.portal_user, appointment=first, wish=ChangeRequest.Wish.CHANGE,
                message="Could it be the evening of the same day, after eight?", now=now - timedelta(hours=26),
            )  # fmt: skip
            wishes.answer_change_request(
                by=people["frida"], change_request=wish, now=now - timedelta(hours=22),
                answer="We close at seven, so an evening is not possible. Mornings from eight on are free that week.",
            )  # fmt: skip
            _deliver(story, now - timedelta(hours=22))
        except Refused:
            pass
    if (later := coming.last()) is not None and pat.portal_user is not None:
        attempt(
            wishes.ask_change, by=pat.portal_user, appointment=later, wish=ChangeRequest.Wish.CHANGE,
            message="A day earlier would suit me better, if you can.", now=now - timedelta(hours=2),
        )  # fmt: skip

    def falls_silent(_letter: Rendered) -> str:
        raise channels.OutcomeUnknown(OutboundMessage.Reason.NO_ANSWER)

    def comes_back(_letter: Rendered) -> str:
        raise channels.Permanent(OutboundMessage.Reason.ADDRESS_REFUSED, said="550 5.1.1 no such mailbox")

    for send, number, hour in ((falls_silent, 501, 5), (comes_back, 502, 4)):
        _enquire(story, number, None, now - timedelta(hours=hour))
        outbox.deliver_next(by=people["sam"], now=now - timedelta(hours=hour - 1), send=send)
    someone = Patient.objects.filter(home_location=story.places[DENVER], life_state=LifeState.ACTIVE).exclude(pk=pat.pk).order_by("mrn").first()  # fmt: skip
    if someone is not None:
        careteams.break_glass(
            by=people["nils"], patient=someone, reason="emergency", now=now - timedelta(hours=20),
            reason_text="Called from the emergency room at night; needed to know who to ask.",
        )  # fmt: skip
    text = Answer(category=Category.VISIT, channel=Channel.SMS, is_allowed=False)
    preferences.answer(
        by=people["frida"], patient=pat, answers=[text], evidence=ContactPreference.Evidence.ASKED_BY_PHONE, now=now
    )
