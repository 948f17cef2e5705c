"""(Roof) The patients of the demo, from the enquiry to the end of care, and the four of the cast."""

import json
from datetime import date, datetime, timedelta
from functools import partial

from clinic import keyring, localtime
from clinic.demo import plan
from clinic.demo.cast import DENVER, FAMILY, GIVEN, MESSAGES, PHOENIX
from clinic.demo.story import BEHIND, Story, attempt
from clinic.models import OutboundMessage, User
from patients.actions import careteams, contacts, patients, portal, referrals
from patients.actions.contacts import Details
from patients.actions.patients import Identity
from patients.models import Contact, ContactPreference, LifeState, Patient, Referral
from sessions.models import Appointment


def stream(story: Story, people: int) -> None:
    """A new person every day or so: an enquiry, a registration, an intake, then a course of visits."""
    for number in range(1, people + 1):
        came = story.begins + BEHIND * (number / (people + 4))
        came = came.replace(hour=16, minute=number % 60)
        site = PHOENIX if number % 10 in {3, 6, 9} else DENVER
        story.later(came, partial(_one_patient, story, number, site))


def _one_patient(story: Story, number: int, site: str, at: datetime) -> None:
    desk = story.people["frida" if site == DENVER else "olga"]
    identity = identity_of(story, number)
    referral = referrals.enter(
        by=desk, location=story.places[site], entry_key=story.a_key(), source=Referral.Source.PHONE,
        given_name=identity.given_name, family_name=identity.family_name, email=identity.email, phone=identity.phone,
        reach_by=Referral.Reach.PHONE, message=story.dice.choice(MESSAGES), agrees_to_email=bool(identity.email), now=at,
    )  # fmt: skip
    decided = at + timedelta(hours=story.dice.randrange(2, 30))

    def accept(then: datetime) -> None:
        referrals.accept(by=desk, referral=referral, now=then)
        patient = _register(story, identity, site, then, referral)
        if number % 3 == 0:
            _add_escort(story, patient, desk, then)
        day = localtime.day_of(then, story.places[site].tz) + timedelta(days=story.dice.randrange(4, 13))
        visit = plan.book(story, patient, "intake", day, then, referral)
        if visit is not None:
            plan.happen(story, visit, then=lambda later: _after_intake(story, patient, visit, number, later))

    story.later(decided, accept)


def _after_intake(story: Story, patient: Patient, intake: Appointment, number: int, at: datetime) -> None:
    """Care begins, or it does not; then a visit every week or two until it ends."""
    desk = story.people["frida" if patient.home_location.name == DENVER else "olga"]
    if number % 11 == 0:
        patients.change_life_state(by=desk, patient=patient, to=LifeState.DISCHARGED, now=at)
        return
    patients.change_life_state(by=desk, patient=patient, to=LifeState.ACTIVE, now=at)
    careteams.add(by=intake.clinician, patient=patient, user=intake.clinician, now=at)
    wanted = 1 + number % 3
    _next_visit(story, patient, wanted, number, at)
    end = at + timedelta(days=45 + number % 60)
    if number % 8 == 0:
        story.later(end, lambda later: _change_state(story, patient, LifeState.PAUSED, desk, later))
    elif number % 7 == 0:
        story.later(end, lambda later: _change_state(story, patient, LifeState.DISCHARGED, desk, later))
    elif number == 29:
        story.later(end, lambda later: _change_state(story, patient, LifeState.DECEASED, desk, later))


def _next_visit(story: Story, patient: Patient, left: int, number: int, at: datetime) -> None:
    if left == 0:
        return
    code = (
        ("follow_up", "preparation", "integration")[left % 3] if patient.home_location.name == DENVER else "follow_up"
    )
    day = localtime.day_of(at, patient.home_location.tz) + timedelta(days=7 + (number * left) % 15)
    visit = plan.book(story, patient, code, day, at)
    if visit is not None:
        plan.happen(story, visit, then=lambda later: _next_visit(story, patient, left - 1, number, later))


def the_four(story: Story) -> None:
    """Pat, mid-course and on the portal; Quinn, not started; Sol in Phoenix; Rosa, who has just asked."""
    now = story.now

    def pat(at: datetime) -> None:
        identity = Identity(
            "Pat", "Moreau", date(1984, 5, 17), "pat@post.example", "+13035550111", pronouns="they/them",
            street="48 Alder Court", city="Denver", state="CO", postcode="80206", time_zone="America/Denver",
        )  # fmt: skip
        patient = _register(story, identity, DENVER, at)
        _add_escort(story, patient, story.people["frida"], at)
        for name, leads in (("theo", True), ("dana", False), ("nina", False)):
            member = careteams.add(by=story.people["ada"], patient=patient, user=story.people[name], now=at)
            if leads:
                careteams.set_lead(by=story.people["ada"], member=member, now=at)
        join(story, patient, at)
        visit = plan.book(story, patient, "intake", at.date() + timedelta(days=5), at)
        if visit is not None:
            story.later(
                visit.ends_at, lambda then: _change_state(story, patient, LifeState.ACTIVE, story.people["frida"], then)
            )
            plan.walk_in(story, visit)
        story.later(at + timedelta(days=14), lambda then: _upcoming(story, patient, then))

    def quinn(at: datetime) -> None:
        identity = Identity(
            "Quinn", "Abbott", date(1991, 11, 2), "quinn@post.example", "+13035550122", city="Denver", state="CO"
        )
        patient = _register(story, identity, DENVER, at)
        careteams.add(by=story.people["dana"], patient=patient, user=story.people["dana"], now=at)
        join(story, patient, at)
        visit = plan.book(story, patient, "intake", at.date() + timedelta(days=4), at)
        if visit is not None:
            plan.walk_in(story, visit)
            story.later(
                visit.ends_at, lambda then: _change_state(story, patient, LifeState.ACTIVE, story.people["frida"], then)
            )

    def sol(at: datetime) -> None:
        identity = Identity(
            "Sol",
            "Serrano",
            date(1975, 8, 30),
            "sol@post.example",
            "+16025550133",
            time_zone="America/Phoenix",
            city="Phoenix",
            state="AZ",
        )
        patient = _register(story, identity, PHOENIX, at)
        careteams.add(by=story.people["omar"], patient=patient, user=story.people["omar"], now=at)
        join(story, patient, at)
        plan.book(story, patient, "follow_up", story.now.date() + timedelta(days=6), at)

    def rosa(at: datetime) -> None:
        referrals.receive(
            location=story.places[DENVER], entry_key=story.a_key(), given_name="Rosa", family_name="Vega",
            email="rosa@post.example", phone="+13035550188", reach_by=Referral.Reach.EMAIL,
            message="A friend told me about you. I would like to find out whether this is for me. Mornings are best.",
            agrees_to_email=True, address="203.0.113.7", now=at,
        )  # fmt: skip

    story.later(now - timedelta(days=66), pat)
    story.later(now - timedelta(days=21), quinn)
    story.later(now - timedelta(days=18), sol)
    story.later(now - timedelta(hours=3), rosa)


def _upcoming(story: Story, patient: Patient, at: datetime) -> None:
    for code, days in (("follow_up", 3), ("integration", 9), ("integration", 23)):
        plan.book(story, patient, code, story.now.date() + timedelta(days=days), at)


def identity_of(story: Story, number: int, given: str = "", family: str = "") -> Identity:
    given = given or GIVEN[number % len(GIVEN)]
    family = family or FAMILY[(number * 7 + number // len(GIVEN)) % len(FAMILY)]
    dice = story.dice
    return Identity(
        given_name=given,
        family_name=family,
        birth_date=date(dice.randrange(1950, 2005), dice.randrange(1, 13), dice.randrange(1, 29)),
        email="" if number % 17 == 0 else f"{given}.{family}.{number}@post.example".lower().replace("'", ""),
        phone=f"+1303555{1000 + number:04d}",
        chosen_name={5: "Kit", 23: "Max", 40: "Ash"}.get(number % 50, ""),
        pronouns={5: "they/them", 9: "she/her", 14: "he/him"}.get(number % 20, ""),
        street=f"{100 + number} Larkspur Lane",
        city="Denver",
        state="CO",
        postcode="80205",
        # Some were asked, some were not yet.
        language="es" if number % 41 == 0 else "en" if number % 3 else "",
        needs_interpreter=True if number % 41 == 0 else False if number % 3 else None,
        access_needs="Uses a wheelchair: step-free room" if number % 37 == 0 else "",
    )


def _register(story: Story, identity: Identity, site: str, at: datetime, referral: Referral | None = None) -> Patient:
    desk = story.people["frida" if site == DENVER else "olga"]
    return patients.register(
        by=desk, entry_key=story.a_key(), location=story.places[site], identity=identity, referral=referral,
        email_consent=ContactPreference.Evidence.ASKED_BY_PHONE if identity.email else None, is_surely_new=True, now=at,
    )  # fmt: skip


def _add_escort(story: Story, patient: Patient, desk: User, at: datetime) -> None:
    contacts.add(
        by=desk, patient=patient, now=at,
        details=Details(
            kind=Contact.Kind.BOTH, name=f"{story.dice.choice(GIVEN)} {patient.family_name}", relationship="partner",
            phone="+13035550144",
        ),
    )  # fmt: skip


def _change_state(story: Story, patient: Patient, to: LifeState, desk: User, at: datetime) -> None:
    attempt(patients.change_life_state, by=desk, patient=patient, to=to, now=at)


def join(story: Story, patient: Patient, at: datetime) -> None:
    """Invite to the portal and walk in with the link, as the patient would."""
    desk = story.people["frida" if patient.home_location.name == DENVER else "olga"]
    invitation = portal.invite_to_portal(by=desk, patient=patient, now=at)
    letter = OutboundMessage.objects.get(subject_id=invitation.pk)
    token = json.loads(keyring.unseal(letter.secret))["token"]
    portal.join_portal(token=token, birth_date=patient.birth_date, address="203.0.113.9", now=at + timedelta(hours=1))
